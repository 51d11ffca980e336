// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-matmul-activation{op=b})' | FileCheck %s --check-prefix=NAMED
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-matmul-activation)' | FileCheck %s --check-prefix=EVERY
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{op=a},kforge-fuse-matmul-activation)' | FileCheck %s --check-prefix=TILED
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-tile-matmul{op=a},kforge-fuse-matmul-activation{op=a})' | FileCheck %s --check-prefix=KEPT
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-fuse-matmul-activation{op=a+c})' 2>&1 | FileCheck %s --check-prefix=NAME

// NAMED: kforge.matmul {{.*}} {kforge.name = "a"}
// NAMED: kforge.activation
// NAMED: kforge.matmul {{.*}} {activation = "gelu", kforge.name = "b"}
// EVERY: kforge.matmul {{.*}} {activation = "gelu", kforge.name = "a"}
// EVERY: kforge.matmul {{.*}} {activation = "gelu", kforge.name = "b"}

// Without a name only what has no schedule yet; with one the schedule stays.
// TILED: kforge.matmul {{.*}} {kforge.name = "a", kforge.schedule
// TILED: kforge.activation
// TILED: kforge.matmul {{.*}} {activation = "gelu", kforge.name = "b"}
// KEPT: kforge.matmul {{.*}} {activation = "gelu", kforge.name = "a", kforge.schedule

// NAME: error: kforge-fuse-matmul-activation: op 'c' names no kforge.matmul; named are: a, b
func.func @f(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = kforge.matmul %x, %x {kforge.name = "a"} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = kforge.activation %0 : (tensor<8x8xf32>) -> tensor<8x8xf32>
  %2 = kforge.matmul %1, %x {kforge.name = "b"} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %3 = kforge.activation %2 : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return %3 : tensor<8x8xf32>
}
