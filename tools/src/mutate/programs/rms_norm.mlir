func.func @rms_norm(%x: tensor<5x37xf32>, %g: tensor<37xf32>) -> tensor<5x37xf32> {
  %y = kforge.rms_norm %x gamma %g {kforge.name = "rms_norm"} : (tensor<5x37xf32>, tensor<37xf32>) -> tensor<5x37xf32>
  return %y : tensor<5x37xf32>
}
