// Products of few rows: slices of the contraction, straight from the buffers, added up in a
// tree in workgroup memory. And tiles that wait in registers. naga accepts every kernel.
//
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{name=gpu workgroup-memory=32768 invocations=1024},kforge-tile-matmul{op=row tile-m=1 thread-m=1 tile-n=16 tile-k=64 slice-k=8},kforge-tile-matmul{op=along tile-m=2 thread-m=2 tile-n=8 tile-k=16 slice-k=4 split-k=2},kforge-tile-matmul{op=waits tile-m=16 tile-n=16 tile-k=8 prefetch=1},convert-kforge-to-gpu,canonicalize,cse)' -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: kforge-translate --gpu-to-wgsl %t.mlir | FileCheck %s --check-prefix=WGSL
// RUN: not kforge-opt %s --kforge-tile-matmul='op=row slice-k=6 tile-m=4' -o /dev/null 2>&1 | FileCheck %s --check-prefix=POWER
// RUN: not kforge-opt %s --kforge-tile-matmul='op=row slice-k=8 stages=2 unroll=4 matrix-unit=8 tile-m=4' -o /dev/null 2>&1 | FileCheck %s --check-prefix=TILES
// RUN: not kforge-opt %s --kforge-tile-matmul='op=row slice-k=8 tile-k=16 tile-m=64 tile-n=64' -o /dev/null 2>&1 | FileCheck %s --check-prefix=LARGE
// RUN: not kforge-opt %s --kforge-tile-matmul='op=row prefetch=1 stages=2' -o /dev/null 2>&1 | FileCheck %s --check-prefix=AHEAD

// Neighbours read columns side by side; the sums of 8 slices are one array.
func.func @row(%a: tensor<1x130xf32>, %b: tensor<130x40xf32>, %bias: tensor<40xf32>) -> tensor<1x40xf32> {
  // POWER: [[@LINE+4]]:8: error: 'kforge.matmul' op slice-k is 6, expected a power of two
  // TILES: [[@LINE+3]]:8: error: 'kforge.matmul' op {{.*}}slice-k 8 does not go with stages 2: slices have no tiles in workgroup memory; slice-k 8 does not go with matrix-unit 8: slices have no tiles in workgroup memory; slice-k 8 does not go with unroll 4: an invocation takes tile-k/slice-k steps at a time
  // LARGE: [[@LINE+2]]:8: error: 'kforge.matmul' op {{.*}}slice-k*vector-width 32 does not divide tile-k 16; (tile-m 64/thread-m 4)*(tile-n 64/thread-n 4)*(slice-k 8) = 2048 invocations, the device 'webgpu' has 256; the sums of 8 slices of 64x64 take 131072 bytes of workgroup memory, the device 'webgpu' has
  // AHEAD: [[@LINE+1]]:8: error: 'kforge.matmul' op prefetch 1 does not go with stages 2: the tiles of several stages are loaded ahead anyway
  %c = kforge.matmul %a, %b bias %bias {activation = "relu", kforge.name = "row"} : (tensor<1x130xf32>, tensor<130x40xf32>, tensor<40xf32>) -> tensor<1x40xf32>
  return %c : tensor<1x40xf32>
}

// With b stored along the contraction neighbours are slices; two workgroups share it, too.
func.func @along(%a: tensor<3x70xf32>, %b: tensor<10x70xf32>) -> tensor<3x10xf32> {
  %c = kforge.matmul %a, %b {transpose_b, kforge.name = "along"} : (tensor<3x70xf32>, tensor<10x70xf32>) -> tensor<3x10xf32>
  return %c : tensor<3x10xf32>
}

// One tile of each operand in workgroup memory, the next one in registers.
func.func @waits(%a: tensor<20x36xf32>, %b: tensor<36x20xf32>) -> tensor<20x20xf32> {
  %c = kforge.matmul %a, %b {kforge.name = "waits"} : (tensor<20x36xf32>, tensor<36x20xf32>) -> tensor<20x20xf32>
  return %c : tensor<20x20xf32>
}

// CHECK-LABEL: gpu.func @row(
// CHECK-SAME: workgroup(%{{.*}} : memref<8x1x4xvector<4xf32>, #gpu.address_space<workgroup>>)
// CHECK-SAME: known_block_size = array<i32: 32, 1, 1>
// CHECK: scf.for
// CHECK-NOT: gpu.barrier
// CHECK: scf.yield
// CHECK-COUNT-4: gpu.barrier
// CHECK-NOT: gpu.barrier
// CHECK: gpu.return

// CHECK-LABEL: gpu.func @along_parts(
// CHECK-SAME: known_block_size = array<i32: 8, 1, 1>
// CHECK-LABEL: gpu.func @waits(
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<4xf32>, vector<4xf32>, vector<4xf32>, vector<4xf32>
// CHECK: gpu.barrier
// CHECK: memref.store
// CHECK: gpu.barrier
// CHECK: memref.load %arg0

// WGSL: var<workgroup> workgroup_memory: array<vec4<f32>, 32>
// WGSL: fn row(
