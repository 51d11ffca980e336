// RUN: kforge-opt %s --kforge-eliminate-dead-ops | FileCheck %s


// A chain goes whole: its last op first, then what only it read.
// CHECK-LABEL: func.func @chain
// CHECK-NEXT: return %arg0
func.func @chain(%x: tensor<4x4xf32>, %b: tensor<4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4x4xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%empty : tensor<4x4xf32>) -> tensor<4x4xf32>
  %t = linalg.transpose ins(%x : tensor<4x4xf32>) outs(%fill : tensor<4x4xf32>) permutation = [1, 0]
  %bb = linalg.broadcast ins(%b : tensor<4xf32>) outs(%empty : tensor<4x4xf32>) dimensions = [0]
  %s = arith.addf %t, %bb : tensor<4x4xf32>
  %m = kforge.matmul %s, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %e = math.exp %m : tensor<4x4xf32>
  return %x : tensor<4x4xf32>
}

// What is read, what has effects, and what another pass must judge stays.
// CHECK-LABEL: func.func @stays
// CHECK: call @effect
// CHECK: tensor.generate
// CHECK: kforge.softmax
// CHECK-NEXT: return
func.func private @effect(tensor<4xf32>) -> tensor<4xf32>
func.func @stays(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @effect(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = tensor.generate {
  ^bb0(%i: index):
    %v = tensor.extract %x[%i] : tensor<4xf32>
    tensor.yield %v : f32
  } : tensor<4xf32>
  %2 = kforge.softmax %x : (tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// A fill of a buffer has no result: it is there for its effect.
// CHECK-LABEL: func.func @buffer
// CHECK: linalg.fill
func.func @buffer(%m: memref<4xf32>, %v: f32) {
  linalg.fill ins(%v : f32) outs(%m : memref<4xf32>)
  return
}
