// Products on the matrix unit: subgroups multiply the tiles, and what they sum passes
// through workgroup memory to the same epilogue. naga accepts every kernel.
//
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{name=unit workgroup-memory=49152 invocations=1024 subgroup-size=32 features=shader-f16+subgroup+cooperative-matrix matrix-shapes=16x16x16:f16:f32},kforge-tile-matmul{op=tails tile-m=64 tile-n=32 tile-k=32 thread-m=32 thread-n=16 stages=2 matrix-unit=16},kforge-tile-matmul{op=swapped tile-m=32 tile-n=32 tile-k=16 thread-m=16 thread-n=32 split-k=2 matrix-unit=16},convert-kforge-to-gpu,canonicalize,cse)' -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: kforge-translate --gpu-to-wgsl %t.mlir | FileCheck %s --check-prefix=WGSL
// RUN: not kforge-opt %s --kforge-tile-matmul='op=tails matrix-unit=16 thread-m=16 thread-n=16' -o /dev/null 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not kforge-opt %s --kforge-tile-matmul='op=tails matrix-unit=4' -o /dev/null 2>&1 | FileCheck %s --check-prefix=EDGE

// Rows and columns that no tile divides, a bias and an activation.
func.func @tails(%a: tensor<70x40xf16>, %b: tensor<40x36xf16>, %bias: tensor<36xf16>) -> tensor<70x36xf16> {
  // NONE: [[@LINE+3]]:8: error: 'kforge.matmul' op matrix-unit 16 needs products 16x16x16:f16:f32, the device 'webgpu' has none
  // NONE-SAME: matrix-unit is 16, but the device 'webgpu' has no fixed subgroup size
  // EDGE: [[@LINE+1]]:8: error: 'kforge.matmul' op matrix-unit is 4, expected 0, 8 or 16
  %0 = kforge.matmul %a, %b bias %bias {activation = "relu", kforge.name = "tails"} : (tensor<70x40xf16>, tensor<40x36xf16>, tensor<36xf16>) -> tensor<70x36xf16>
  return %0 : tensor<70x36xf16>
}

// Both factors the other way round, and the contraction in two parts.
func.func @swapped(%a: tensor<64x48xf16>, %b: tensor<32x64xf16>) -> tensor<48x32xf16> {
  %0 = kforge.matmul %a, %b {kforge.name = "swapped", transpose_a, transpose_b} : (tensor<64x48xf16>, tensor<32x64xf16>) -> tensor<48x32xf16>
  return %0 : tensor<48x32xf16>
}

// 2 x 2 shares of 32x16: four subgroups, two matrices of sums each.
// CHECK: gpu.func @tails({{.*}}workgroup({{.*}}memref<4x16x4xvector<4xf32>, #gpu.address_space<workgroup>>){{.*}}known_block_size = array<i32: 128, 1, 1>
// CHECK: %[[SUBGROUP:.+]] = gpu.subgroup_id : index
// CHECK: gpu.subgroup_mma_constant_matrix
// CHECK: scf.for {{.*}}!gpu.mma_matrix<16x16xf32, "COp">
// CHECK: gpu.subgroup_mma_load_matrix {{.*}}{leadDimension = 10 : index} : memref<2x32x10xvector<4xf16>, #gpu.address_space<workgroup>> -> !gpu.mma_matrix<16x16xf16, "BOp">
// CHECK: gpu.subgroup_mma_load_matrix {{.*}}{leadDimension = 10 : index} : memref<2x64x10xvector<4xf16>, #gpu.address_space<workgroup>> -> !gpu.mma_matrix<16x16xf16, "AOp">
// CHECK: gpu.subgroup_mma_compute
// CHECK: gpu.subgroup_mma_store_matrix {{.*}}, %{{.+}}[%[[SUBGROUP]], %c0, %c0] {leadDimension = 4 : index}
// CHECK-NEXT: gpu.barrier
// CHECK: gpu.func @swapped_parts(
// CHECK: gpu.subgroup_mma_load_matrix {{.*}}transpose} : {{.*}} -> !gpu.mma_matrix<16x16xf16, "BOp">
// CHECK: gpu.subgroup_mma_load_matrix {{.*}}transpose} : {{.*}} -> !gpu.mma_matrix<16x16xf16, "AOp">

// WGSL: enable wgpu_cooperative_matrix;
// WGSL: coopMultiplyAdd
