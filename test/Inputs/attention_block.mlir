// The user's own shape: sequence 128, width 256; projections of queries, keys and
// values, attention over 8 heads, layer norm.
func.func @attention_block(
    %x: tensor<128x256xf32>,
    %q_weight: tensor<256x256xf32>, %k_weight: tensor<256x256xf32>, %v_weight: tensor<256x256xf32>,
    %gamma: tensor<256xf32>, %beta: tensor<256xf32>) -> tensor<128x256xf32> {
  %q = kforge.matmul %x, %q_weight {kforge.name = "q"} : (tensor<128x256xf32>, tensor<256x256xf32>) -> tensor<128x256xf32>
  %q_heads = tensor.expand_shape %q [[0, 1], [2, 3]] output_shape [1, 128, 8, 32] : tensor<128x256xf32> into tensor<1x128x8x32xf32>
  %q_init = tensor.empty() : tensor<1x8x128x32xf32>
  %q_split = linalg.transpose ins(%q_heads : tensor<1x128x8x32xf32>) outs(%q_init : tensor<1x8x128x32xf32>) permutation = [0, 2, 1, 3]
  %k = kforge.matmul %x, %k_weight {kforge.name = "k"} : (tensor<128x256xf32>, tensor<256x256xf32>) -> tensor<128x256xf32>
  %k_heads = tensor.expand_shape %k [[0, 1], [2, 3]] output_shape [1, 128, 8, 32] : tensor<128x256xf32> into tensor<1x128x8x32xf32>
  %k_init = tensor.empty() : tensor<1x8x128x32xf32>
  %k_split = linalg.transpose ins(%k_heads : tensor<1x128x8x32xf32>) outs(%k_init : tensor<1x8x128x32xf32>) permutation = [0, 2, 1, 3]
  %v = kforge.matmul %x, %v_weight {kforge.name = "v"} : (tensor<128x256xf32>, tensor<256x256xf32>) -> tensor<128x256xf32>
  %v_heads = tensor.expand_shape %v [[0, 1], [2, 3]] output_shape [1, 128, 8, 32] : tensor<128x256xf32> into tensor<1x128x8x32xf32>
  %v_init = tensor.empty() : tensor<1x8x128x32xf32>
  %v_split = linalg.transpose ins(%v_heads : tensor<1x128x8x32xf32>) outs(%v_init : tensor<1x8x128x32xf32>) permutation = [0, 2, 1, 3]
  %context = kforge.attention %q_split, %k_split, %v_split {kforge.name = "attention"} : (tensor<1x8x128x32xf32>, tensor<1x8x128x32xf32>, tensor<1x8x128x32xf32>) -> tensor<1x8x128x32xf32>
  %merged_init = tensor.empty() : tensor<1x128x8x32xf32>
  %merged = linalg.transpose ins(%context : tensor<1x8x128x32xf32>) outs(%merged_init : tensor<1x128x8x32xf32>) permutation = [0, 2, 1, 3]
  %joined = tensor.collapse_shape %merged [[0, 1], [2, 3]] : tensor<1x128x8x32xf32> into tensor<128x256xf32>
  %norm = kforge.layer_norm %joined gamma %gamma beta %beta {kforge.name = "final"} : (tensor<128x256xf32>, tensor<256xf32>, tensor<256xf32>) -> tensor<128x256xf32>
  return %norm : tensor<128x256xf32>
}
