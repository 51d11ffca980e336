func.func @layer_norm(%x: tensor<5x37xf32>, %g: tensor<37xf32>, %b: tensor<37xf32>) -> tensor<5x37xf32> {
  %y = kforge.layer_norm %x gamma %g beta %b {kforge.name = "layer_norm"} : (tensor<5x37xf32>, tensor<37xf32>, tensor<37xf32>) -> tensor<5x37xf32>
  return %y : tensor<5x37xf32>
}
