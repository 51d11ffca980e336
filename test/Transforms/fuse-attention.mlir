// RUN: kforge-opt %s --kforge-fuse-attention --split-input-file --verify-diagnostics | FileCheck %s

// Scores, scale, softmax, sum; the name is that of the scores.
// CHECK-LABEL: func.func @scaled
// CHECK: %[[O:.*]] = kforge.attention %arg0, %arg1, %arg2 {kforge.name = "scores", scale = 2.500000e-01 : f32}
// CHECK-NEXT: return %[[O]]
func.func @scaled(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %c = arith.constant dense<0.25> : tensor<1x2x4x6xf32>
  %0 = kforge.matmul %q, %k {transpose_b, kforge.name = "scores"} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = arith.mulf %c, %0 : tensor<1x2x4x6xf32>
  %2 = kforge.softmax %1 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %3 = kforge.matmul %2, %v {kforge.name = "sum"} : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %3 : tensor<1x2x4x8xf32>
}

// -----

// Without a scale it is 1, not the default; a divisor becomes its reciprocal.
// CHECK-LABEL: func.func @unscaled
// CHECK: kforge.attention %arg0, %arg1, %arg2 {scale = 1.000000e+00 : f32}
// CHECK: kforge.attention %arg0, %arg1, %arg2 {scale = 0.353553385 : f32}
func.func @unscaled(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %c = arith.constant dense<2.828427> : tensor<1x2x4x6xf32>
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = kforge.softmax %0 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %2 = kforge.matmul %1, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  %3 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %4 = arith.divf %3, %c : tensor<1x2x4x6xf32>
  %5 = kforge.softmax %4 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %6 = kforge.matmul %5, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  %7 = arith.addf %2, %6 : tensor<1x2x4x8xf32>
  return %7 : tensor<1x2x4x8xf32>
}

// -----

// A constant that hides exactly the later keys, j > i + Sk - Sq.
// CHECK-LABEL: func.func @causal
// CHECK: kforge.attention %arg0, %arg1, %arg2 {causal, scale = 2.500000e-01 : f32}
func.func @causal(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %c = arith.constant dense<0.25> : tensor<1x2x4x6xf32>
  %m = arith.constant dense<[[0.0, 0.0, 0.0, -1.0e9, -1.0e9, -1.0e9], [0.0, 0.0, 0.0, 0.0, -1.0e9, 0xFF800000], [0.0, 0.0, 0.0, 0.0, 0.0, -2.0e9], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]> : tensor<4x6xf32>
  %e = tensor.empty() : tensor<1x2x4x6xf32>
  %mm = linalg.broadcast ins(%m : tensor<4x6xf32>) outs(%e : tensor<1x2x4x6xf32>) dimensions = [0, 1]
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = arith.mulf %0, %c : tensor<1x2x4x6xf32>
  %2 = arith.addf %1, %mm : tensor<1x2x4x6xf32>
  %3 = kforge.softmax %2 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %4 = kforge.matmul %3, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %4 : tensor<1x2x4x8xf32>
}

// -----

// Any other constant stays, as small as it was before it was broadcast.
// CHECK-LABEL: func.func @additive
// CHECK: %[[M:.*]] = arith.constant {{.*}} : tensor<4x6xf32>
// CHECK: kforge.attention %arg0, %arg1, %arg2 mask %[[M]] {scale = 2.500000e-01 : f32}
func.func @additive(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %c = arith.constant dense<0.25> : tensor<1x2x4x6xf32>
  %m = arith.constant dense<[[0.0, 0.0, 0.0, -1.0e9, -1.0e9, -1.0e9], [0.0, 0.0, 0.0, 0.0, -1.0e9, 0xFF800000], [0.0, 0.0, 0.0, 0.0, 0.0, -2.0e9], [0.0, 0.5, 0.0, 0.0, 0.0, 0.0]]> : tensor<4x6xf32>
  %e = tensor.empty() : tensor<1x2x4x6xf32>
  %mm = linalg.broadcast ins(%m : tensor<4x6xf32>) outs(%e : tensor<1x2x4x6xf32>) dimensions = [0, 1]
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = arith.mulf %0, %c : tensor<1x2x4x6xf32>
  %2 = arith.addf %1, %mm : tensor<1x2x4x6xf32>
  %3 = kforge.softmax %2 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %4 = kforge.matmul %3, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %4 : tensor<1x2x4x8xf32>
}

// -----

// A mask of zeros is none.
// CHECK-LABEL: func.func @zero
// CHECK: kforge.attention %arg0, %arg1, %arg2 {scale = 2.500000e-01 : f32}
func.func @zero(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %c = arith.constant dense<0.25> : tensor<1x2x4x6xf32>
  %m = arith.constant dense<0.0> : tensor<4x6xf32>
  %e = tensor.empty() : tensor<1x2x4x6xf32>
  %mm = linalg.broadcast ins(%m : tensor<4x6xf32>) outs(%e : tensor<1x2x4x6xf32>) dimensions = [0, 1]
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = arith.mulf %0, %c : tensor<1x2x4x6xf32>
  %2 = arith.addf %1, %mm : tensor<1x2x4x6xf32>
  %3 = kforge.softmax %2 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %4 = kforge.matmul %3, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %4 : tensor<1x2x4x8xf32>
}

// -----

// Softmax over equally hidden keys is a mean, attention gives 0.
// CHECK-LABEL: func.func @hidden_row
// CHECK-NOT: kforge.attention
func.func @hidden_row(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %c = arith.constant dense<0.25> : tensor<1x2x4x6xf32>
  %m = arith.constant dense<[[0.0, 0.0, 0.0, -1.0e9, -1.0e9, -1.0e9], [0.0, 0.0, 0.0, 0.0, -1.0e9, 0xFF800000], [0.0, 0.0, 0.0, 0.0, 0.0, -2.0e9], [-1.0e9, -1.0e9, -1.0e9, -1.0e9, -1.0e9, -1.0e9]]> : tensor<4x6xf32>
  %e = tensor.empty() : tensor<1x2x4x6xf32>
  %mm = linalg.broadcast ins(%m : tensor<4x6xf32>) outs(%e : tensor<1x2x4x6xf32>) dimensions = [0, 1]
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: row 3 of the mask hides every key, where softmax gives a mean and attention 0}}
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = arith.mulf %0, %c : tensor<1x2x4x6xf32>
  %2 = arith.addf %1, %mm : tensor<1x2x4x6xf32>
  %3 = kforge.softmax %2 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %4 = kforge.matmul %3, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %4 : tensor<1x2x4x8xf32>
}

// -----

// NaN and +infinity are not masks.
// CHECK-LABEL: func.func @nan
// CHECK-NOT: kforge.attention
func.func @nan(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %c = arith.constant dense<0.25> : tensor<1x2x4x6xf32>
  %m = arith.constant dense<[[0.0, 0.0, 0.0, -1.0e9, -1.0e9, -1.0e9], [0.0, 0.0, 0.0, 0.0, -1.0e9, 0xFF800000], [0.0, 0.0, 0.0, 0.0, 0.0, -2.0e9], [0.0, 0x7FC00000, 0.0, 0.0, 0.0, 0.0]]> : tensor<4x6xf32>
  %e = tensor.empty() : tensor<1x2x4x6xf32>
  %mm = linalg.broadcast ins(%m : tensor<4x6xf32>) outs(%e : tensor<1x2x4x6xf32>) dimensions = [0, 1]
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: the mask holds NaN or +infinity}}
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = arith.mulf %0, %c : tensor<1x2x4x6xf32>
  %2 = arith.addf %1, %mm : tensor<1x2x4x6xf32>
  %3 = kforge.softmax %2 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %4 = kforge.matmul %3, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %4 : tensor<1x2x4x8xf32>
}

// -----

// A mask that is not known may hide a row.
// CHECK-LABEL: func.func @unknown_mask
// CHECK-NOT: kforge.attention
func.func @unknown_mask(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>, %m: tensor<1x2x4x6xf32>) -> tensor<1x2x4x8xf32> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: the mask is no constant}}
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = arith.addf %m, %0 : tensor<1x2x4x6xf32>
  %2 = kforge.softmax %1 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %3 = kforge.matmul %2, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %3 : tensor<1x2x4x8xf32>
}

// -----

// A mask that another pass put into the scores.
// CHECK-LABEL: func.func @mask_as_bias
// CHECK: %[[M:.*]] = arith.constant
// CHECK: kforge.attention %arg0, %arg1, %arg2 mask %[[M]] {scale = 1.000000e+00 : f32}
func.func @mask_as_bias(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %m = arith.constant dense<[0.0, 0.0, 0.0, 0.0, -1.0e9, -1.0e9]> : tensor<6xf32>
  %0 = kforge.matmul %q, %k bias %m {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>, tensor<6xf32>) -> tensor<1x2x4x6xf32>
  %1 = kforge.softmax %0 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %2 = kforge.matmul %1, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %2 : tensor<1x2x4x8xf32>
}

// -----

// Grouped heads: one key and value head for all.
// CHECK-LABEL: func.func @grouped
// CHECK: kforge.attention %arg0, %arg1, %arg2 {scale = 1.000000e+00 : f32}
func.func @grouped(%q: tensor<1x2x4x8xf32>, %k: tensor<1x1x6x8xf32>, %v: tensor<1x1x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x1x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = kforge.softmax %0 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %2 = kforge.matmul %1, %v : (tensor<1x2x4x6xf32>, tensor<1x1x6x8xf32>) -> tensor<1x2x4x8xf32>
  return %2 : tensor<1x2x4x8xf32>
}

// -----

// f16 has its own limit for absent keys.
// CHECK-LABEL: func.func @f16
// CHECK: kforge.attention %arg0, %arg1, %arg2 {causal, scale = 1.000000e+00 : f32}
func.func @f16(%q: tensor<1x1x2x8xf16>, %k: tensor<1x1x2x8xf16>, %v: tensor<1x1x2x8xf16>) -> tensor<1x1x2x8xf16> {
  %m = arith.constant dense<[[[[0.0, -6.0e4], [0.0, 0.0]]]]> : tensor<1x1x2x2xf16>
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x1x2x8xf16>, tensor<1x1x2x8xf16>) -> tensor<1x1x2x2xf16>
  %1 = arith.addf %0, %m : tensor<1x1x2x2xf16>
  %2 = kforge.softmax %1 : (tensor<1x1x2x2xf16>) -> tensor<1x1x2x2xf16>
  %3 = kforge.matmul %2, %v : (tensor<1x1x2x2xf16>, tensor<1x1x2x8xf16>) -> tensor<1x1x2x8xf16>
  return %3 : tensor<1x1x2x8xf16>
}

// -----

// Someone else reads the probabilities.
// CHECK-LABEL: func.func @second_user
// CHECK-NOT: kforge.attention
func.func @second_user(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: scores or probabilities have another reader}}
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = kforge.softmax %0 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %2 = kforge.matmul %1, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  %3 = kforge.matmul %1, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  %4 = arith.addf %2, %3 : tensor<1x2x4x8xf32>
  return %4 : tensor<1x2x4x8xf32>
}

// -----

// Near matches, each with its reason.
// CHECK-LABEL: func.func @near
// CHECK-NOT: kforge.attention
func.func @near(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>, %kt: tensor<1x2x8x6xf32>, %r: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %c = arith.constant dense<0.25> : tensor<1x2x4x6xf32>
  %z = arith.constant dense<-1.0> : tensor<1x2x4x6xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: the mask is added before the scale}}
  %0 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %1 = arith.addf %0, %z : tensor<1x2x4x6xf32>
  %2 = arith.mulf %1, %c : tensor<1x2x4x6xf32>
  %3 = kforge.softmax %2 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %4 = kforge.matmul %3, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: the scores are not q·kᵀ}}
  %5 = kforge.matmul %q, %kt : (tensor<1x2x4x8xf32>, tensor<1x2x8x6xf32>) -> tensor<1x2x4x6xf32>
  %6 = kforge.softmax %5 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %7 = kforge.matmul %6, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: the softmax is not over the keys}}
  %8 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %9 = kforge.softmax %8 {axis = 2 : i64} : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %10 = kforge.matmul %9, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: the weighted sum has a bias, residual or activation}}
  %11 = kforge.matmul %q, %k {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %12 = kforge.softmax %11 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %13 = kforge.matmul %12, %v residual %r : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: the scores have an activation}}
  %14 = kforge.matmul %q, %k {transpose_b, activation = "relu"} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x6xf32>
  %15 = kforge.softmax %14 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %16 = kforge.matmul %15, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: two masks are added to the scores}}
  %17 = kforge.matmul %q, %k residual %z {transpose_b} : (tensor<1x2x4x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %18 = arith.addf %17, %z : tensor<1x2x4x6xf32>
  %19 = kforge.softmax %18 : (tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %20 = kforge.matmul %19, %v : (tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32>
  %21 = arith.addf %4, %7 : tensor<1x2x4x8xf32>
  %22 = arith.addf %10, %13 : tensor<1x2x4x8xf32>
  %23 = arith.addf %16, %20 : tensor<1x2x4x8xf32>
  %24 = arith.addf %21, %22 : tensor<1x2x4x8xf32>
  %25 = arith.addf %23, %24 : tensor<1x2x4x8xf32>
  return %25 : tensor<1x2x4x8xf32>
}

// -----

// Three dimensions, or unknown sizes, are not those of the op.
// CHECK-LABEL: func.func @rank3
// CHECK-NOT: kforge.attention
func.func @rank3(%x: tensor<2x4x8xf32>, %y: tensor<1x1x?x8xf32>) -> tensor<2x4x8xf32> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: q, k and v must be 4-D of static shape}}
  %0 = kforge.matmul %x, %x {transpose_b} : (tensor<2x4x8xf32>, tensor<2x4x8xf32>) -> tensor<2x4x4xf32>
  %1 = kforge.softmax %0 : (tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %2 = kforge.matmul %1, %x : (tensor<2x4x4xf32>, tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an attention: q, k and v must be 4-D of static shape}}
  %3 = kforge.matmul %y, %y {transpose_b} : (tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>) -> tensor<1x1x?x?xf32>
  %4 = kforge.softmax %3 {axis = 3 : i64} : (tensor<1x1x?x?xf32>) -> tensor<1x1x?x?xf32>
  %5 = kforge.matmul %4, %y : (tensor<1x1x?x?xf32>, tensor<1x1x?x8xf32>) -> tensor<1x1x?x8xf32>
  return %2 : tensor<2x4x8xf32>
}
