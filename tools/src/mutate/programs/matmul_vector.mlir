func.func @matmul_vector(%a: tensor<32x72xf32>, %b: tensor<72x32xf32>) -> tensor<32x32xf32> {
  %y = kforge.matmul %a, %b {kforge.name = "matmul"} : (tensor<32x72xf32>, tensor<72x32xf32>) -> tensor<32x32xf32>
  return %y : tensor<32x32xf32>
}
