// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' --split-input-file | FileCheck %s

// 3 of 8 pairs are rotated; 2π is subtracted in three parts before sine and cosine.

// CHECK-LABEL: gpu.func @partial(
// CHECK-SAME: %[[X:.*]]: memref<10x16xf32>, %[[POSITIONS:.*]]: memref<5xi32>, %[[FREQUENCY:.*]]: memref<3xf32>, %[[Y:.*]]: memref<10x16xf32>)
// CHECK: memref.load %[[POSITIONS]]
// CHECK: arith.sitofp
// CHECK: memref.load %[[FREQUENCY]]
// CHECK: %[[ANGLE:.*]] = arith.mulf
// CHECK: math.floor
// CHECK-COUNT-3: arith.subf
// CHECK: math.sin %[[REST:.*]] :
// CHECK: math.cos %[[REST]] :
// CHECK-COUNT-2: memref.store {{.*}}, %[[Y]]
// CHECK: memref.store %{{.*}}, %[[Y]]
func.func @f(%x: tensor<1x2x5x16xf32>, %p: tensor<5xi32>, %f: tensor<3xf32>) -> tensor<1x2x5x16xf32> {
  %y = kforge.rope %x, %p inv_freq %f {kforge.name = "partial"} : (tensor<1x2x5x16xf32>, tensor<5xi32>, tensor<3xf32>) -> tensor<1x2x5x16xf32>
  return %y : tensor<1x2x5x16xf32>
}

// -----

// theta^(-2p/8) for the pairs 0..3 are literals of one vector.

// CHECK-LABEL: gpu.func @whole(
// CHECK-SAME: memref<10x2xvector<4xf32>>, {{.*}}: memref<5xi32>, {{.*}}: memref<10x2xvector<4xf32>>)
// CHECK: arith.constant dense<[1.000000e+00, 1.000000e-01, 0.00999999977, 1.000000e-03]> : vector<4xf32>
func.func @f(%x: tensor<1x2x5x8xf32>, %p: tensor<5xi32>) -> tensor<1x2x5x8xf32> {
  %y = kforge.rope %x, %p {kforge.name = "whole"} : (tensor<1x2x5x8xf32>, tensor<5xi32>) -> tensor<1x2x5x8xf32>
  return %y : tensor<1x2x5x8xf32>
}
