func.func @block(%x: tensor<9x16xf32>, %wq: tensor<16x16xf32>, %wk: tensor<16x16xf32>, %wv: tensor<16x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<9x16xf32> {
  %q = kforge.matmul %x, %wq {kforge.name = "q"} : (tensor<9x16xf32>, tensor<16x16xf32>) -> tensor<9x16xf32>
  %k = kforge.matmul %x, %wk {kforge.name = "k"} : (tensor<9x16xf32>, tensor<16x16xf32>) -> tensor<9x16xf32>
  %v = kforge.matmul %x, %wv {kforge.name = "v"} : (tensor<9x16xf32>, tensor<16x16xf32>) -> tensor<9x16xf32>
  %q4 = tensor.expand_shape %q [[0, 1, 2], [3]] output_shape [1, 1, 9, 16] : tensor<9x16xf32> into tensor<1x1x9x16xf32>
  %k4 = tensor.expand_shape %k [[0, 1, 2], [3]] output_shape [1, 1, 9, 16] : tensor<9x16xf32> into tensor<1x1x9x16xf32>
  %v4 = tensor.expand_shape %v [[0, 1, 2], [3]] output_shape [1, 1, 9, 16] : tensor<9x16xf32> into tensor<1x1x9x16xf32>
  %a4 = kforge.attention %q4, %k4, %v4 {kforge.name = "attention"} : (tensor<1x1x9x16xf32>, tensor<1x1x9x16xf32>, tensor<1x1x9x16xf32>) -> tensor<1x1x9x16xf32>
  %a = tensor.collapse_shape %a4 [[0, 1, 2], [3]] : tensor<1x1x9x16xf32> into tensor<9x16xf32>
  %y = kforge.layer_norm %a gamma %g beta %b {kforge.name = "final"} : (tensor<9x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<9x16xf32>
  return %y : tensor<9x16xf32>
}
