// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-attention{op=b assume-visible-rows=true})' | FileCheck %s --check-prefix=NAMED
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-attention{assume-visible-rows=true})' | FileCheck %s --check-prefix=EVERY
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-matmul-activation,kforge-fuse-attention{assume-visible-rows=true})' | FileCheck %s --check-prefix=EVERY
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-attention)' 2>&1 | FileCheck %s --check-prefix=DEFAULT
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{op=b},kforge-fuse-attention{assume-visible-rows=true})' | FileCheck %s --check-prefix=TILED
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-attention{op=q})' 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-attention{assume-visible-rows=maybe})' 2>&1 | FileCheck %s --check-prefix=VALUE

// NAMED: kforge.softmax
// NAMED: kforge.attention {{.*}}, %arg0 mask %arg1 {kforge.name = "b", scale = 1.000000e+00 : f32}

// As a mask that another pass has made the residual of the scores.
// EVERY: kforge.attention %arg0, %arg0, %arg0 mask %arg1 {kforge.name = "a"
// EVERY: kforge.attention {{.*}} mask %arg1 {kforge.name = "b"

// DEFAULT: remark: 'kforge.matmul' op is not fused into an attention: the mask is no constant, so a row of it may hide every key, where softmax and attention differ; assume-visible-rows=true says that none does
// DEFAULT-NOT: kforge.attention

// Scheduled matmuls are not selected.
// TILED: kforge.attention {{.*}} {kforge.name = "a"
// TILED: kforge.softmax

// NAME: error: kforge-fuse-attention: op 'q' names no kforge.matmul; named are: a, b
// VALUE: 'maybe'
func.func @f(%x: tensor<1x2x4x4xf32>, %m: tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %0 = kforge.matmul %x, %x {transpose_b, kforge.name = "a"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = arith.addf %0, %m : tensor<1x2x4x4xf32>
  %2 = kforge.softmax %1 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %3 = kforge.matmul %2, %x : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %4 = kforge.matmul %3, %x {transpose_b, kforge.name = "b"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %5 = arith.addf %4, %m : tensor<1x2x4x4xf32>
  %6 = kforge.softmax %5 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %7 = kforge.matmul %6, %x : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  return %7 : tensor<1x2x4x4xf32>
}
