func.func @f(%x: tensor<3x4xf32>, %w: tensor<4x6xf32>, %b: tensor<6xf32>) -> tensor<3x6xf32> {
  %0 = kforge.matmul %x, %w bias %b {activation = "gelu"} : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  return %0 : tensor<3x6xf32>
}
