func.func @matmul_vector(%a: tensor<32x24xf32>, %b: tensor<24x32xf32>) -> tensor<32x32xf32> {
  %y = kforge.matmul %a, %b {kforge.name = "matmul"} : (tensor<32x24xf32>, tensor<24x32xf32>) -> tensor<32x32xf32>
  return %y : tensor<32x32xf32>
}
