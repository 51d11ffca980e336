func.func @layer_norm(%x: tensor<7x100xf32>, %gamma: tensor<100xf32>, %beta: tensor<100xf32>) -> tensor<7x100xf32> {
  %y = kforge.layer_norm %x gamma %gamma beta %beta {kforge.name = "norm"} : (tensor<7x100xf32>, tensor<100xf32>, tensor<100xf32>) -> tensor<7x100xf32>
  return %y : tensor<7x100xf32>
}
