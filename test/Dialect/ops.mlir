// Every op with every optional operand and attribute survives text, generic
// form and bytecode; f16 and dynamic sizes, too.

// RUN: kforge-opt %s --verify-roundtrip | FileCheck %s
// RUN: kforge-opt %s | kforge-opt | FileCheck %s
// RUN: kforge-opt %s --mlir-print-op-generic | kforge-opt | FileCheck %s
// RUN: kforge-opt %s --emit-bytecode | kforge-opt | FileCheck %s

// CHECK-LABEL: func.func @matmul
func.func @matmul(%a: tensor<2x3x4xf32>, %b: tensor<4x6xf32>, %bias: tensor<6xf32>, %r: tensor<2x3x6xf32>) {
  // CHECK: kforge.matmul %{{.*}}, %{{.*}} : (tensor<2x3x4xf32>, tensor<4x6xf32>) -> tensor<2x3x6xf32>
  %0 = kforge.matmul %a, %b : (tensor<2x3x4xf32>, tensor<4x6xf32>) -> tensor<2x3x6xf32>
  // CHECK: kforge.matmul %arg0, %arg1 bias %arg2 : (
  %1 = kforge.matmul %a, %b bias %bias : (tensor<2x3x4xf32>, tensor<4x6xf32>, tensor<6xf32>) -> tensor<2x3x6xf32>
  // CHECK: kforge.matmul %arg0, %arg1 residual %arg3 : (
  %2 = kforge.matmul %a, %b residual %r : (tensor<2x3x4xf32>, tensor<4x6xf32>, tensor<2x3x6xf32>) -> tensor<2x3x6xf32>
  // The optional operands may be written in any order; their types follow the text.
  // CHECK: kforge.matmul %arg0, %arg1 bias %arg2 residual %arg3 {activation = "gelu_tanh", kforge.name = "up.proj"} : (tensor<2x3x4xf32>, tensor<4x6xf32>, tensor<6xf32>, tensor<2x3x6xf32>) -> tensor<2x3x6xf32>
  %3 = kforge.matmul %a, %b residual %r bias %bias {activation = "gelu_tanh", kforge.name = "up.proj"} : (tensor<2x3x4xf32>, tensor<4x6xf32>, tensor<2x3x6xf32>, tensor<6xf32>) -> tensor<2x3x6xf32>
  return
}

// CHECK-LABEL: func.func @matmul_transposed
func.func @matmul_transposed(%a: tensor<4x3xf16>, %b: tensor<5x6x4xf16>) -> tensor<5x3x6xf16> {
  // CHECK: {transpose_a, transpose_b} : (tensor<4x3xf16>, tensor<5x6x4xf16>) -> tensor<5x3x6xf16>
  %0 = kforge.matmul %a, %b {transpose_a, transpose_b} : (tensor<4x3xf16>, tensor<5x6x4xf16>) -> tensor<5x3x6xf16>
  return %0 : tensor<5x3x6xf16>
}

// CHECK-LABEL: func.func @dynamic
func.func @dynamic(%a: tensor<?x?xf32>, %b: tensor<?x6xf32>, %q: tensor<?x8x?x16xf32>) {
  // CHECK: -> tensor<?x6xf32>
  %0 = kforge.matmul %a, %b : (tensor<?x?xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  // A result may be more static than the operands tell.
  // CHECK: -> tensor<4x6xf32>
  %1 = kforge.matmul %a, %b : (tensor<?x?xf32>, tensor<?x6xf32>) -> tensor<4x6xf32>
  // CHECK: kforge.attention %arg2, %arg2, %arg2 : (tensor<?x8x?x16xf32>,
  %2 = kforge.attention %q, %q, %q : (tensor<?x8x?x16xf32>, tensor<?x8x?x16xf32>, tensor<?x8x?x16xf32>) -> tensor<?x8x?x16xf32>
  return
}

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<1x6x5x8xf16>, %k: tensor<1x2x7x8xf16>, %v: tensor<1x2x7x4xf16>, %mask: tensor<5x7xf16>) {
  // CHECK: kforge.attention %arg0, %arg1, %arg2 : (tensor<1x6x5x8xf16>, tensor<1x2x7x8xf16>, tensor<1x2x7x4xf16>) -> tensor<1x6x5x4xf16>
  %0 = kforge.attention %q, %k, %v : (tensor<1x6x5x8xf16>, tensor<1x2x7x8xf16>, tensor<1x2x7x4xf16>) -> tensor<1x6x5x4xf16>
  // CHECK: kforge.attention %arg0, %arg1, %arg2 mask %arg3 {causal, scale = 1.250000e-01 : f32} : (
  %1 = kforge.attention %q, %k, %v mask %mask {causal, scale = 0.125 : f32} : (tensor<1x6x5x8xf16>, tensor<1x2x7x8xf16>, tensor<1x2x7x4xf16>, tensor<5x7xf16>) -> tensor<1x6x5x4xf16>
  return
}

// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<4x6xf32>, %n: tensor<6xf32>, %m: tensor<4xf32>) {
  // CHECK: kforge.softmax %arg0 : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %0 = kforge.softmax %x : (tensor<4x6xf32>) -> tensor<4x6xf32>
  // CHECK: kforge.softmax %arg0 {axis = 0 : i64}
  %1 = kforge.softmax %x {axis = 0 : i64} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  // CHECK: kforge.layer_norm %arg0 : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %2 = kforge.layer_norm %x : (tensor<4x6xf32>) -> tensor<4x6xf32>
  // CHECK: kforge.layer_norm %arg0 beta %arg1 : (
  %3 = kforge.layer_norm %x beta %n : (tensor<4x6xf32>, tensor<6xf32>) -> tensor<4x6xf32>
  // CHECK: kforge.layer_norm %arg0 gamma %arg2 beta %arg2 {axis = -2 : i64, epsilon = 0.000000e+00 : f32} : (
  %4 = kforge.layer_norm %x gamma %m beta %m {axis = -2 : i64, epsilon = 0.0 : f32} : (tensor<4x6xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4x6xf32>
  // CHECK: kforge.rms_norm %arg0 : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %5 = kforge.rms_norm %x : (tensor<4x6xf32>) -> tensor<4x6xf32>
  // CHECK: kforge.rms_norm %arg0 gamma %arg1 {axis = 1 : i64, epsilon = 2.500000e-01 : f32} : (
  %6 = kforge.rms_norm %x gamma %n {axis = 1 : i64, epsilon = 0.25 : f32} : (tensor<4x6xf32>, tensor<6xf32>) -> tensor<4x6xf32>
  return
}

// CHECK-LABEL: func.func @mlp
func.func @mlp(%x: tensor<3x4xf32>, %up: tensor<4x6xf32>, %down: tensor<6x5xf32>, %hidden: tensor<6xf32>, %out: tensor<5xf32>) {
  // CHECK: kforge.mlp %arg0, %arg1, %arg2 : (
  %0 = kforge.mlp %x, %up, %down : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>) -> tensor<3x5xf32>
  // CHECK: kforge.mlp %arg0, %arg1, %arg2 up_bias %arg3 down_bias %arg4 {activation = "relu"} : (
  %1 = kforge.mlp %x, %up, %down up_bias %hidden down_bias %out {activation = "relu"} : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>, tensor<6xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  // CHECK: kforge.mlp %arg0, %arg1, %arg2 gate %arg1 up_bias %arg3 down_bias %arg4 gate_bias %arg3 {activation = "silu"} : (
  %2 = kforge.mlp %x, %up, %down gate %up up_bias %hidden down_bias %out gate_bias %hidden {activation = "silu"} : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>, tensor<4x6xf32>, tensor<6xf32>, tensor<5xf32>, tensor<6xf32>) -> tensor<3x5xf32>
  return
}

// CHECK-LABEL: func.func @mlp_transposed
func.func @mlp_transposed(%x: tensor<2x3x4xf16>, %up: tensor<6x4xf16>, %down: tensor<5x6xf16>) -> tensor<2x3x5xf16> {
  // CHECK: kforge.mlp %arg0, %arg1, %arg2 {transpose_weights} : (tensor<2x3x4xf16>, tensor<6x4xf16>, tensor<5x6xf16>) -> tensor<2x3x5xf16>
  %0 = kforge.mlp %x, %up, %down {transpose_weights} : (tensor<2x3x4xf16>, tensor<6x4xf16>, tensor<5x6xf16>) -> tensor<2x3x5xf16>
  return %0 : tensor<2x3x5xf16>
}

// CHECK-LABEL: func.func @rope
func.func @rope(%x: tensor<2x4x5x8xf16>, %p: tensor<5xi32>, %pb: tensor<2x5xi32>, %f: tensor<3xf32>) {
  // CHECK: kforge.rope %arg0, %arg1 : (tensor<2x4x5x8xf16>, tensor<5xi32>) -> tensor<2x4x5x8xf16>
  %0 = kforge.rope %x, %p : (tensor<2x4x5x8xf16>, tensor<5xi32>) -> tensor<2x4x5x8xf16>
  // CHECK: kforge.rope %arg0, %arg2 inv_freq %arg3 {interleaved, theta = 5.000000e+05 : f32} : (
  %1 = kforge.rope %x, %pb inv_freq %f {interleaved, theta = 500000.0 : f32} : (tensor<2x4x5x8xf16>, tensor<2x5xi32>, tensor<3xf32>) -> tensor<2x4x5x8xf16>
  return
}

// CHECK-LABEL: func.func @activation
func.func @activation(%x: tensor<4xf16>) {
  // CHECK: kforge.activation %arg0 : (tensor<4xf16>) -> tensor<4xf16>
  %0 = kforge.activation %x : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: {kind = "none"}
  %1 = kforge.activation %x {kind = "none"} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: {kind = "relu"}
  %2 = kforge.activation %x {kind = "relu"} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: {kind = "gelu_tanh"}
  %3 = kforge.activation %x {kind = "gelu_tanh"} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: {kind = "silu"}
  %4 = kforge.activation %x {kind = "silu"} : (tensor<4xf16>) -> tensor<4xf16>
  // CHECK: {kind = "tanh"}
  %5 = kforge.activation %x {kind = "tanh"} : (tensor<4xf16>) -> tensor<4xf16>
  return
}

// CHECK-LABEL: func.func @weights
// CHECK-SAME: tensor<4x6xf32> {kforge.weight = "model.w"}
func.func @weights(%x: tensor<3x4xf32>, %w: tensor<4x6xf32> {kforge.weight = "model.w"}) -> tensor<3x6xf32> {
  %0 = kforge.matmul %x, %w : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return %0 : tensor<3x6xf32>
}
