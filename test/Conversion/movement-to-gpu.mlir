// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' --split-input-file --verify-diagnostics | FileCheck %s

// Heads change places in whole vectors; nothing is computed in f32.

// CHECK-LABEL: gpu.func @heads(
// CHECK-SAME: %[[X:.*]]: memref<48xvector<4xf16>>, %[[Y:.*]]: memref<48xvector<4xf16>>)
// CHECK-NOT: arith.extf
// CHECK: %[[VALUE:.*]] = memref.load %[[X]]
// CHECK: memref.store %[[VALUE]], %[[Y]]
func.func @f(%x: tensor<2x3x4x8xf16>) -> tensor<2x4x3x8xf16> {
  %empty = tensor.empty() : tensor<2x4x3x8xf16>
  %y = linalg.transpose ins(%x : tensor<2x3x4x8xf16>) outs(%empty : tensor<2x4x3x8xf16>) permutation = [0, 2, 1, 3] {kforge.name = "heads"}
  return %y : tensor<2x4x3x8xf16>
}

// -----

// One kernel per piece, each with the ops of its piece; the last has the
// specification of all.

// CHECK-LABEL: gpu.func @turned(
// CHECK-NOT: kforge.spec
// CHECK: arith.negf
// CHECK: gpu.func @turned_1(
// CHECK-SAME: kforge.spec = "{{.*}}tensor.extract_slice{{.*}}arith.negf{{.*}}tensor.concat
// CHECK-NOT: = arith.negf
// CHECK-LABEL: func.func @f
// CHECK-COUNT-1: memref.alloc
// CHECK-COUNT-2: gpu.launch_func
func.func @f(%x: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %a = tensor.extract_slice %x[0, 0] [3, 4] [1, 1] : tensor<3x8xf32> to tensor<3x4xf32>
  %b = tensor.extract_slice %x[0, 4] [3, 4] [1, 1] : tensor<3x8xf32> to tensor<3x4xf32>
  %n = arith.negf %b : tensor<3x4xf32>
  %y = tensor.concat dim(1) %n, %a {kforge.name = "turned"} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xi1> {
  // expected-error @+1 {{has a tensor of i1 that must be stored, and no buffer holds i1; use it in arith.select}}
  %y = arith.cmpf ogt, %x, %x : tensor<4xf32>
  return %y : tensor<4xi1>
}
