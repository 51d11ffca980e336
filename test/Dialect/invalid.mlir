// One case per rule of every op, then structure, attributes and assembly.

// RUN: kforge-opt %s --split-input-file --verify-diagnostics

// --- kforge.matmul

// C1
func.func @f(%a: tensor<4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op operand 'a' is tensor<4xf32>, expected rank 2 or more (C1)}}
  %0 = kforge.matmul %a, %b : (tensor<4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// C2
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf16>) {
  // expected-error @below {{'kforge.matmul' op operand 'b' has element type f16, but 'a' has f32 (C2)}}
  %0 = kforge.matmul %a, %b : (tensor<3x4xf32>, tensor<4x6xf16>) -> tensor<3x6xf32>
  return
}

// -----

// C2
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6xf16>) {
  // expected-error @below {{'kforge.matmul' op operand 'bias' has element type f16, but 'a' has f32 (C2)}}
  %0 = kforge.matmul %a, %b bias %c : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6xf16>) -> tensor<3x6xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<3x4xf32>, %b: tensor<5x6xf32>) {
  // expected-error @below {{'kforge.matmul' op the contracted dimensions of 'a' and 'b' differ: 4 and 5 (C3)}}
  %0 = kforge.matmul %a, %b : (tensor<3x4xf32>, tensor<5x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op the contracted dimensions of 'a' and 'b' differ: 4 and 6 (C3)}}
  %0 = kforge.matmul %a, %b {transpose_b} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C4
func.func @f(%a: tensor<2x3x4xf32>, %b: tensor<5x4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op batch dimensions [2] and [5] do not broadcast (C4)}}
  %0 = kforge.matmul %a, %b : (tensor<2x3x4xf32>, tensor<5x4x6xf32>) -> tensor<2x3x6xf32>
  return
}

// -----

// C5
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<3xf32>) {
  // expected-error @below {{'kforge.matmul' op operand 'bias' is tensor<3xf32>, expected shape [6] (C5)}}
  %0 = kforge.matmul %a, %b bias %c : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<3xf32>) -> tensor<3x6xf32>
  return
}

// -----

// C6
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6xf32>) {
  // expected-error @below {{'kforge.matmul' op operand 'residual' is tensor<6xf32>, expected shape [3, 6] (C6)}}
  %0 = kforge.matmul %a, %b residual %c : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// C6
func.func @f(%a: tensor<?x4xf32>, %b: tensor<4x6xf32>, %c: tensor<3x5xf32>) {
  // expected-error @below {{'kforge.matmul' op operand 'residual' is tensor<3x5xf32>, expected shape [?, 6] (C6)}}
  %0 = kforge.matmul %a, %b residual %c : (tensor<?x4xf32>, tensor<4x6xf32>, tensor<3x5xf32>) -> tensor<?x6xf32>
  return
}

// -----

// the result type is inferred
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op result type tensor<6x3xf32> differs from the inferred tensor<3x6xf32>}}
  %0 = kforge.matmul %a, %b : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<6x3xf32>
  return
}

// -----

// --- kforge.attention

// C1
func.func @f(%a: tensor<6x5x8xf32>, %b: tensor<2x3x7x8xf32>, %c: tensor<2x3x7x4xf32>) {
  // expected-error @below {{'kforge.attention' op operand 'q' is tensor<6x5x8xf32>, expected rank 4: [batch, heads, sequence, size] (C1)}}
  %0 = kforge.attention %a, %b, %c : (tensor<6x5x8xf32>, tensor<2x3x7x8xf32>, tensor<2x3x7x4xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C2
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<2x3x7x8xf32>, %c: tensor<2x3x7x4xf16>) {
  // expected-error @below {{'kforge.attention' op operand 'v' has element type f16, but 'q' has f32 (C2)}}
  %0 = kforge.attention %a, %b, %c : (tensor<2x6x5x8xf32>, tensor<2x3x7x8xf32>, tensor<2x3x7x4xf16>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<1x3x7x8xf32>, %c: tensor<2x3x7x4xf32>) {
  // expected-error @below {{'kforge.attention' op batch sizes of 'q' and 'k' differ: 2 and 1 (C3)}}
  %0 = kforge.attention %a, %b, %c : (tensor<2x6x5x8xf32>, tensor<1x3x7x8xf32>, tensor<2x3x7x4xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<2x3x7x8xf32>, %c: tensor<1x3x7x4xf32>) {
  // expected-error @below {{'kforge.attention' op batch sizes of 'q' and 'v' differ: 2 and 1 (C3)}}
  %0 = kforge.attention %a, %b, %c : (tensor<2x6x5x8xf32>, tensor<2x3x7x8xf32>, tensor<1x3x7x4xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C4
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<2x3x7x8xf32>, %c: tensor<2x2x7x4xf32>) {
  // expected-error @below {{'kforge.attention' op numbers of heads of 'k' and 'v' differ: 3 and 2 (C4)}}
  %0 = kforge.attention %a, %b, %c : (tensor<2x6x5x8xf32>, tensor<2x3x7x8xf32>, tensor<2x2x7x4xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C4
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<2x4x7x8xf32>, %c: tensor<2x4x7x4xf32>) {
  // expected-error @below {{'kforge.attention' op 4 key and value heads do not divide 6 query heads (C4)}}
  %0 = kforge.attention %a, %b, %c : (tensor<2x6x5x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x7x4xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C5
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<2x3x7x9xf32>, %c: tensor<2x3x7x4xf32>) {
  // expected-error @below {{'kforge.attention' op head sizes of 'q' and 'k' differ: 8 and 9 (C5)}}
  %0 = kforge.attention %a, %b, %c : (tensor<2x6x5x8xf32>, tensor<2x3x7x9xf32>, tensor<2x3x7x4xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C6
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<2x3x7x8xf32>, %c: tensor<2x3x6x4xf32>) {
  // expected-error @below {{'kforge.attention' op sequence lengths of 'k' and 'v' differ: 7 and 6 (C6)}}
  %0 = kforge.attention %a, %b, %c : (tensor<2x6x5x8xf32>, tensor<2x3x7x8xf32>, tensor<2x3x6x4xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C7
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<2x3x7x8xf32>, %c: tensor<2x3x7x4xf32>, %d: tensor<2x3x5x7xf32>) {
  // expected-error @below {{'kforge.attention' op operand 'mask' is tensor<2x3x5x7xf32>, which does not broadcast to the scores, tensor<2x6x5x7xf32> (C7)}}
  %0 = kforge.attention %a, %b, %c mask %d : (tensor<2x6x5x8xf32>, tensor<2x3x7x8xf32>, tensor<2x3x7x4xf32>, tensor<2x3x5x7xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// C7: it must not enlarge them
func.func @f(%a: tensor<1x6x5x8xf32>, %b: tensor<1x3x7x8xf32>, %c: tensor<1x3x7x4xf32>, %d: tensor<2x1x1x7xf32>) {
  // expected-error @below {{'kforge.attention' op operand 'mask' is tensor<2x1x1x7xf32>, which does not broadcast to the scores, tensor<1x6x5x7xf32> (C7)}}
  %0 = kforge.attention %a, %b, %c mask %d : (tensor<1x6x5x8xf32>, tensor<1x3x7x8xf32>, tensor<1x3x7x4xf32>, tensor<2x1x1x7xf32>) -> tensor<1x6x5x4xf32>
  return
}

// -----

// C8
func.func @f(%a: tensor<2x6x5x8xf32>, %b: tensor<2x3x7x8xf32>, %c: tensor<2x3x7x4xf32>) {
  // expected-error @below {{'kforge.attention' op scale inf must be finite (C8)}}
  %0 = kforge.attention %a, %b, %c {scale = 0x7F800000 : f32} : (tensor<2x6x5x8xf32>, tensor<2x3x7x8xf32>, tensor<2x3x7x4xf32>) -> tensor<2x6x5x4xf32>
  return
}

// -----

// --- kforge.softmax

// C1
func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.softmax' op axis 2 is outside [-2, 2) (C1)}}
  %0 = kforge.softmax %a {axis = 2 : i64} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C1: rank 0 has no axis
func.func @f(%a: tensor<f32>) {
  // expected-error @below {{'kforge.softmax' op axis -1 is outside [-0, 0) (C1)}}
  %0 = kforge.softmax %a : (tensor<f32>) -> tensor<f32>
  return
}

// -----

// C2
func.func @f(%a: tensor<3x0xf32>) {
  // expected-error @below {{'kforge.softmax' op axis 1 of tensor<3x0xf32> has no element to reduce (C2)}}
  %0 = kforge.softmax %a : (tensor<3x0xf32>) -> tensor<3x0xf32>
  return
}

// -----

// --- kforge.layer_norm

// C1
func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.layer_norm' op axis -3 is outside [-2, 2) (C1)}}
  %0 = kforge.layer_norm %a {axis = -3 : i64} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C2
func.func @f(%a: tensor<0x4xf32>) {
  // expected-error @below {{'kforge.layer_norm' op axis 0 of tensor<0x4xf32> has no element to reduce (C2)}}
  %0 = kforge.layer_norm %a {axis = 0 : i64} : (tensor<0x4xf32>) -> tensor<0x4xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4xf16>) {
  // expected-error @below {{'kforge.layer_norm' op operand 'beta' has element type f16, but 'x' has f32 (C3)}}
  %0 = kforge.layer_norm %a beta %b : (tensor<3x4xf32>, tensor<4xf16>) -> tensor<3x4xf32>
  return
}

// -----

// C4
func.func @f(%a: tensor<3x4xf32>, %b: tensor<3xf32>) {
  // expected-error @below {{'kforge.layer_norm' op operand 'gamma' is tensor<3xf32>, expected shape [4] (C4)}}
  %0 = kforge.layer_norm %a gamma %b : (tensor<3x4xf32>, tensor<3xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C4
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4xf32>, %c: tensor<1x4xf32>) {
  // expected-error @below {{'kforge.layer_norm' op operand 'beta' is tensor<1x4xf32>, expected shape [4] (C4)}}
  %0 = kforge.layer_norm %a gamma %b beta %c : (tensor<3x4xf32>, tensor<4xf32>, tensor<1x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C5
func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.layer_norm' op epsilon -1 must be finite and not negative (C5)}}
  %0 = kforge.layer_norm %a {epsilon = -1.0 : f32} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// --- kforge.rms_norm

// C1
func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.rms_norm' op axis 2 is outside [-2, 2) (C1)}}
  %0 = kforge.rms_norm %a {axis = 2 : i64} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C2
func.func @f(%a: tensor<3x0xf32>) {
  // expected-error @below {{'kforge.rms_norm' op axis 1 of tensor<3x0xf32> has no element to reduce (C2)}}
  %0 = kforge.rms_norm %a : (tensor<3x0xf32>) -> tensor<3x0xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<3x4xf16>, %b: tensor<4xf32>) {
  // expected-error @below {{'kforge.rms_norm' op operand 'gamma' has element type f32, but 'x' has f16 (C3)}}
  %0 = kforge.rms_norm %a gamma %b : (tensor<3x4xf16>, tensor<4xf32>) -> tensor<3x4xf16>
  return
}

// -----

// C4
func.func @f(%a: tensor<3x4xf32>, %b: tensor<3xf32>) {
  // expected-error @below {{'kforge.rms_norm' op operand 'gamma' is tensor<3xf32>, expected shape [4] (C4)}}
  %0 = kforge.rms_norm %a gamma %b : (tensor<3x4xf32>, tensor<3xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C5
func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.rms_norm' op epsilon NaN must be finite and not negative (C5)}}
  %0 = kforge.rms_norm %a {epsilon = 0x7FC00000 : f32} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// --- kforge.mlp

// C1
func.func @f(%a: tensor<4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>) {
  // expected-error @below {{'kforge.mlp' op operand 'x' is tensor<4xf32>, expected rank 2 or more (C1)}}
  %0 = kforge.mlp %a, %b, %c : (tensor<4xf32>, tensor<4x6xf32>, tensor<6x5xf32>) -> tensor<5xf32>
  return
}

// -----

// C1
func.func @f(%a: tensor<3x4xf32>, %b: tensor<1x4x6xf32>, %c: tensor<6x5xf32>) {
  // expected-error @below {{'kforge.mlp' op operand 'up' is tensor<1x4x6xf32>, expected rank 2 (C1)}}
  %0 = kforge.mlp %a, %b, %c : (tensor<3x4xf32>, tensor<1x4x6xf32>, tensor<6x5xf32>) -> tensor<3x5xf32>
  return
}

// -----

// C2
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf16>) {
  // expected-error @below {{'kforge.mlp' op operand 'down' has element type f16, but 'x' has f32 (C2)}}
  %0 = kforge.mlp %a, %b, %c : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf16>) -> tensor<3x5xf32>
  return
}

// -----

// C2
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>, %d: tensor<5xf16>) {
  // expected-error @below {{'kforge.mlp' op operand 'down_bias' has element type f16, but 'x' has f32 (C2)}}
  %0 = kforge.mlp %a, %b, %c down_bias %d : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>, tensor<5xf16>) -> tensor<3x5xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<3x5xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>) {
  // expected-error @below {{'kforge.mlp' op the last dimension of 'x' and the input size of 'up' differ: 5 and 4 (C3)}}
  %0 = kforge.mlp %a, %b, %c : (tensor<3x5xf32>, tensor<4x6xf32>, tensor<6x5xf32>) -> tensor<3x5xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>) {
  // expected-error @below {{'kforge.mlp' op the last dimension of 'x' and the input size of 'up' differ: 4 and 6 (C3)}}
  %0 = kforge.mlp %a, %b, %c {transpose_weights} : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>) -> tensor<3x5xf32>
  return
}

// -----

// C4
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<7x5xf32>) {
  // expected-error @below {{'kforge.mlp' op the output size of 'up' and the input size of 'down' differ: 6 and 7 (C4)}}
  %0 = kforge.mlp %a, %b, %c : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<7x5xf32>) -> tensor<3x5xf32>
  return
}

// -----

// C5
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>, %d: tensor<6x4xf32>) {
  // expected-error @below {{'kforge.mlp' op operand 'gate' is tensor<6x4xf32>, expected shape [4, 6] (C5)}}
  %0 = kforge.mlp %a, %b, %c gate %d : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>, tensor<6x4xf32>) -> tensor<3x5xf32>
  return
}

// -----

// C6
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>, %d: tensor<5xf32>) {
  // expected-error @below {{'kforge.mlp' op operand 'up_bias' is tensor<5xf32>, expected shape [6] (C6)}}
  %0 = kforge.mlp %a, %b, %c up_bias %d : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  return
}

// -----

// C6
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>, %d: tensor<6xf32>) {
  // expected-error @below {{'kforge.mlp' op operand 'down_bias' is tensor<6xf32>, expected shape [5] (C6)}}
  %0 = kforge.mlp %a, %b, %c down_bias %d : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>, tensor<6xf32>) -> tensor<3x5xf32>
  return
}

// -----

// C6
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>, %d: tensor<4x6xf32>, %e: tensor<1x6xf32>) {
  // expected-error @below {{'kforge.mlp' op operand 'gate_bias' is tensor<1x6xf32>, expected shape [6] (C6)}}
  %0 = kforge.mlp %a, %b, %c gate %d gate_bias %e : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>, tensor<4x6xf32>, tensor<1x6xf32>) -> tensor<3x5xf32>
  return
}

// -----

// C7
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6x5xf32>, %d: tensor<6xf32>) {
  // expected-error @below {{'kforge.mlp' op operand 'gate_bias' of size 6 has no 'gate' to go with (C7)}}
  %0 = kforge.mlp %a, %b, %c gate_bias %d : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6x5xf32>, tensor<6xf32>) -> tensor<3x5xf32>
  return
}

// -----

// --- kforge.rope

// C1
func.func @f(%a: tensor<4x5x8xf32>, %b: tensor<5xi32>) {
  // expected-error @below {{'kforge.rope' op operand 'x' is tensor<4x5x8xf32>, expected rank 4: [batch, heads, sequence, size] (C1)}}
  %0 = kforge.rope %a, %b : (tensor<4x5x8xf32>, tensor<5xi32>) -> tensor<4x5x8xf32>
  return
}

// -----

// C2
func.func @f(%a: tensor<2x4x5x7xf32>, %b: tensor<5xi32>) {
  // expected-error @below {{'kforge.rope' op head size 7 is not even (C2)}}
  %0 = kforge.rope %a, %b : (tensor<2x4x5x7xf32>, tensor<5xi32>) -> tensor<2x4x5x7xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<2x4x5x8xf32>, %b: tensor<4xi32>) {
  // expected-error @below {{'kforge.rope' op operand 'positions' is tensor<4xi32>, expected shape [5] (C3)}}
  %0 = kforge.rope %a, %b : (tensor<2x4x5x8xf32>, tensor<4xi32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// C3
func.func @f(%a: tensor<2x4x5x8xf32>, %b: tensor<5x2xi32>) {
  // expected-error @below {{'kforge.rope' op operand 'positions' is tensor<5x2xi32>, expected shape [2, 5] (C3)}}
  %0 = kforge.rope %a, %b : (tensor<2x4x5x8xf32>, tensor<5x2xi32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// C4
func.func @f(%a: tensor<2x4x5x8xf32>, %b: tensor<5xi32>, %c: tensor<5xf32>) {
  // expected-error @below {{'kforge.rope' op operand 'inv_freq' is tensor<5xf32>, expected 1 to 8/2 elements (C4)}}
  %0 = kforge.rope %a, %b inv_freq %c : (tensor<2x4x5x8xf32>, tensor<5xi32>, tensor<5xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// C5
func.func @f(%a: tensor<2x4x5x8xf32>, %b: tensor<5xi32>) {
  // expected-error @below {{'kforge.rope' op theta 0 must be finite and positive (C5)}}
  %0 = kforge.rope %a, %b {theta = 0.0 : f32} : (tensor<2x4x5x8xf32>, tensor<5xi32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// --- Operand types

// no f64
func.func @f(%a: tensor<4xf64>) {
  // expected-error @below {{'kforge.activation' op operand 'x' must be a ranked tensor of f32 or f16, found tensor<4xf64>}}
  %0 = kforge.activation %a : (tensor<4xf64>) -> tensor<4xf64>
  return
}

// -----

// positions are i32
func.func @f(%a: tensor<2x4x5x8xf32>, %b: tensor<5xi64>) {
  // expected-error @below {{'kforge.rope' op operand 'positions' must be a ranked tensor of i32, found tensor<5xi64>}}
  %0 = kforge.rope %a, %b : (tensor<2x4x5x8xf32>, tensor<5xi64>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// inv_freq is f32
func.func @f(%a: tensor<2x4x5x8xf32>, %b: tensor<5xi32>, %c: tensor<4xf16>) {
  // expected-error @below {{'kforge.rope' op operand 'inv_freq' must be a ranked tensor of f32, found tensor<4xf16>}}
  %0 = kforge.rope %a, %b inv_freq %c : (tensor<2x4x5x8xf32>, tensor<5xi32>, tensor<4xf16>) -> tensor<2x4x5x8xf32>
  return
}

// -----

// ranked tensors only
func.func @f(%a: tensor<*xf32>) {
  // expected-error @below {{'kforge.activation' op operand 'x' must be a ranked tensor of f32 or f16, found tensor<*xf32>}}
  %0 = kforge.activation %a : (tensor<*xf32>) -> tensor<*xf32>
  return
}

// -----

// no memref
func.func @f(%a: memref<4xf32>) {
  // expected-error @below {{'kforge.activation' op operand 'x' must be a ranked tensor of f32 or f16, found memref<4xf32>}}
  %0 = kforge.activation %a : (memref<4xf32>) -> tensor<4xf32>
  return
}

// -----

// the optional operand in its own slot
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: vector<3x6xf32>) {
  // expected-error @below {{'kforge.matmul' op operand 'residual' must be a ranked tensor of f32 or f16, found vector<3x6xf32>}}
  %0 = kforge.matmul %a, %b residual %c : (tensor<3x4xf32>, tensor<4x6xf32>, vector<3x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// --- Attributes

// unknown
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op unknown attribute 'transposed'; it has transpose_a, transpose_b, activation}}
  %0 = kforge.matmul %a, %b {transposed} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// an attribute of another op
func.func @f(%a: tensor<4xf32>) {
  // expected-error @below {{'kforge.activation' op unknown attribute 'axis'; it has kind}}
  %0 = kforge.activation %a {axis = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

// not of the set
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op attribute 'activation' is "swish", expected one of none, relu, gelu, gelu_tanh, silu, tanh}}
  %0 = kforge.matmul %a, %b {activation = "swish"} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// no string
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op attribute 'activation' is 1 : i64, expected one of none, relu, gelu, gelu_tanh, silu, tanh}}
  %0 = kforge.matmul %a, %b {activation = 1 : i64} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// a flag has no value
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op attribute 'transpose_a' is true, expected no value}}
  %0 = kforge.matmul %a, %b {transpose_a = true} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// i64, not i32
func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.softmax' op attribute 'axis' is 1 : i32, expected a 64-bit integer, such as -1 : i64}}
  %0 = kforge.softmax %a {axis = 1 : i32} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// f32, not f64
func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.layer_norm' op attribute 'epsilon' is 1.000000e-05 : f64, expected an f32, such as 1.0 : f32}}
  %0 = kforge.layer_norm %a {epsilon = 1.0e-5 : f64} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// --- kforge.* attributes

// misspelt
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op has the unknown attribute 'kforge.nmae'; known are kforge.name, kforge.schedule, kforge.device, kforge.reference, kforge.spec, kforge.verified, kforge.wgsl}}
  %0 = kforge.matmul %a, %b {kforge.nmae = "up"} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// no name
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op 'kforge.name' is "1-up", expected a string that matches [A-Za-z_][A-Za-z0-9_.]*}}
  %0 = kforge.matmul %a, %b {kforge.name = "1-up"} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// an empty name
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op 'kforge.name' is "", expected a string that matches [A-Za-z_][A-Za-z0-9_.]*}}
  %0 = kforge.matmul %a, %b {kforge.name = ""} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// of a module only
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op cannot have 'kforge.device', which belongs to a module}}
  %0 = kforge.matmul %a, %b {kforge.device = {target = "gpu"}} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// no dictionary
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op 'kforge.schedule' must be a dictionary, found "fast"}}
  %0 = kforge.matmul %a, %b {kforge.schedule = "fast"} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// knobs are no floats
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op 'kforge.schedule' holds 5.000000e-01 : f32 under 'alpha', expected an integer, a boolean, a string or a list}}
  %0 = kforge.matmul %a, %b {kforge.schedule = {alpha = 0.5 : f32}} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// no text
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op 'kforge.spec' must be the text of a module}}
  %0 = kforge.matmul %a, %b {kforge.spec = 1 : i64} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// a name twice in a function, in a nested block, too
func.func @f(%x: tensor<4xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = kforge.activation %x {kforge.name = "act"} : (tensor<4xf32>) -> tensor<4xf32>
  scf.for %i = %c0 to %n step %c1 {
    // expected-error @below {{'kforge.activation' op 'kforge.name' "act" is already taken in this function}}
    %1 = kforge.activation %x {kforge.name = "act"} : (tensor<4xf32>) -> tensor<4xf32>
  }
  return
}

// another function may have it again
func.func @g(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = kforge.activation %x {kforge.name = "act"} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// upstream ops are checked alike
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{'arith.addf' op 'kforge.name' is "a b", expected a string that matches}}
  %0 = arith.addf %x, %x {kforge.name = "a b"} : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// expected-error @below {{'func.func' op argument 0 has the unknown attribute 'kforge.wieght'; arguments may have 'kforge.weight'}}
func.func @f(%x: tensor<4xf32> {kforge.wieght = "w"}) {
  return
}

// -----

// expected-error @below {{'func.func' op argument 1: 'kforge.weight' is "", expected the name of a tensor}}
func.func @f(%x: tensor<4xf32>, %w: tensor<4xf32> {kforge.weight = ""}) {
  return
}

// -----

// expected-error @below {{'builtin.module' op 'kforge.reference' must be the text of a module}}
module attributes {kforge.reference = 1 : i64} {
}

// -----

// expected-error @below {{'builtin.module' op 'kforge.verified' must be a dictionary}}
module attributes {kforge.verified = "yes"} {
}

// -----

// --- Structure, in generic form

// segments are needed
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op needs 'operandSegmentSizes' with 4 elements of 0 or 1}}
  %0 = "kforge.matmul"(%a, %b) : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// too few of them
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op needs 'operandSegmentSizes' with 4 elements of 0 or 1}}
  %0 = "kforge.matmul"(%a, %b) {operandSegmentSizes = array<i32: 1, 1>} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// an operand is there once or not at all
func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6xf32>) {
  // expected-error @below {{'kforge.matmul' op needs 'operandSegmentSizes' with 4 elements of 0 or 1}}
  %0 = "kforge.matmul"(%a, %b, %c, %c) {operandSegmentSizes = array<i32: 1, 1, 2, 0>} : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'kforge.matmul' op has 2 operands, expected 3}}
  %0 = "kforge.matmul"(%a, %b) {operandSegmentSizes = array<i32: 1, 1, 1, 0>} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.matmul' op lacks the operand 'b'}}
  %0 = "kforge.matmul"(%a) {operandSegmentSizes = array<i32: 1, 0, 0, 0>} : (tensor<3x4xf32>) -> tensor<3x6xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.softmax' op has 2 operands, expected 1}}
  %0 = "kforge.softmax"(%a, %a) : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.softmax' op has 2 results, expected 1}}
  %0:2 = "kforge.softmax"(%a) : (tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>)
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.softmax' op takes neither regions nor successors}}
  %0 = "kforge.softmax"(%a) ({
  }) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{'kforge.softmax' has no properties; write its attributes in {...}}}
  %0 = "kforge.softmax"(%a) <{axis = 0 : i64}> : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// expected-error @below {{unregistered operation 'kforge.conv' found in dialect ('kforge')}}
"kforge.conv"() : () -> ()

// -----

// --- Assembly

func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{expected 2 operands before the optional ones, found 1}}
  %0 = kforge.matmul %a : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>) {
  // expected-error @below {{expected 1 operands before the attributes, found 2}}
  %0 = kforge.softmax %a, %a : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6xf32>) {
  // expected-error @below {{operand 'bias' is given twice}}
  %0 = kforge.matmul %a, %b bias %c bias %c : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6xf32>) {
  // expected-error @below {{expected 3 operand types, found 2}}
  %0 = kforge.matmul %a, %b bias %c : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error @below {{'operandSegmentSizes' follows from the operands and cannot be written}}
  %0 = kforge.matmul %a, %b {operandSegmentSizes = array<i32: 1, 1, 0, 0>} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return
}

// -----

func.func @f(%a: tensor<3x4xf32>, %b: tensor<4x6xf32>, %c: tensor<6xf32>) {
  // expected-error @below {{expected ':'}}
  %0 = kforge.matmul %a, %b gamma %c : (tensor<3x4xf32>, tensor<4x6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
  return
}

// -----

// A misspelt knob must not become a default.
func.func @unknown_knob(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // expected-error @+1 {{'kforge.softmax' op 'kforge.schedule' has the unknown knobs blocksize; it has workgroup-size, rows, shuffle, block-size, vector-width}}
  %0 = kforge.softmax %x {kforge.schedule = {blocksize = 32 : i64, "workgroup-size" = 32 : i64, "vector-width" = 4 : i64}} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// -----

func.func @missing_knob(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // expected-error @+1 {{'kforge.softmax' op 'kforge.schedule' lacks rows, shuffle, block-size}}
  %0 = kforge.softmax %x {kforge.schedule = {"workgroup-size" = 32 : i64, "vector-width" = 4 : i64}} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}
