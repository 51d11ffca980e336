func.func @elementwise(%a: tensor<7x11xf32>, %b: tensor<7x11xf32>) -> tensor<7x11xf32> {
  %s = arith.subf %a, %b {kforge.name = "difference"} : tensor<7x11xf32>
  %t = math.tanh %s : tensor<7x11xf32>
  %y = arith.mulf %t, %a : tensor<7x11xf32>
  return %y : tensor<7x11xf32>
}
