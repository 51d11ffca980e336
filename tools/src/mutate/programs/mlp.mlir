func.func @mlp(%x: tensor<5x37xf32>, %up: tensor<37x42xf32>, %down: tensor<42x9xf32>, %gate: tensor<37x42xf32>) -> tensor<5x9xf32> {
  %y = kforge.mlp %x, %up, %down gate %gate {activation = "silu", kforge.name = "mlp"} : (tensor<5x37xf32>, tensor<37x42xf32>, tensor<42x9xf32>, tensor<37x42xf32>) -> tensor<5x9xf32>
  return %y : tensor<5x9xf32>
}
