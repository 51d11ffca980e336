// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-matmul-activation,kforge-eliminate-dead-ops)' --split-input-file --verify-diagnostics | FileCheck %s

// Bias, activation and residual, in this order; name and schedule stay.
// CHECK-LABEL: func.func @everything
// CHECK-NEXT: %[[Y:.*]] = kforge.matmul %arg0, %arg1 bias %arg2 residual %arg3 {activation = "gelu", kforge.name = "up"}
// CHECK-NEXT: return %[[Y]]
func.func @everything(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>, %r: tensor<4x16xf32>) -> tensor<4x16xf32> {
  %empty = tensor.empty() : tensor<4x16xf32>
  %bias = linalg.broadcast ins(%b : tensor<16xf32>) outs(%empty : tensor<4x16xf32>) dimensions = [0]
  %0 = kforge.matmul %x, %w {kforge.name = "up"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.addf %bias, %0 : tensor<4x16xf32>
  %2 = kforge.activation %1 {kind = "gelu"} : (tensor<4x16xf32>) -> tensor<4x16xf32>
  %3 = arith.addf %2, %r : tensor<4x16xf32>
  return %3 : tensor<4x16xf32>
}

// -----

// Batches, dynamic rows, transposed weights, f16.
// CHECK-LABEL: func.func @dynamic_f16
// CHECK-NEXT: %[[Y:.*]] = kforge.matmul %arg0, %arg1 bias %arg2 {activation = "silu", transpose_b}
// CHECK-NEXT: return %[[Y]]
func.func @dynamic_f16(%x: tensor<2x?x8xf16>, %w: tensor<16x8xf16>, %b: tensor<16xf16>, %e: tensor<2x?x16xf16>) -> tensor<2x?x16xf16> {
  %bias = linalg.broadcast ins(%b : tensor<16xf16>) outs(%e : tensor<2x?x16xf16>) dimensions = [0, 1]
  %0 = kforge.matmul %x, %w {transpose_b} : (tensor<2x?x8xf16>, tensor<16x8xf16>) -> tensor<2x?x16xf16>
  %1 = arith.addf %0, %bias : tensor<2x?x16xf16>
  %2 = kforge.activation %1 {kind = "silu"} : (tensor<2x?x16xf16>) -> tensor<2x?x16xf16>
  return %2 : tensor<2x?x16xf16>
}

// -----

// relu is a maximum with +0.
// CHECK-LABEL: func.func @relu
// CHECK-NEXT: %[[Y:.*]] = kforge.matmul %arg0, %arg1 {activation = "relu"}
// CHECK-NEXT: return %[[Y]]
func.func @relu(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x16xf32>
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.maximumf %0, %zero : tensor<4x16xf32>
  return %1 : tensor<4x16xf32>
}

// -----

// A maximum with another number, or one that drops NaN, is no relu; neither is -0.
// CHECK-LABEL: func.func @no_relu
// CHECK: kforge.matmul {{[^{]*}}:
// CHECK: arith.maximumf
// CHECK: arith.maxnumf
// CHECK: arith.maximumf
func.func @no_relu(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %one = arith.constant dense<1.0> : tensor<4x16xf32>
  %zero = arith.constant dense<0.0> : tensor<4x16xf32>
  %minus = arith.constant dense<-0.0> : tensor<4x16xf32>
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.maximumf %0, %one : tensor<4x16xf32>
  %2 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %3 = arith.maxnumf %2, %zero : tensor<4x16xf32>
  %4 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %5 = arith.maximumf %4, %minus : tensor<4x16xf32>
  %6 = arith.mulf %1, %3 : tensor<4x16xf32>
  %7 = arith.mulf %6, %5 : tensor<4x16xf32>
  return %7 : tensor<4x16xf32>
}

// -----

// x * 0.5 * (1 + erf(x / sqrt(2))), whatever the order of the factors.
// CHECK-LABEL: func.func @gelu
// CHECK-NEXT: %[[Y:.*]] = kforge.matmul %arg0, %arg1 {activation = "gelu"}
// CHECK-NEXT: return %[[Y]]
func.func @gelu(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %half = arith.constant dense<0.5> : tensor<4x16xf32>
  %one = arith.constant dense<1.0> : tensor<4x16xf32>
  %c = arith.constant dense<0.707106769> : tensor<4x16xf32>
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.mulf %0, %c : tensor<4x16xf32>
  %2 = math.erf %1 : tensor<4x16xf32>
  %3 = arith.addf %2, %one : tensor<4x16xf32>
  %4 = arith.mulf %0, %half : tensor<4x16xf32>
  %5 = arith.mulf %4, %3 : tensor<4x16xf32>
  return %5 : tensor<4x16xf32>
}

// -----

// As PyTorch exports it: division by sqrt(2), halved at the end by a division.
// CHECK-LABEL: func.func @gelu_divided
// CHECK-NEXT: %[[Y:.*]] = kforge.matmul %arg0, %arg1 {activation = "gelu"}
// CHECK-NEXT: return %[[Y]]
func.func @gelu_divided(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %two = arith.constant dense<2.0> : tensor<4x16xf32>
  %one = arith.constant dense<1.0> : tensor<4x16xf32>
  %c = arith.constant dense<1.41421354> : tensor<4x16xf32>
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.divf %0, %c : tensor<4x16xf32>
  %2 = math.erf %1 : tensor<4x16xf32>
  %3 = arith.addf %one, %2 : tensor<4x16xf32>
  %4 = arith.mulf %0, %3 : tensor<4x16xf32>
  %5 = arith.divf %4, %two : tensor<4x16xf32>
  return %5 : tensor<4x16xf32>
}

// -----

// Another constant is another function.
// CHECK-LABEL: func.func @no_gelu
// CHECK: kforge.matmul {{[^{]*}}:
// CHECK: math.erf
func.func @no_gelu(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %half = arith.constant dense<0.5> : tensor<4x16xf32>
  %one = arith.constant dense<1.0> : tensor<4x16xf32>
  %c = arith.constant dense<0.7071> : tensor<4x16xf32>
  // expected-remark @+1 {{'kforge.matmul' op 'math.erf' is not fused: the ops are not x * 0.5 * (1 + erf(x / sqrt(2)))}}
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.mulf %0, %c : tensor<4x16xf32>
  %2 = math.erf %1 : tensor<4x16xf32>
  %3 = arith.addf %2, %one : tensor<4x16xf32>
  %4 = arith.mulf %0, %half : tensor<4x16xf32>
  %5 = arith.mulf %4, %3 : tensor<4x16xf32>
  return %5 : tensor<4x16xf32>
}

// -----

// The tanh form of gelu.
// CHECK-LABEL: func.func @gelu_tanh
// CHECK-NEXT: %[[Y:.*]] = kforge.matmul %arg0, %arg1 {activation = "gelu_tanh"}
// CHECK-NEXT: return %[[Y]]
func.func @gelu_tanh(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %half = arith.constant dense<0.5> : tensor<4x16xf32>
  %one = arith.constant dense<1.0> : tensor<4x16xf32>
  %c = arith.constant dense<0.797884583> : tensor<4x16xf32>
  %k = arith.constant dense<0.044715> : tensor<4x16xf32>
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.mulf %0, %0 : tensor<4x16xf32>
  %2 = arith.mulf %1, %0 : tensor<4x16xf32>
  %3 = arith.mulf %k, %2 : tensor<4x16xf32>
  %4 = arith.addf %0, %3 : tensor<4x16xf32>
  %5 = arith.mulf %c, %4 : tensor<4x16xf32>
  %6 = math.tanh %5 : tensor<4x16xf32>
  %7 = arith.addf %one, %6 : tensor<4x16xf32>
  %8 = arith.mulf %half, %0 : tensor<4x16xf32>
  %9 = arith.mulf %8, %7 : tensor<4x16xf32>
  return %9 : tensor<4x16xf32>
}

// -----

// silu divides x by 1 + exp(-x); a plain tanh. Of a sum of two matmuls the first
// one takes the other as its residual.
// CHECK-LABEL: func.func @silu_tanh
// CHECK-NEXT: %[[T:.*]] = kforge.matmul %arg0, %arg1 {activation = "tanh"}
// CHECK-NEXT: %[[S:.*]] = kforge.matmul %arg0, %arg1 residual %[[T]] {activation = "silu"}
// CHECK-NEXT: return %[[S]]
func.func @silu_tanh(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %one = arith.constant dense<1.0> : tensor<4x16xf32>
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.negf %0 : tensor<4x16xf32>
  %2 = math.exp %1 : tensor<4x16xf32>
  %3 = arith.addf %2, %one : tensor<4x16xf32>
  %4 = arith.divf %0, %3 : tensor<4x16xf32>
  %5 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %6 = math.tanh %5 : tensor<4x16xf32>
  %7 = arith.addf %4, %6 : tensor<4x16xf32>
  return %7 : tensor<4x16xf32>
}

// -----

// An added splat is a bias.
// CHECK-LABEL: func.func @splat_bias
// CHECK-DAG: %[[B:.*]] = arith.constant dense<1.500000e+00> : tensor<16xf32>
// CHECK: kforge.matmul %arg0, %arg1 bias %[[B]] :
func.func @splat_bias(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %c = arith.constant 1.5 : f32
  %s = tensor.splat %c : tensor<4x16xf32>
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.addf %0, %s : tensor<4x16xf32>
  return %1 : tensor<4x16xf32>
}

// -----

// A vector along the rows is no bias, but it is a residual.
// CHECK-LABEL: func.func @row_vector
// CHECK: %[[R:.*]] = linalg.broadcast
// CHECK: kforge.matmul %arg0, %arg1 residual %[[R]]
func.func @row_vector(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %v: tensor<4xf32>) -> tensor<4x16xf32> {
  %empty = tensor.empty() : tensor<4x16xf32>
  %r = linalg.broadcast ins(%v : tensor<4xf32>) outs(%empty : tensor<4x16xf32>) dimensions = [1]
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.addf %0, %r : tensor<4x16xf32>
  return %1 : tensor<4x16xf32>
}

// -----

// Someone else reads the intermediate.
// CHECK-LABEL: func.func @second_user
// CHECK: kforge.matmul {{[^{]*}}:
// CHECK: arith.addf
// CHECK: kforge.activation
func.func @second_user(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>) -> tensor<4x16xf32> {
  %empty = tensor.empty() : tensor<4x16xf32>
  %bias = linalg.broadcast ins(%b : tensor<16xf32>) outs(%empty : tensor<4x16xf32>) dimensions = [0]
  // expected-remark @+1 {{'kforge.matmul' op 'arith.addf' is not fused: its result is read 2 times}}
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.addf %0, %bias : tensor<4x16xf32>
  // expected-remark @+1 {{'kforge.matmul' op activation relu is not fused: 1 other ops read its result or a part of the formula}}
  %2 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %3 = kforge.activation %2 {kind = "relu"} : (tensor<4x16xf32>) -> tensor<4x16xf32>
  %4 = arith.mulf %0, %1 : tensor<4x16xf32>
  %5 = arith.mulf %2, %3 : tensor<4x16xf32>
  %6 = arith.mulf %4, %5 : tensor<4x16xf32>
  return %6 : tensor<4x16xf32>
}

// -----

// Doubling reads twice.
// CHECK-LABEL: func.func @doubled
// CHECK: kforge.matmul {{[^{]*}}:
// CHECK: arith.addf
func.func @doubled(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  // expected-remark @+1 {{'kforge.matmul' op 'arith.addf' is not fused: its result is read 2 times}}
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.addf %0, %0 : tensor<4x16xf32>
  return %1 : tensor<4x16xf32>
}

// -----

// A bias behind the activation is another function.
// CHECK-LABEL: func.func @bias_after_activation
// CHECK: kforge.matmul %arg0, %arg1 {activation = "relu"}
// CHECK: arith.addf
func.func @bias_after_activation(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>) -> tensor<4x16xf32> {
  %empty = tensor.empty() : tensor<4x16xf32>
  %bias = linalg.broadcast ins(%b : tensor<16xf32>) outs(%empty : tensor<4x16xf32>) dimensions = [0]
  // expected-remark @+1 {{'kforge.matmul' op the bias is not fused: it follows the activation}}
  %0 = kforge.matmul %x, %w {activation = "relu"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.addf %0, %bias : tensor<4x16xf32>
  return %1 : tensor<4x16xf32>
}

// -----

// So is an activation, or a second sum, behind the residual.
// CHECK-LABEL: func.func @after_residual
// CHECK: %[[A:.*]] = kforge.matmul %arg0, %arg1 residual %arg2
// CHECK: kforge.activation %[[A]]
// CHECK: %[[B:.*]] = kforge.matmul %arg0, %arg1 residual %{{.*}}
// CHECK: arith.addf %[[B]], %arg2
func.func @after_residual(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %r: tensor<4x16xf32>) -> tensor<4x16xf32> {
  // expected-remark @+1 {{'kforge.matmul' op activation relu is not fused: it follows the residual}}
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = arith.addf %0, %r : tensor<4x16xf32>
  %2 = kforge.activation %1 {kind = "relu"} : (tensor<4x16xf32>) -> tensor<4x16xf32>
  // expected-remark @+1 {{'kforge.matmul' op 'arith.addf' is not fused: it follows the residual}}
  %3 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %4 = arith.addf %3, %2 : tensor<4x16xf32>
  %5 = arith.addf %4, %r : tensor<4x16xf32>
  return %5 : tensor<4x16xf32>
}

// -----

// One of each.
// CHECK-LABEL: func.func @one_of_each
// CHECK: kforge.matmul %arg0, %arg1 bias %arg2 {activation = "relu"}
// CHECK: kforge.activation
// CHECK: kforge.matmul %arg0, %arg1 bias %arg2 :
// CHECK: arith.addf
func.func @one_of_each(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>) -> tensor<4x16xf32> {
  %empty = tensor.empty() : tensor<4x16xf32>
  %bias = linalg.broadcast ins(%b : tensor<16xf32>) outs(%empty : tensor<4x16xf32>) dimensions = [0]
  // expected-remark @+1 {{'kforge.matmul' op activation tanh is not fused: the matmul has relu already}}
  %0 = kforge.matmul %x, %w bias %b {activation = "relu"} : (tensor<4x8xf32>, tensor<8x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %1 = kforge.activation %0 {kind = "tanh"} : (tensor<4x16xf32>) -> tensor<4x16xf32>
  // expected-remark @+1 {{'kforge.matmul' op the bias is not fused: the matmul has one already}}
  %2 = kforge.matmul %x, %w bias %b : (tensor<4x8xf32>, tensor<8x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %3 = arith.addf %2, %bias : tensor<4x16xf32>
  %4 = arith.mulf %1, %3 : tensor<4x16xf32>
  return %4 : tensor<4x16xf32>
}

// -----

// A matmul outside of a loop is not computed again in every round.
// CHECK-LABEL: func.func @loop
// CHECK: kforge.matmul {{[^{]*}}:
// CHECK: scf.for
// CHECK: arith.addf
func.func @loop(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %r: tensor<4x16xf32>, %n: index) -> tensor<4x16xf32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  // expected-remark @+1 {{'kforge.matmul' op 'arith.addf' is not fused: it is in another block}}
  %0 = kforge.matmul %x, %w : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = scf.for %i = %zero to %n step %one iter_args(%v = %r) -> tensor<4x16xf32> {
    %2 = arith.addf %0, %v : tensor<4x16xf32>
    scf.yield %2 : tensor<4x16xf32>
  }
  return %1 : tensor<4x16xf32>
}
