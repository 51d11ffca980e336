// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' --split-input-file | FileCheck %s
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{workgroup-memory=64},convert-kforge-to-gpu)' --split-input-file 2>&1 | FileCheck %s --check-prefix=MEMORY

// MEMORY: error: 'kforge.attention' op block-kv 4 of head sizes 16 and 8 in f32 takes 384 bytes of workgroup memory, the device 'webgpu' has 64

// Causal, two query heads per key and value head, a mask: the bound of the outer
// loop depends on the workgroup alone, and absent keys are selected away.

// CHECK-LABEL: gpu.func @attention(
// CHECK-SAME: memref<4x40x4xvector<4xf32>>, {{.*}}: memref<2x50x4xvector<4xf32>>, {{.*}}: memref<2x50x2xvector<4xf32>>, %[[MASK:.*]]: memref<1x1x40x25xvector<2xf32>>, {{.*}}: memref<4x40x2xvector<4xf32>>)
// CHECK-SAME: workgroup(%[[KEYS:.*]] : memref<4x4xvector<4xf32>, #gpu.address_space<workgroup>>, %[[VALUES:.*]] : memref<4x2xvector<4xf32>, #gpu.address_space<workgroup>>)
// CHECK-SAME: known_block_size = array<i32: 32, 1, 1>
// CHECK-DAG: %[[FLOOR:.*]] = arith.constant -1.700000e+38 : f32
// CHECK-DAG: %[[ABSENT:.*]] = arith.constant -1.000000e+09 : f32
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: arith.constant dense<2.500000e-01> : vector<4xf32>
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[FLOOR]], %{{.*}} = %[[ZERO]],
// CHECK: gpu.barrier
// CHECK: memref.store {{.*}}, %[[KEYS]]
// CHECK: memref.store {{.*}}, %[[VALUES]]
// CHECK: gpu.barrier
// CHECK: scf.for {{.*}} iter_args(%[[OLD:[^ ]*]] =
// CHECK: math.fma
// CHECK: vector.reduction <add>
// CHECK: memref.load %[[MASK]]
// CHECK: arith.cmpf ugt, %{{.*}}, %[[ABSENT]]
// CHECK: arith.select %{{.*}}, %{{.*}}, %[[FLOOR]]
// CHECK: %[[MAX:.*]] = arith.maximumf
// CHECK: %[[BELOW:.*]] = arith.subf %[[OLD]],
// CHECK: math.exp %[[BELOW]]
// CHECK: %[[P:.*]] = math.exp
// CHECK: arith.select %{{.*}}, %[[P]], %[[ZERO]]
// CHECK-NOT: gpu.barrier
// CHECK: arith.cmpf oeq, %{{.*}}, %[[ZERO]]
// CHECK: arith.divf
// CHECK: gpu.return
// CHECK: gpu.launch_func @kernels::@attention blocks in (%c8, %c1, %c1) threads in (%c32, %c1, %c1)
func.func @causal(%q: tensor<1x4x40x16xf32>, %k: tensor<1x2x50x16xf32>, %v: tensor<1x2x50x8xf32>, %m: tensor<40x50xf32>) -> tensor<1x4x40x8xf32> {
  %o = kforge.attention %q, %k, %v mask %m {causal, kforge.schedule = {"block-kv" = 4, "block-q" = 32, "split-head" = 1, "slice-kv" = 1, "split-kv" = 1, "matrix-unit" = 0, prefetch = 0}} : (tensor<1x4x40x16xf32>, tensor<1x2x50x16xf32>, tensor<1x2x50x8xf32>, tensor<40x50xf32>) -> tensor<1x4x40x8xf32>
  return %o : tensor<1x4x40x8xf32>
}

// -----

// One invocation per workgroup reads the operands itself: no barrier, no
// workgroup memory. Blocks divide the keys and nothing is masked: no select but
// the one of the end.

// CHECK-LABEL: gpu.func @attention(
// CHECK-NOT: workgroup(
// CHECK-SAME: known_block_size = array<i32: 1, 1, 1>
// CHECK-NOT: gpu.barrier
// CHECK-NOT: gpu.thread_id
// CHECK-COUNT-1: arith.select
// CHECK-NOT: arith.select
// CHECK: gpu.return
func.func @one_invocation(%q: tensor<1x1x3x4xf16>, %k: tensor<1x1x8x4xf16>, %v: tensor<1x1x8x4xf16>) -> tensor<1x1x3x4xf16> {
  %o = kforge.attention %q, %k, %v {kforge.schedule = {"block-kv" = 4, "block-q" = 1, "split-head" = 1, "slice-kv" = 1, "split-kv" = 1, "matrix-unit" = 0, prefetch = 0}} : (tensor<1x1x3x4xf16>, tensor<1x1x8x4xf16>, tensor<1x1x8x4xf16>) -> tensor<1x1x3x4xf16>
  return %o : tensor<1x1x3x4xf16>
}
