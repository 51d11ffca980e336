func.func @rope(%x: tensor<1x3x7x6xf32>, %p: tensor<7xi32>) -> tensor<1x3x7x6xf32> {
  %y = kforge.rope %x, %p {kforge.name = "rope"} : (tensor<1x3x7x6xf32>, tensor<7xi32>) -> tensor<1x3x7x6xf32>
  return %y : tensor<1x3x7x6xf32>
}
