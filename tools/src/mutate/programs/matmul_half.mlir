func.func @matmul_half(%a: tensor<9x64xf16>, %b: tensor<64x11xf16>) -> tensor<9x11xf16> {
  %y = kforge.matmul %a, %b {kforge.name = "matmul"} : (tensor<9x64xf16>, tensor<64x11xf16>) -> tensor<9x11xf16>
  return %y : tensor<9x11xf16>
}
