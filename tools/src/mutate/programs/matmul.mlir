func.func @matmul(%a: tensor<19x37xf32>, %b: tensor<37x21xf32>) -> tensor<19x21xf32> {
  %y = kforge.matmul %a, %b {kforge.name = "matmul"} : (tensor<19x37xf32>, tensor<37x21xf32>) -> tensor<19x21xf32>
  return %y : tensor<19x21xf32>
}
