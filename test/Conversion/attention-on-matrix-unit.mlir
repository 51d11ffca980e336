// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' | FileCheck %s
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device,convert-kforge-to-gpu)' 2>&1 | FileCheck %s --check-prefix=NONE

// NONE: error: 'kforge.attention' op matrix-unit 16 needs products 16x16x16:f16:f32, the device 'webgpu' has none

// Two subgroups have 16 queries each. Queries pass through workgroup memory once and stay in
// registers; for each block of keys scores and weights pass through it, then products with
// values.

// CHECK-LABEL: gpu.func @attention(
// CHECK-SAME: workgroup(%[[KEYS:.*]] : memref<16x6xvector<4xf16>, #gpu.address_space<workgroup>>, %[[VALUES:.*]] : memref<16x10xvector<4xf16>, #gpu.address_space<workgroup>>, %[[SUMS:.*]] : memref<32x10xvector<4xf32>, #gpu.address_space<workgroup>>, %[[OPERANDS:.*]] : memref<32x6xvector<4xf16>, #gpu.address_space<workgroup>>)
// CHECK-SAME: known_block_size = array<i32: 64, 1, 1>
// CHECK: gpu.barrier
// CHECK: %[[Q:.*]] = gpu.subgroup_mma_load_matrix %[[OPERANDS]]{{.*}} "AOp"
// CHECK: scf.for
// CHECK: gpu.barrier
// CHECK: gpu.barrier
// CHECK: %[[K:.*]] = gpu.subgroup_mma_load_matrix %[[KEYS]]{{.*}} transpose{{.*}} "BOp"
// CHECK: %[[S:.*]] = gpu.subgroup_mma_compute %[[Q]], %[[K]]
// CHECK: gpu.subgroup_mma_store_matrix %[[S]], %[[SUMS]]
// CHECK: gpu.barrier
// CHECK: gpu.shuffle xor
// CHECK: math.exp
// CHECK: memref.store %{{.*}}, %[[OPERANDS]]
// CHECK: gpu.barrier
// CHECK: gpu.subgroup_mma_load_matrix %[[OPERANDS]]{{.*}} "AOp"
// CHECK-COUNT-2: gpu.subgroup_mma_load_matrix %[[VALUES]]{{.*}} "BOp"
// CHECK-COUNT-2: gpu.subgroup_mma_store_matrix %{{.*}}, %[[SUMS]]
// CHECK: gpu.barrier
// CHECK: math.fma
// CHECK: gpu.shuffle xor
module attributes {kforge.device = {"subgroup-size" = 32 : i64, features = "shader-f16+subgroup+cooperative-matrix", "matrix-shapes" = "16x16x16:f16:f32"}} {
  func.func @f(%q: tensor<1x2x40x16xf16>, %k: tensor<1x1x48x16xf16>, %v: tensor<1x1x48x32xf16>) -> tensor<1x2x40x32xf16> {
    %o = kforge.attention %q, %k, %v {kforge.schedule = {"block-kv" = 16, "block-q" = 32, "split-head" = 1, "slice-kv" = 1, "split-kv" = 1, "matrix-unit" = 16, prefetch = 0}} : (tensor<1x2x40x16xf16>, tensor<1x1x48x16xf16>, tensor<1x1x48x32xf16>) -> tensor<1x2x40x32xf16>
    return %o : tensor<1x2x40x32xf16>
  }
}
