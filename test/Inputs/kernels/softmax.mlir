func.func @softmax(%x: tensor<7x100xf32>) -> tensor<7x100xf32> {
  %y = kforge.softmax %x {kforge.name = "softmax"} : (tensor<7x100xf32>) -> tensor<7x100xf32>
  return %y : tensor<7x100xf32>
}
