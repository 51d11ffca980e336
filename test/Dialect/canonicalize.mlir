// Folds and patterns: where they fire and where they must not.

// RUN: kforge-opt %s --canonicalize --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @softmax_of_a_splat
func.func @softmax_of_a_splat() -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf16>) {
  %c = arith.constant dense<5.0> : tensor<2x3xf32>
  %h = arith.constant dense<-1.0> : tensor<2x3xf16>
  // CHECK-DAG: %[[THIRD:.*]] = arith.constant dense<0.333333343> : tensor<2x3xf32>
  // CHECK-DAG: %[[HALF:.*]] = arith.constant dense<5.000000e-01> : tensor<2x3xf32>
  // CHECK-DAG: %[[F16:.*]] = arith.constant dense<3.332520e-01> : tensor<2x3xf16>
  // CHECK-NOT: kforge.softmax
  // CHECK: return %[[THIRD]], %[[HALF]], %[[F16]]
  %0 = kforge.softmax %c : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = kforge.softmax %c {axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = kforge.softmax %h : (tensor<2x3xf16>) -> tensor<2x3xf16>
  return %0, %1, %2 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf16>
}

// -----

// inf - inf is NaN; so is what NaN gives.
// CHECK-LABEL: func.func @softmax_of_nan_and_infinities
func.func @softmax_of_nan_and_infinities() -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %nan = arith.constant dense<0x7FC00000> : tensor<3xf32>
  %inf = arith.constant dense<0x7F800000> : tensor<3xf32>
  %low = arith.constant dense<0xFF800000> : tensor<3xf32>
  // CHECK-COUNT-3: kforge.softmax
  %0 = kforge.softmax %nan : (tensor<3xf32>) -> tensor<3xf32>
  %1 = kforge.softmax %inf : (tensor<3xf32>) -> tensor<3xf32>
  %2 = kforge.softmax %low : (tensor<3xf32>) -> tensor<3xf32>
  return %0, %1, %2 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @softmax_of_different_elements
func.func @softmax_of_different_elements() -> tensor<2xf32> {
  %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  // CHECK: kforge.softmax
  %0 = kforge.softmax %c : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

// CHECK-LABEL: func.func @rope_at_zero
// CHECK-SAME: %[[X:.*]]: tensor<1x2x3x4xf32>
func.func @rope_at_zero(%x: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %p = arith.constant dense<0> : tensor<3xi32>
  // CHECK-NEXT: return %[[X]]
  %0 = kforge.rope %x, %p {interleaved} : (tensor<1x2x3x4xf32>, tensor<3xi32>) -> tensor<1x2x3x4xf32>
  return %0 : tensor<1x2x3x4xf32>
}

// -----

// CHECK-LABEL: func.func @rope_that_turns
func.func @rope_that_turns(%x: tensor<1x2x3x4xf32>, %f: tensor<2xf32>) -> (tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) {
  %zero = arith.constant dense<0> : tensor<3xi32>
  %one = arith.constant dense<1> : tensor<3xi32>
  %range = arith.constant dense<[0, 1, 2]> : tensor<3xi32>
  // An infinite inverse frequency times 0 would be NaN.
  // CHECK: kforge.rope {{.*}} inv_freq
  %0 = kforge.rope %x, %zero inv_freq %f : (tensor<1x2x3x4xf32>, tensor<3xi32>, tensor<2xf32>) -> tensor<1x2x3x4xf32>
  // CHECK-COUNT-2: kforge.rope
  %1 = kforge.rope %x, %one : (tensor<1x2x3x4xf32>, tensor<3xi32>) -> tensor<1x2x3x4xf32>
  %2 = kforge.rope %x, %range : (tensor<1x2x3x4xf32>, tensor<3xi32>) -> tensor<1x2x3x4xf32>
  return %0, %1, %2 : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>
}

// -----

// CHECK-LABEL: func.func @no_activation
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[D:.*]]: tensor<?xf32>
func.func @no_activation(%x: tensor<4xf32>, %d: tensor<?xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = kforge.activation %x {kind = "none"} : (tensor<4xf32>) -> tensor<4xf32>
  // Another type cannot take the result's place.
  // CHECK: %[[R:.*]] = kforge.activation %[[D]] {kind = "none"} : (tensor<?xf32>) -> tensor<4xf32>
  %1 = kforge.activation %d {kind = "none"} : (tensor<?xf32>) -> tensor<4xf32>
  // CHECK: return %[[X]], %[[R]]
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @activations_of_splats
func.func @activations_of_splats() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf16>) {
  %one = arith.constant dense<1.0> : tensor<2xf32>
  %low = arith.constant dense<-3.0> : tensor<2xf32>
  %half = arith.constant dense<1.0> : tensor<2xf16>
  // CHECK-DAG: %[[RELU:.*]] = arith.constant dense<0.000000e+00> : tensor<2xf32>
  // CHECK-DAG: %[[GELU:.*]] = arith.constant dense<0.841344773> : tensor<2xf32>
  // CHECK-DAG: %[[TANH_GELU:.*]] = arith.constant dense<8.411920e-01> : tensor<2xf32>
  // CHECK-DAG: %[[SILU:.*]] = arith.constant dense<0.731058597> : tensor<2xf32>
  // CHECK-DAG: %[[TANH:.*]] = arith.constant dense<0.761594176> : tensor<2xf32>
  // CHECK-DAG: %[[F16:.*]] = arith.constant dense<8.413080e-01> : tensor<2xf16>
  // CHECK: return %[[RELU]], %[[GELU]], %[[TANH_GELU]], %[[SILU]], %[[TANH]], %[[F16]]
  %0 = kforge.activation %low {kind = "relu"} : (tensor<2xf32>) -> tensor<2xf32>
  %1 = kforge.activation %one : (tensor<2xf32>) -> tensor<2xf32>
  %2 = kforge.activation %one {kind = "gelu_tanh"} : (tensor<2xf32>) -> tensor<2xf32>
  %3 = kforge.activation %one {kind = "silu"} : (tensor<2xf32>) -> tensor<2xf32>
  %4 = kforge.activation %one {kind = "tanh"} : (tensor<2xf32>) -> tensor<2xf32>
  %5 = kforge.activation %half : (tensor<2xf16>) -> tensor<2xf16>
  return %0, %1, %2, %3, %4, %5 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf16>
}

// -----

// CHECK-LABEL: func.func @activations_that_stay
func.func @activations_that_stay() -> (tensor<2xf32>, tensor<2xf32>) {
  %inf = arith.constant dense<0xFF800000> : tensor<2xf32>
  %two = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  // CHECK-COUNT-2: kforge.activation
  %0 = kforge.activation %inf : (tensor<2xf32>) -> tensor<2xf32>
  %1 = kforge.activation %two : (tensor<2xf32>) -> tensor<2xf32>
  return %0, %1 : tensor<2xf32>, tensor<2xf32>
}

// -----

// CHECK-LABEL: func.func @absorb_a_transpose
// CHECK-SAME: %[[A:.*]]: tensor<3x4xf32>, %[[W:.*]]: tensor<6x4xf32>, %[[BIAS:.*]]: tensor<6xf32>
func.func @absorb_a_transpose(%a: tensor<3x4xf32>, %w: tensor<6x4xf32>, %bias: tensor<6xf32>) -> tensor<3x6xf32> {
  %e = tensor.empty() : tensor<4x6xf32>
  %t = linalg.transpose ins(%w : tensor<6x4xf32>) outs(%e : tensor<4x6xf32>) permutation = [1, 0]
  // Names and schedules stay with the op.
  // CHECK-NEXT: kforge.matmul %[[A]], %[[W]] bias %[[BIAS]] {activation = "silu", kforge.name = "up", kforge.schedule = {"group-m" = 1 : i64, "matrix-unit" = 0 : i64, prefetch = 0 : i64, "slice-k" = 1 : i64, "split-k" = 1 : i64, stages = 1 : i64, subgroups = 0 : i64, "thread-m" = 4 : i64, "thread-n" = 4 : i64, "tile-k" = 16 : i64, "tile-m" = 8 : i64, "tile-n" = 64 : i64, unroll = 0 : i64, "vector-width" = 4 : i64}, transpose_b}
  %0 = kforge.matmul %a, %t bias %bias {activation = "silu", kforge.name = "up", kforge.schedule = {"group-m" = 1 : i64, "matrix-unit" = 0 : i64, prefetch = 0 : i64, "slice-k" = 1 : i64, "split-k" = 1 : i64, stages = 1 : i64, subgroups = 0 : i64, "thread-m" = 4 : i64, "thread-n" = 4 : i64, "tile-k" = 16 : i64, "tile-m" = 8 : i64, "tile-n" = 64 : i64, unroll = 0 : i64, "vector-width" = 4 : i64}} : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  return %0 : tensor<3x6xf32>
}

// -----

// CHECK-LABEL: func.func @absorb_both
// CHECK-SAME: %[[A:.*]]: tensor<2x4x3xf16>, %[[B:.*]]: tensor<2x4x6xf16>
func.func @absorb_both(%a: tensor<2x4x3xf16>, %b: tensor<2x4x6xf16>) -> tensor<2x3x6xf16> {
  %ea = tensor.empty() : tensor<2x3x4xf16>
  %ta = linalg.transpose ins(%a : tensor<2x4x3xf16>) outs(%ea : tensor<2x3x4xf16>) permutation = [0, 2, 1]
  %eb = tensor.empty() : tensor<2x6x4xf16>
  %tb = linalg.transpose ins(%b : tensor<2x4x6xf16>) outs(%eb : tensor<2x6x4xf16>) permutation = [0, 2, 1]
  // Two swaps cancel.
  // CHECK-NEXT: kforge.matmul %[[A]], %[[B]] {transpose_a} :
  %0 = kforge.matmul %ta, %tb {transpose_b} : (tensor<2x3x4xf16>, tensor<2x6x4xf16>) -> tensor<2x3x6xf16>
  return %0 : tensor<2x3x6xf16>
}

// -----

// A transpose that moves a batch dimension is no flag.
// CHECK-LABEL: func.func @keep_a_batch_transpose
func.func @keep_a_batch_transpose(%a: tensor<3x2x4xf32>, %b: tensor<4x6xf32>) -> tensor<2x3x6xf32> {
  %e = tensor.empty() : tensor<2x3x4xf32>
  // CHECK: linalg.transpose
  %t = linalg.transpose ins(%a : tensor<3x2x4xf32>) outs(%e : tensor<2x3x4xf32>) permutation = [1, 0, 2]
  // CHECK: kforge.matmul %{{.*}}, %{{.*}} : (
  %0 = kforge.matmul %t, %b : (tensor<2x3x4xf32>, tensor<4x6xf32>) -> tensor<2x3x6xf32>
  return %0 : tensor<2x3x6xf32>
}
