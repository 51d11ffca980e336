func.func @attention(%q: tensor<1x4x12x16xf32>, %k: tensor<1x2x20x16xf32>, %v: tensor<1x2x20x16xf32>) -> tensor<1x4x12x16xf32> {
  %y = kforge.attention %q, %k, %v {causal, kforge.name = "attention"} : (tensor<1x4x12x16xf32>, tensor<1x2x20x16xf32>, tensor<1x2x20x16xf32>) -> tensor<1x4x12x16xf32>
  return %y : tensor<1x4x12x16xf32>
}
