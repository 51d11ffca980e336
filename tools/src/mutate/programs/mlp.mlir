func.func @mlp(%x: tensor<5x10xf32>, %up: tensor<10x22xf32>, %down: tensor<22x9xf32>, %gate: tensor<10x22xf32>) -> tensor<5x9xf32> {
  %y = kforge.mlp %x, %up, %down gate %gate {activation = "silu", kforge.name = "mlp"} : (tensor<5x10xf32>, tensor<10x22xf32>, tensor<22x9xf32>, tensor<10x22xf32>) -> tensor<5x9xf32>
  return %y : tensor<5x9xf32>
}
