// Malformed IR: each piece gets its one located message, the others go through.

// RUN: kforge-opt %s --split-input-file --verify-diagnostics | FileCheck %s

func.func @operands(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{custom op 'kforge.matmul' expected 2 operands before the optional ones, found 1}}
  %0 = kforge.matmul %a : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @twice(%a: tensor<8x8xf32>, %b: tensor<8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{custom op 'kforge.matmul' operand 'bias' is given twice}}
  %0 = kforge.matmul %a, %a bias %b bias %b : (tensor<8x8xf32>, tensor<8x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @keyword(%a: tensor<8x8xf32>, %b: tensor<8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{expected ':'}}
  %0 = kforge.matmul %a, %a wait %b : (tensor<8x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @types(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{custom op 'kforge.matmul' expected 2 operand types, found 1}}
  %0 = kforge.matmul %a, %a : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @segments(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{'operandSegmentSizes' follows from the operands and cannot be written}}
  %0 = kforge.matmul %a, %a {operandSegmentSizes = array<i32: 1, 1, 0, 0>} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @generic_segments(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{'kforge.matmul' op}}
  %0 = "kforge.matmul"(%a, %a) {operandSegmentSizes = array<i32: 1, 1, 1, 1>} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @generic_negative_segments(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{'kforge.matmul' op}}
  %0 = "kforge.matmul"(%a, %a) {operandSegmentSizes = array<i32: 3, -1, 0, 0>} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @generic_no_segments(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{'kforge.matmul' op}}
  %0 = "kforge.matmul"(%a, %a) : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @generic_no_operands() {
  // expected-error@+1 {{'kforge.softmax' op}}
  "kforge.softmax"() : () -> ()
  return
}

// -----

func.func @generic_region(%a: tensor<8x8xf32>) {
  // expected-error@+1 {{'kforge.softmax' op}}
  %0 = "kforge.softmax"(%a) ({ ^bb0: }) : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return
}

// -----

func.func @generic_successor(%a: tensor<8x8xf32>) {
  // expected-error@+1 {{successors in non-terminator}}
  %0 = "kforge.softmax"(%a)[^bb1] : (tensor<8x8xf32>) -> tensor<8x8xf32>
^bb1:
  return
}

// -----

func.func @properties(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{'kforge.softmax' has no properties; write its attributes in {...}}}
  %0 = "kforge.softmax"(%a) <{axis = 1 : i64}> : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @attribute(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{'kforge.softmax' op}}
  %0 = kforge.softmax %a {axis = "last"} : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

func.func @unranked(%a: tensor<*xf32>) -> tensor<*xf32> {
  // expected-error@+1 {{'kforge.softmax' op}}
  %0 = kforge.softmax %a : (tensor<*xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @no_tensor(%a: f32) -> f32 {
  // expected-error@+1 {{'kforge.softmax' op}}
  %0 = kforge.softmax %a : (f32) -> f32
  return %0 : f32
}

// -----

// expected-error@+1 {{kforge.wieght}}
func.func @misspelt() attributes {kforge.wieght} {
  return
}

// -----

func.func @unknown() {
  // expected-error@+1 {{unknown}}
  kforge.nonsense
  return
}

// -----

func.func @truncated(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error@+1 {{expected}}
  %0 = kforge.softmax %a :
}

// -----

// CHECK-LABEL: @intact
func.func @intact(%a: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // CHECK: kforge.softmax
  %0 = kforge.softmax %a : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}
