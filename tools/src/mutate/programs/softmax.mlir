func.func @softmax(%x: tensor<5x37xf32>) -> tensor<5x37xf32> {
  %y = kforge.softmax %x {kforge.name = "softmax"} : (tensor<5x37xf32>) -> tensor<5x37xf32>
  return %y : tensor<5x37xf32>
}
