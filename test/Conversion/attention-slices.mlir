// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' | FileCheck %s

// One query, as in decoding: eight invocations take the keys in turns, two at a time, from
// where they are. At the end maxima meet in a tree, then sums and accumulators.

// CHECK-LABEL: gpu.func @attention(
// CHECK-SAME: workgroup(%[[OUT:.*]] : memref<8x2xvector<4xf32>, #gpu.address_space<workgroup>>, %[[NUMBERS:.*]] : memref<8x1xf32, #gpu.address_space<workgroup>>)
// CHECK-SAME: known_block_size = array<i32: 8, 1, 1>
// CHECK: scf.for
// CHECK-NOT: gpu.barrier
// CHECK: memref.store %{{.*}}, %[[NUMBERS]]
// CHECK: gpu.barrier
// CHECK: arith.maximumf
// CHECK: memref.store %{{.*}}, %[[OUT]]
// CHECK: gpu.barrier
// CHECK: arith.divf
func.func @f(%q: tensor<1x4x1x8xf32>, %k: tensor<1x2x40x8xf32>, %v: tensor<1x2x40x8xf32>) -> tensor<1x4x1x8xf32> {
  %o = kforge.attention %q, %k, %v {causal, kforge.schedule = {"block-kv" = 16, "block-q" = 1, "split-head" = 1, "slice-kv" = 8, "split-kv" = 1, "matrix-unit" = 0, prefetch = 0}} : (tensor<1x4x1x8xf32>, tensor<1x2x40x8xf32>, tensor<1x2x40x8xf32>) -> tensor<1x4x1x8xf32>
  return %o : tensor<1x4x1x8xf32>
}
