func.func @matmul_epilogue(%a: tensor<19x37xf32>, %b: tensor<37x21xf32>, %bias: tensor<21xf32>, %r: tensor<19x21xf32>) -> tensor<19x21xf32> {
  %y = kforge.matmul %a, %b bias %bias residual %r {activation = "gelu", kforge.name = "matmul"} : (tensor<19x37xf32>, tensor<37x21xf32>, tensor<21xf32>, tensor<19x21xf32>) -> tensor<19x21xf32>
  return %y : tensor<19x21xf32>
}
