// Layer 0 of the sentence encoder all-MiniLM-L6-v2: BERT, post-LN, 384 wide, 12
// heads, MLP 1536 with exact GELU, epsilon 1e-12; sequence length 128. Weights are
// bound by their names in model.safetensors; %mask is additive, 0 for a token and
// -1e9 for padding.
func.func @minilm_layer(
    %x: tensor<1x128x384xf32>,
    %mask: tensor<1x1x1x128xf32>,
    %q_weight: tensor<384x384xf32> {kforge.weight = "encoder.layer.0.attention.self.query.weight"},
    %q_bias: tensor<384xf32> {kforge.weight = "encoder.layer.0.attention.self.query.bias"},
    %k_weight: tensor<384x384xf32> {kforge.weight = "encoder.layer.0.attention.self.key.weight"},
    %k_bias: tensor<384xf32> {kforge.weight = "encoder.layer.0.attention.self.key.bias"},
    %v_weight: tensor<384x384xf32> {kforge.weight = "encoder.layer.0.attention.self.value.weight"},
    %v_bias: tensor<384xf32> {kforge.weight = "encoder.layer.0.attention.self.value.bias"},
    %o_weight: tensor<384x384xf32> {kforge.weight = "encoder.layer.0.attention.output.dense.weight"},
    %o_bias: tensor<384xf32> {kforge.weight = "encoder.layer.0.attention.output.dense.bias"},
    %norm1_gamma: tensor<384xf32> {kforge.weight = "encoder.layer.0.attention.output.LayerNorm.weight"},
    %norm1_beta: tensor<384xf32> {kforge.weight = "encoder.layer.0.attention.output.LayerNorm.bias"},
    %up_weight: tensor<1536x384xf32> {kforge.weight = "encoder.layer.0.intermediate.dense.weight"},
    %up_bias: tensor<1536xf32> {kforge.weight = "encoder.layer.0.intermediate.dense.bias"},
    %down_weight: tensor<384x1536xf32> {kforge.weight = "encoder.layer.0.output.dense.weight"},
    %down_bias: tensor<384xf32> {kforge.weight = "encoder.layer.0.output.dense.bias"},
    %norm2_gamma: tensor<384xf32> {kforge.weight = "encoder.layer.0.output.LayerNorm.weight"},
    %norm2_beta: tensor<384xf32> {kforge.weight = "encoder.layer.0.output.LayerNorm.bias"}) -> tensor<1x128x384xf32> {
  %q = kforge.matmul %x, %q_weight bias %q_bias {transpose_b, kforge.name = "q"} : (tensor<1x128x384xf32>, tensor<384x384xf32>, tensor<384xf32>) -> tensor<1x128x384xf32>
  %q_heads = tensor.expand_shape %q [[0], [1], [2, 3]] output_shape [1, 128, 12, 32] : tensor<1x128x384xf32> into tensor<1x128x12x32xf32>
  %q_init = tensor.empty() : tensor<1x12x128x32xf32>
  %q_split = linalg.transpose ins(%q_heads : tensor<1x128x12x32xf32>) outs(%q_init : tensor<1x12x128x32xf32>) permutation = [0, 2, 1, 3]
  %k = kforge.matmul %x, %k_weight bias %k_bias {transpose_b, kforge.name = "k"} : (tensor<1x128x384xf32>, tensor<384x384xf32>, tensor<384xf32>) -> tensor<1x128x384xf32>
  %k_heads = tensor.expand_shape %k [[0], [1], [2, 3]] output_shape [1, 128, 12, 32] : tensor<1x128x384xf32> into tensor<1x128x12x32xf32>
  %k_init = tensor.empty() : tensor<1x12x128x32xf32>
  %k_split = linalg.transpose ins(%k_heads : tensor<1x128x12x32xf32>) outs(%k_init : tensor<1x12x128x32xf32>) permutation = [0, 2, 1, 3]
  %v = kforge.matmul %x, %v_weight bias %v_bias {transpose_b, kforge.name = "v"} : (tensor<1x128x384xf32>, tensor<384x384xf32>, tensor<384xf32>) -> tensor<1x128x384xf32>
  %v_heads = tensor.expand_shape %v [[0], [1], [2, 3]] output_shape [1, 128, 12, 32] : tensor<1x128x384xf32> into tensor<1x128x12x32xf32>
  %v_init = tensor.empty() : tensor<1x12x128x32xf32>
  %v_split = linalg.transpose ins(%v_heads : tensor<1x128x12x32xf32>) outs(%v_init : tensor<1x12x128x32xf32>) permutation = [0, 2, 1, 3]
  %context = kforge.attention %q_split, %k_split, %v_split mask %mask {kforge.name = "attention"} : (tensor<1x12x128x32xf32>, tensor<1x12x128x32xf32>, tensor<1x12x128x32xf32>, tensor<1x1x1x128xf32>) -> tensor<1x12x128x32xf32>
  %merged_init = tensor.empty() : tensor<1x128x12x32xf32>
  %merged = linalg.transpose ins(%context : tensor<1x12x128x32xf32>) outs(%merged_init : tensor<1x128x12x32xf32>) permutation = [0, 2, 1, 3]
  %joined = tensor.collapse_shape %merged [[0], [1], [2, 3]] : tensor<1x128x12x32xf32> into tensor<1x128x384xf32>
  %o = kforge.matmul %joined, %o_weight bias %o_bias {transpose_b, kforge.name = "o"} : (tensor<1x128x384xf32>, tensor<384x384xf32>, tensor<384xf32>) -> tensor<1x128x384xf32>
  %residual1 = arith.addf %o, %x : tensor<1x128x384xf32>
  %norm1 = kforge.layer_norm %residual1 gamma %norm1_gamma beta %norm1_beta {epsilon = 1.0e-12 : f32, kforge.name = "norm1"} : (tensor<1x128x384xf32>, tensor<384xf32>, tensor<384xf32>) -> tensor<1x128x384xf32>
  %up = kforge.matmul %norm1, %up_weight bias %up_bias {transpose_b, kforge.name = "ffn_up"} : (tensor<1x128x384xf32>, tensor<1536x384xf32>, tensor<1536xf32>) -> tensor<1x128x1536xf32>
  %gelu = kforge.activation %up {kind = "gelu"} : (tensor<1x128x1536xf32>) -> tensor<1x128x1536xf32>
  %down = kforge.matmul %gelu, %down_weight bias %down_bias {transpose_b, kforge.name = "ffn_down"} : (tensor<1x128x1536xf32>, tensor<384x1536xf32>, tensor<384xf32>) -> tensor<1x128x384xf32>
  %residual2 = arith.addf %down, %norm1 : tensor<1x128x384xf32>
  %norm2 = kforge.layer_norm %residual2 gamma %norm2_gamma beta %norm2_beta {epsilon = 1.0e-12 : f32, kforge.name = "final"} : (tensor<1x128x384xf32>, tensor<384xf32>, tensor<384xf32>) -> tensor<1x128x384xf32>
  return %norm2 : tensor<1x128x384xf32>
}
