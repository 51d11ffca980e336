// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fold-constants,kforge-eliminate-dead-ops)' --split-input-file --verify-diagnostics | FileCheck %s

// Transposes, splats included, in every number type.
// CHECK-LABEL: func.func @transposes
// CHECK-DAG: arith.constant dense<{{\[\[}}1.000000e+00, 4.000000e+00], [2.000000e+00, 5.000000e+00], [3.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
// CHECK-DAG: arith.constant dense<7> : tensor<3x2xi32>
// CHECK-DAG: arith.constant dense<{{\[\[\[}}1.000000e+00], [2.000000e+00]], {{\[\[}}3.000000e+00], [4.000000e+00]]]> : tensor<2x2x1xf16>
// CHECK-NOT: linalg.transpose
func.func @transposes() -> (tensor<3x2xf32>, tensor<3x2xi32>, tensor<2x2x1xf16>) {
  %a = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %b = arith.constant dense<7> : tensor<2x3xi32>
  %c = arith.constant dense<[[[1.0, 3.0], [2.0, 4.0]]]> : tensor<1x2x2xf16>
  %ea = tensor.empty() : tensor<3x2xf32>
  %eb = tensor.empty() : tensor<3x2xi32>
  %ec = tensor.empty() : tensor<2x2x1xf16>
  %0 = linalg.transpose ins(%a : tensor<2x3xf32>) outs(%ea : tensor<3x2xf32>) permutation = [1, 0]
  %1 = linalg.transpose ins(%b : tensor<2x3xi32>) outs(%eb : tensor<3x2xi32>) permutation = [1, 0]
  %2 = linalg.transpose ins(%c : tensor<1x2x2xf16>) outs(%ec : tensor<2x2x1xf16>) permutation = [2, 1, 0]
  return %0, %1, %2 : tensor<3x2xf32>, tensor<3x2xi32>, tensor<2x2x1xf16>
}

// -----

// A power of two goes into weights and bias; NaN and infinity stay.
// CHECK-LABEL: func.func @scale
// CHECK-DAG: %[[W:.*]] = arith.constant dense<{{\[\[}}2.500000e-01, 7.500000e-01], [0x7FC00000, 0xFF800000]]> : tensor<2x2xf32>
// CHECK-DAG: %[[B:.*]] = arith.constant dense<{{\[}}5.000000e-01, 1.000000e+00]> : tensor<2xf32>
// CHECK: %[[Y:.*]] = kforge.matmul %arg0, %[[W]] bias %[[B]] {kforge.name = "q"}
// CHECK-NEXT: return %[[Y]]
func.func @scale(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %w = arith.constant dense<[[1.0, 3.0], [0x7FC00000, 0xFF800000]]> : tensor<2x2xf32>
  %b = arith.constant dense<[2.0, 4.0]> : tensor<2xf32>
  %half = arith.constant dense<0.5> : tensor<4x2xf32>
  %two = arith.constant dense<2.0> : tensor<4x2xf32>
  %0 = kforge.matmul %x, %w bias %b {kforge.name = "q"} : (tensor<4x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %1 = arith.mulf %half, %0 : tensor<4x2xf32>
  %2 = arith.divf %1, %two : tensor<4x2xf32>
  return %2 : tensor<4x2xf32>
}

// -----

// A transposed constant is one to the scale as well.
// CHECK-LABEL: func.func @transposed_scale
// CHECK: %[[W:.*]] = arith.constant dense<{{\[\[}}2.000000e+00, 6.000000e+00], [4.000000e+00, 8.000000e+00]]>
// CHECK: kforge.matmul %arg0, %[[W]]
// CHECK-NEXT: return
func.func @transposed_scale(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %c = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %two = arith.constant dense<2.0> : tensor<4x2xf32>
  %e = tensor.empty() : tensor<2x2xf32>
  %w = linalg.transpose ins(%c : tensor<2x2xf32>) outs(%e : tensor<2x2xf32>) permutation = [1, 0]
  %0 = kforge.matmul %x, %w : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = arith.mulf %0, %two : tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}

// -----

// Near matches, each with its reason.
// CHECK-LABEL: func.func @refused
// CHECK-COUNT-8: arith.mulf
func.func @refused(%x: tensor<4x2xf32>, %bias: tensor<2xf32>) -> tensor<4x2xf32> {
  %w = arith.constant dense<[[1.0, 3.0], [1.0e-45, 3.0e38]]> : tensor<2x2xf32>
  %v = arith.constant dense<1.0> : tensor<2x2xf32>
  %two = arith.constant dense<2.0> : tensor<4x2xf32>
  %half = arith.constant dense<0.5> : tensor<4x2xf32>
  %three = arith.constant dense<3.0> : tensor<4x2xf32>
  %zero = arith.constant dense<0.0> : tensor<4x2xf32>
  %nan = arith.constant dense<0x7FC00000> : tensor<4x2xf32>
  // expected-remark @+1 {{'kforge.matmul' op takes no scale: b times 2 leaves the range of f32}}
  %0 = kforge.matmul %x, %w : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = arith.mulf %0, %two : tensor<4x2xf32>
  // expected-remark @+1 {{'kforge.matmul' op takes no scale: b times 0.5 leaves the range of f32}}
  %2 = kforge.matmul %x, %w : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %3 = arith.mulf %2, %half : tensor<4x2xf32>
  // expected-remark @+1 {{'kforge.matmul' op takes no scale: the scale 3 is no power of two; inexact-scales=true rounds}}
  %4 = kforge.matmul %x, %w : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %5 = arith.mulf %4, %three : tensor<4x2xf32>
  // expected-remark @+1 {{'kforge.matmul' op takes no scale: the scale 0 is 0 or not finite}}
  %6 = kforge.matmul %x, %w : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %7 = arith.mulf %6, %zero : tensor<4x2xf32>
  // expected-remark @+1 {{'kforge.matmul' op takes no scale: the scale NaN is 0 or not finite}}
  %8 = kforge.matmul %x, %w : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %9 = arith.mulf %8, %nan : tensor<4x2xf32>
  // expected-remark @+1 {{'kforge.matmul' op takes no scale: the result has another reader}}
  %10 = kforge.matmul %x, %w : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %11 = arith.mulf %10, %two : tensor<4x2xf32>
  // expected-remark @+1 {{'kforge.matmul' op takes no scale: it follows an activation or a residual}}
  %12 = kforge.matmul %x, %w {activation = "relu"} : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %13 = arith.mulf %12, %two : tensor<4x2xf32>
  // expected-remark @+1 {{'kforge.matmul' op takes no scale: its bias is no constant}}
  %14 = kforge.matmul %x, %v bias %bias : (tensor<4x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %15 = arith.mulf %14, %two : tensor<4x2xf32>
  %s0 = arith.addf %1, %3 : tensor<4x2xf32>
  %s1 = arith.addf %s0, %5 : tensor<4x2xf32>
  %s2 = arith.addf %s1, %7 : tensor<4x2xf32>
  %s3 = arith.addf %s2, %9 : tensor<4x2xf32>
  %s4 = arith.addf %s3, %10 : tensor<4x2xf32>
  %s5 = arith.addf %s4, %11 : tensor<4x2xf32>
  %s6 = arith.addf %s5, %13 : tensor<4x2xf32>
  %s7 = arith.addf %s6, %15 : tensor<4x2xf32>
  return %s7 : tensor<4x2xf32>
}

// -----

// A factor of q or k is one of the scale, also of the default, 1/sqrt(4).
// CHECK-LABEL: func.func @attention
// CHECK: kforge.attention %arg0, %arg0, %arg0 {causal, scale = 1.000000e+00 : f32}
// CHECK: kforge.attention %arg0, %arg0, %arg0 {scale = 7.500000e-01 : f32}
// CHECK: kforge.attention %{{.*}}, %arg0, %arg0 :
func.func @attention(%x: tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32> {
  %two = arith.constant dense<2.0> : tensor<1x1x2x4xf32>
  %half = arith.constant dense<0.5> : tensor<1x1x2x4xf32>
  %third = arith.constant dense<3.0> : tensor<1x1x2x4xf32>
  %0 = arith.mulf %x, %two : tensor<1x1x2x4xf32>
  %1 = kforge.attention %0, %x, %x {causal} : (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32>
  %2 = arith.mulf %x, %half : tensor<1x1x2x4xf32>
  %3 = arith.mulf %x, %half : tensor<1x1x2x4xf32>
  %4 = kforge.attention %2, %3, %x {scale = 3.0 : f32} : (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32>
  %5 = arith.mulf %x, %third : tensor<1x1x2x4xf32>
  // expected-remark @+1 {{'kforge.attention' op takes no scale: the scale 3 is no power of two; inexact-scales=true rounds}}
  %6 = kforge.attention %5, %x, %x : (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32>
  %7 = arith.addf %1, %4 : tensor<1x1x2x4xf32>
  %8 = arith.addf %6, %7 : tensor<1x1x2x4xf32>
  return %8 : tensor<1x1x2x4xf32>
}
