// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' | FileCheck %s

// Two workgroups for each head of keys, whose four queries, of one head each, are one block:
// what they have of O, m and l goes to scratch buffers and a second kernel brings it together.

// CHECK-LABEL: gpu.func @attention_parts(
// CHECK-SAME: memref<2x4x2xvector<4xf32>
// CHECK-SAME: memref<2x40x2xvector<4xf32>
// CHECK-SAME: memref<4x4x2xvector<4xf32>
// CHECK-SAME: memref<4x4x2xf32
// CHECK-NOT: arith.divf
// CHECK-LABEL: gpu.func @attention(
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK: arith.divf
// CHECK-LABEL: func.func @f(
// CHECK-DAG: memref.alloc() : memref<4x4x8xf32>
// CHECK-DAG: memref.alloc() : memref<4x4x2xf32>
// CHECK: gpu.launch_func @kernels::@attention_parts blocks in (%c4,
// CHECK: gpu.launch_func @kernels::@attention blocks in
func.func @f(%q: tensor<1x8x1x8xf32>, %k: tensor<1x2x40x8xf32>, %v: tensor<1x2x40x8xf32>) -> tensor<1x8x1x8xf32> {
  %o = kforge.attention %q, %k, %v {causal, kforge.schedule = {"block-kv" = 8, "block-q" = 4, "split-head" = 1, "slice-kv" = 1, "split-kv" = 2, "matrix-unit" = 0, prefetch = 0}} : (tensor<1x8x1x8xf32>, tensor<1x2x40x8xf32>, tensor<1x2x40x8xf32>) -> tensor<1x8x1x8xf32>
  return %o : tensor<1x8x1x8xf32>
}
