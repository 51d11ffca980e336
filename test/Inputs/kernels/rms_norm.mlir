func.func @rms_norm(%x: tensor<7x100xf32>, %gamma: tensor<100xf32>) -> tensor<7x100xf32> {
  %y = kforge.rms_norm %x gamma %gamma {kforge.name = "norm"} : (tensor<7x100xf32>, tensor<100xf32>) -> tensor<7x100xf32>
  return %y : tensor<7x100xf32>
}
