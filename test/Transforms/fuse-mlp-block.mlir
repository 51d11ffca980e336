// RUN: kforge-opt %s --kforge-fuse-mlp-block --split-input-file --verify-diagnostics | FileCheck %s

// Two layers with biases; the name is that of the first matmul.
// CHECK-LABEL: func.func @plain
// CHECK-NEXT: %[[Y:.*]] = kforge.mlp %arg0, %arg1, %arg2 up_bias %arg3 down_bias %arg4 {activation = "relu", kforge.name = "up"}
// CHECK-NEXT: return %[[Y]]
func.func @plain(%x: tensor<4x8xf32>, %up: tensor<8x16xf32>, %down: tensor<16x8xf32>, %bu: tensor<16xf32>, %bd: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = kforge.matmul %x, %up bias %bu {activation = "relu", kforge.name = "up"} : (tensor<4x8xf32>, tensor<8x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %1 = kforge.matmul %0, %down bias %bd {kforge.name = "down"} : (tensor<4x16xf32>, tensor<16x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// -----

// The factors of a gate come in any order.
// CHECK-LABEL: func.func @gated
// CHECK-NEXT: %[[Y:.*]] = kforge.mlp %arg0, %arg1, %arg2 gate %arg3 up_bias %arg5 gate_bias %arg4 {activation = "silu", kforge.name = "first"}
// CHECK-NEXT: return %[[Y]]
func.func @gated(%x: tensor<4x8xf32>, %up: tensor<8x16xf32>, %down: tensor<16x8xf32>, %gate: tensor<8x16xf32>, %bg: tensor<16xf32>, %bu: tensor<16xf32>) -> tensor<4x8xf32> {
  %0 = kforge.matmul %x, %gate bias %bg {activation = "silu", kforge.name = "first"} : (tensor<4x8xf32>, tensor<8x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %1 = kforge.matmul %x, %up bias %bu {kforge.name = "second"} : (tensor<4x8xf32>, tensor<8x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %2 = arith.mulf %0, %1 : tensor<4x16xf32>
  %3 = kforge.matmul %2, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// -----

// The factors of a gate come in any order.
// CHECK-LABEL: func.func @gated_swapped
// CHECK-NEXT: %[[Y:.*]] = kforge.mlp %arg0, %arg1, %arg2 gate %arg3 up_bias %arg5 gate_bias %arg4 {activation = "silu", kforge.name = "first"}
// CHECK-NEXT: return %[[Y]]
func.func @gated_swapped(%x: tensor<4x8xf32>, %up: tensor<8x16xf32>, %down: tensor<16x8xf32>, %gate: tensor<8x16xf32>, %bg: tensor<16xf32>, %bu: tensor<16xf32>) -> tensor<4x8xf32> {
  %0 = kforge.matmul %x, %gate bias %bg {activation = "silu", kforge.name = "first"} : (tensor<4x8xf32>, tensor<8x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %1 = kforge.matmul %x, %up bias %bu {kforge.name = "second"} : (tensor<4x8xf32>, tensor<8x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %2 = arith.mulf %1, %0 : tensor<4x16xf32>
  %3 = kforge.matmul %2, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// -----

// Up may come before gate, and a residual moves out.
// CHECK-LABEL: func.func @residual
// CHECK-NEXT: %[[M:.*]] = kforge.mlp %arg0, %arg1, %arg2 gate %arg3 {activation = "silu", kforge.name = "up"}
// CHECK-NEXT: %[[Y:.*]] = arith.addf %[[M]], %arg0
// CHECK-NEXT: return %[[Y]]
func.func @residual(%x: tensor<4x8xf32>, %up: tensor<8x16xf32>, %down: tensor<16x8xf32>, %gate: tensor<8x16xf32>) -> tensor<4x8xf32> {
  %0 = kforge.matmul %x, %up {kforge.name = "up"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = kforge.matmul %x, %gate {activation = "silu", kforge.name = "gate"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %2 = arith.mulf %0, %1 : tensor<4x16xf32>
  %3 = kforge.matmul %2, %down residual %x  : (tensor<4x16xf32>, tensor<16x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// -----

// In f16 moving it out would round once more.
// CHECK-LABEL: func.func @residual_f16
// CHECK-NOT: kforge.mlp
func.func @residual_f16(%x: tensor<4x8xf16>, %up: tensor<8x16xf16>, %down: tensor<16x8xf16>) -> tensor<4x8xf16> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: moving the residual out of the down matmul would round once more in f16}}
  %0 = kforge.matmul %x, %up {activation = "gelu"} : (tensor<4x8xf16>, tensor<8x16xf16>) -> tensor<4x16xf16>
  %1 = kforge.matmul %0, %down residual %x : (tensor<4x16xf16>, tensor<16x8xf16>, tensor<4x8xf16>) -> tensor<4x8xf16>
  return %1 : tensor<4x8xf16>
}

// -----

// Weights of [out, in] and dynamic rows.
// CHECK-LABEL: func.func @transposed
// CHECK-NEXT: kforge.mlp %arg0, %arg1, %arg2 {transpose_weights} : (tensor<2x?x8xf32>
func.func @transposed(%x: tensor<2x?x8xf32>, %up: tensor<16x8xf32>, %down: tensor<8x16xf32>) -> tensor<2x?x8xf32> {
  %0 = kforge.matmul %x, %up {transpose_b, activation = "gelu"} : (tensor<2x?x8xf32>, tensor<16x8xf32>) -> tensor<2x?x16xf32>
  %1 = kforge.matmul %0, %down {transpose_b} : (tensor<2x?x16xf32>, tensor<8x16xf32>) -> tensor<2x?x8xf32>
  return %1 : tensor<2x?x8xf32>
}

// -----

// One flag says the storage order of all weights.
// CHECK-LABEL: func.func @mixed_order
// CHECK-NOT: kforge.mlp
func.func @mixed_order(%x: tensor<4x8xf32>, %up: tensor<16x8xf32>, %down: tensor<16x8xf32>) -> tensor<4x8xf32> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: the weights of up and down differ in storage order (transpose_b)}}
  %0 = kforge.matmul %x, %up {transpose_b, activation = "gelu"} : (tensor<4x8xf32>, tensor<16x8xf32>) -> tensor<4x16xf32>
  %1 = kforge.matmul %0, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// -----

// Someone else reads the hidden layer.
// CHECK-LABEL: func.func @second_user
// CHECK-NOT: kforge.mlp
func.func @second_user(%x: tensor<4x8xf32>, %up: tensor<8x16xf32>, %down: tensor<16x8xf32>) -> tensor<4x8xf32> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: a hidden value has another reader}}
  %0 = kforge.matmul %x, %up {activation = "gelu"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = kforge.matmul %0, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  %2 = kforge.matmul %0, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  %3 = arith.mulf %1, %2 : tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// -----

// The hidden layer must not be its own weight.
// CHECK-LABEL: func.func @squared
// CHECK-NOT: kforge.mlp
func.func @squared(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: a hidden value has another reader}}
  %0 = kforge.matmul %x, %x {activation = "gelu"} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = kforge.matmul %0, %0 : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %1 : tensor<8x8xf32>
}

// -----

// Parts without a place in an mlp.
// CHECK-LABEL: func.func @parts
// CHECK-NOT: kforge.mlp
func.func @parts(%x: tensor<4x8xf32>, %up: tensor<8x16xf32>, %down: tensor<16x8xf32>, %h: tensor<4x16xf32>) -> tensor<4x8xf32> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: the up matmul has a residual}}
  %0 = kforge.matmul %x, %up residual %h {activation = "gelu"} : (tensor<4x8xf32>, tensor<8x16xf32>, tensor<4x16xf32>) -> tensor<4x16xf32>
  %1 = kforge.matmul %0, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: the down matmul has an activation}}
  %2 = kforge.matmul %x, %up {activation = "gelu"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %3 = kforge.matmul %2, %down {activation = "relu"} : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: both gate and up have an activation}}
  %4 = kforge.matmul %x, %up {activation = "gelu"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %5 = kforge.matmul %x, %up {activation = "gelu"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %6 = arith.mulf %4, %5 : tensor<4x16xf32>
  %7 = kforge.matmul %6, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: gate and up read different inputs}}
  %8 = kforge.matmul %x, %up {activation = "gelu"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %9 = kforge.matmul %7, %up  : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %10 = arith.mulf %8, %9 : tensor<4x16xf32>
  %11 = kforge.matmul %10, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  %12 = arith.mulf %1, %3 : tensor<4x8xf32>
  %13 = arith.mulf %11, %12 : tensor<4x8xf32>
  return %13 : tensor<4x8xf32>
}

// -----

// Weights with batches are not those of an mlp.
// CHECK-LABEL: func.func @batched
// CHECK-NOT: kforge.mlp
func.func @batched(%x: tensor<2x4x8xf32>, %up: tensor<2x8x16xf32>, %down: tensor<2x16x8xf32>) -> tensor<2x4x8xf32> {
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: 'kforge.mlp' op operand 'up' is tensor<2x8x16xf32>, expected rank 2 (C1)}}
  %0 = kforge.matmul %x, %up {activation = "gelu"} : (tensor<2x4x8xf32>, tensor<2x8x16xf32>) -> tensor<2x4x16xf32>
  %1 = kforge.matmul %0, %down : (tensor<2x4x16xf32>, tensor<2x16x8xf32>) -> tensor<2x4x8xf32>
  return %1 : tensor<2x4x8xf32>
}

// -----

// Without an activation between them two matmuls are no mlp. Of three layers the
// last two are one.
// CHECK-LABEL: func.func @chains
// CHECK: kforge.matmul %arg0, %arg1 : 
// CHECK-NEXT: kforge.matmul
// CHECK-NEXT: %[[A:.*]] = kforge.matmul %{{.*}}, %arg1 {activation = "gelu"}
// CHECK-NEXT: kforge.mlp %[[A]], %arg2, %arg1
func.func @chains(%x: tensor<4x8xf32>, %up: tensor<8x16xf32>, %down: tensor<16x8xf32>) -> tensor<4x16xf32> {
  %0 = kforge.matmul %x, %up : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = kforge.matmul %0, %down  : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  // expected-remark @+1 {{'kforge.matmul' op is not fused into an mlp: the down matmul has an activation}}
  %2 = kforge.matmul %1, %up {activation = "gelu"} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %3 = kforge.matmul %2, %down {activation = "gelu"} : (tensor<4x16xf32>, tensor<16x8xf32>) -> tensor<4x8xf32>
  %4 = kforge.matmul %3, %up  : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  return %4 : tensor<4x16xf32>
}
