func.func @attention_masked(%q: tensor<1x4x19x8xf32>, %k: tensor<1x2x21x8xf32>, %v: tensor<1x2x21x8xf32>, %m: tensor<19x21xf32>) -> tensor<1x4x19x8xf32> {
  %y = kforge.attention %q, %k, %v mask %m {causal, kforge.name = "attention"} : (tensor<1x4x19x8xf32>, tensor<1x2x21x8xf32>, tensor<1x2x21x8xf32>, tensor<19x21xf32>) -> tensor<1x4x19x8xf32>
  return %y : tensor<1x4x19x8xf32>
}
