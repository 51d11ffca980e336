// RUN: kforge-opt %s --kforge-name-ops | FileCheck %s
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-name-ops,kforge-name-ops)' | FileCheck %s

// Names are counted by kind and function; given ones stay and are not taken again.

// CHECK-LABEL: func.func @two
// CHECK: kforge.matmul {{.*}} {kforge.name = "matmul_0"}
// CHECK: kforge.matmul {{.*}} {kforge.name = "matmul_1"}
// CHECK: kforge.softmax {{.*}} {kforge.name = "probabilities"}
// CHECK: kforge.softmax {{.*}} {kforge.name = "softmax_0"}
func.func @two(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = kforge.matmul %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = kforge.matmul %0, %x {kforge.name = "matmul_1"} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = kforge.softmax %1 {kforge.name = "probabilities"} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = kforge.softmax %2 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}

// CHECK-LABEL: func.func @loop
// CHECK: kforge.softmax {{.*}} {kforge.name = "softmax_0"}
func.func @loop(%x: tensor<4x4xf32>, %n: index) -> tensor<4x4xf32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %r = scf.for %i = %zero to %n step %one iter_args(%v = %x) -> tensor<4x4xf32> {
    %s = kforge.softmax %v : (tensor<4x4xf32>) -> tensor<4x4xf32>
    scf.yield %s : tensor<4x4xf32>
  }
  return %r : tensor<4x4xf32>
}
