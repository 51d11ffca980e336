// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' --split-input-file | FileCheck %s

// Two passes: the mean, then the centred squares.

// CHECK-LABEL: gpu.func @ln(
// CHECK-SAME: %[[X:.*]]: memref<5x8x1xvector<4xf16>>, %[[GAMMA:.*]]: memref<8xvector<4xf16>>, %[[BETA:.*]]: memref<8xvector<4xf16>>, %[[Y:.*]]: memref<5x8x1xvector<4xf16>>)
// CHECK-DAG: %[[PART:.*]] = arith.constant 3.125000e-02 : f32
// CHECK-DAG: %[[EPSILON:.*]] = arith.constant 9.99999974E-6 : f32
// CHECK: arith.extf
// CHECK: %[[MEAN:.*]] = arith.mulf %{{.*}}, %[[PART]] : f32
// CHECK: %[[WIDE:.*]] = vector.broadcast %[[MEAN]]
// CHECK: %[[CENTRED:.*]] = arith.subf %{{.*}}, %[[WIDE]]
// CHECK: arith.mulf %[[CENTRED]], %[[CENTRED]]
// CHECK: %[[VARIANCE:.*]] = arith.mulf %{{.*}}, %[[PART]] : f32
// CHECK: arith.addf %[[VARIANCE]], %[[EPSILON]]
// CHECK: math.rsqrt
// CHECK: memref.load %[[GAMMA]]
// CHECK: memref.load %[[BETA]]
// CHECK: arith.truncf
// CHECK: memref.store %{{.*}}, %[[Y]]
func.func @f(%x: tensor<5x32xf16>, %g: tensor<32xf16>, %b: tensor<32xf16>) -> tensor<5x32xf16> {
  %y = kforge.layer_norm %x gamma %g beta %b {kforge.name = "ln"} : (tensor<5x32xf16>, tensor<32xf16>, tensor<32xf16>) -> tensor<5x32xf16>
  return %y : tensor<5x32xf16>
}

// -----

// No mean, no summand.

// CHECK-LABEL: gpu.func @rms(
// CHECK-NOT: arith.subf
// CHECK: math.rsqrt
// CHECK-NOT: arith.addf
// CHECK: gpu.return
func.func @f(%x: tensor<5x32xf32>, %g: tensor<32xf32>) -> tensor<5x32xf32> {
  %y = kforge.rms_norm %x gamma %g {kforge.name = "rms"} : (tensor<5x32xf32>, tensor<32xf32>) -> tensor<5x32xf32>
  return %y : tensor<5x32xf32>
}
