func.func @layer_norm_plain(%x: tensor<5x37xf32>) -> tensor<5x37xf32> {
  %y = kforge.layer_norm %x {kforge.name = "layer_norm"} : (tensor<5x37xf32>) -> tensor<5x37xf32>
  return %y : tensor<5x37xf32>
}
