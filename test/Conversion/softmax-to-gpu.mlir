// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' --split-input-file | FileCheck %s
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{invocations=16},convert-kforge-to-gpu)' --split-input-file 2>&1 | FileCheck %s --check-prefix=LIMIT

// LIMIT: error: 'kforge.softmax' op workgroup-size 32 is over the 16 invocations of the device 'webgpu'

// A row that fits is read once: one load, before both reductions.

// CHECK-LABEL: gpu.func @kept(
// CHECK-SAME: %[[X:.*]]: memref<3x24x1xvector<4xf32>>, %[[Y:.*]]: memref<3x24x1xvector<4xf32>>)
// CHECK-SAME: workgroup(%[[TREE:.*]] : memref<1x32xf32, #gpu.address_space<workgroup>>)
// CHECK-SAME: known_block_size = array<i32: 32, 1, 1>
// CHECK-DAG: %[[LOWEST:.*]] = arith.constant dense<-3.40282347E+38> : vector<4xf32>
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %{{.*}}, %c24
// CHECK: memref.load %[[X]]
// CHECK: arith.select %[[INSIDE]], %{{.*}}, %[[LOWEST]]
// CHECK: arith.maximumf
// CHECK: memref.store %{{.*}}, %[[TREE]]
// CHECK-COUNT-6: gpu.barrier
// CHECK: math.exp
// CHECK-NOT: memref.load %[[X]]
// CHECK: scf.if %[[INSIDE]]
// CHECK: memref.store %{{.*}}, %[[Y]]
func.func @f(%x: tensor<3x96xf32>) -> tensor<3x96xf32> {
  %y = kforge.softmax %x {kforge.name = "kept", kforge.schedule = {"workgroup-size" = 32 : i64, "block-size" = 128 : i64, "vector-width" = 4 : i64, rows = 1 : i64, shuffle = 0 : i64}} : (tensor<3x96xf32>) -> tensor<3x96xf32>
  return %y : tensor<3x96xf32>
}

// -----

// A longer one is read in every pass; the first loop carries the maximum.

// CHECK-LABEL: gpu.func @passes(
// CHECK: scf.for {{.*}} iter_args
// CHECK: arith.maximumf
// CHECK: scf.for {{.*}} iter_args
// CHECK: math.exp
// CHECK: scf.for
// CHECK: math.exp
// CHECK: memref.store {{.*}} : memref<3x24x1xvector<4xf32>>
func.func @f(%x: tensor<3x96xf32>) -> tensor<3x96xf32> {
  %y = kforge.softmax %x {kforge.name = "passes", kforge.schedule = {"workgroup-size" = 4 : i64, "block-size" = 32 : i64, "vector-width" = 4 : i64, rows = 1 : i64, shuffle = 0 : i64}} : (tensor<3x96xf32>) -> tensor<3x96xf32>
  return %y : tensor<3x96xf32>
}

// -----

// Along the first axis an access holds four rows: no lane meets another. One
// invocation needs neither tree nor barrier.

// CHECK-LABEL: gpu.func @across(
// CHECK-SAME: memref<1x3x24xvector<4xf32>>
// CHECK-NOT: workgroup(
// CHECK-NOT: gpu.barrier
// CHECK-NOT: vector.extract
// CHECK: gpu.return
func.func @f(%x: tensor<3x96xf32>) -> tensor<3x96xf32> {
  %y = kforge.softmax %x {axis = 0 : i64, kforge.name = "across", kforge.schedule = {"workgroup-size" = 1 : i64, "block-size" = 8 : i64, "vector-width" = 4 : i64, rows = 1 : i64, shuffle = 0 : i64}} : (tensor<3x96xf32>) -> tensor<3x96xf32>
  return %y : tensor<3x96xf32>
}

// -----

// Two rows of 16 invocations each in a workgroup, which the third leaves half empty: subgroups
// of 8 shuffle, and what each of them found meets in workgroup memory.

// CHECK-LABEL: gpu.func @beside(
// CHECK-SAME: workgroup(%[[PARTS:.*]] : memref<2x2xf32, #gpu.address_space<workgroup>>)
// CHECK-SAME: known_block_size = array<i32: 32, 1, 1>
// CHECK: %[[EXISTS:.*]] = arith.cmpi ult, %{{.*}}, %c3
// CHECK-COUNT-3: gpu.shuffle xor
// CHECK: memref.store %{{.*}}, %[[PARTS]]
// CHECK: gpu.barrier
// CHECK-COUNT-2: memref.load %[[PARTS]]
// CHECK: gpu.barrier
// CHECK: scf.if %{{.*}} {
// CHECK: gpu.launch_func @kernels::@beside blocks in (%c2
module attributes {kforge.device = {"subgroup-size" = 8 : i64, features = "subgroup"}} {
  func.func @f(%x: tensor<3x96xf32>) -> tensor<3x96xf32> {
    %y = kforge.softmax %x {kforge.name = "beside", kforge.schedule = {"workgroup-size" = 32 : i64, "block-size" = 128 : i64, "vector-width" = 4 : i64, rows = 2 : i64, shuffle = 1 : i64}} : (tensor<3x96xf32>) -> tensor<3x96xf32>
    return %y : tensor<3x96xf32>
  }
}
