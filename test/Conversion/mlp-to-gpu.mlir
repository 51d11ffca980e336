// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' | FileCheck %s

// Gate, then up with the product in its epilogue, then down: one unit.

// CHECK-LABEL: gpu.func @ffn(
// CHECK-NOT: kforge.spec
// CHECK: math.exp
// CHECK: gpu.func @ffn_1(
// CHECK-SAME: memref<1x6x4xvector<4xf32>>, %[[OUT:[^ :]*]]: memref<1x6x4xvector<4xf32>>) workgroup
// CHECK-NOT: kforge.spec
// CHECK: arith.mulf
// CHECK: memref.store %{{.*}}, %[[OUT]]
// CHECK: gpu.func @ffn_2(
// CHECK-SAME: kforge.spec = "{{.*}}kforge.mlp
// CHECK-LABEL: func.func @f
// CHECK-COUNT-3: memref.alloc
// CHECK-COUNT-3: gpu.launch_func
func.func @f(%x: tensor<6x8xf32>, %up: tensor<8x16xf32>, %down: tensor<16x8xf32>, %gate: tensor<8x16xf32>) -> tensor<6x8xf32> {
  %y = kforge.mlp %x, %up, %down gate %gate {activation = "silu", kforge.name = "ffn"} : (tensor<6x8xf32>, tensor<8x16xf32>, tensor<16x8xf32>, tensor<8x16xf32>) -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}
