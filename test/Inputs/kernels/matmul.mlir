func.func @matmul(%a: tensor<33x40xf32>, %b: tensor<40x36xf32>) -> tensor<33x36xf32> {
  %y = kforge.matmul %a, %b {kforge.name = "matmul"} : (tensor<33x40xf32>, tensor<40x36xf32>) -> tensor<33x36xf32>
  return %y : tensor<33x36xf32>
}
