// Stock mlir-opt takes the dialect and the passes from the plugin.

// RUN: mlir-opt %s --load-dialect-plugin=%kforge_plugin --verify-roundtrip | FileCheck %s
// RUN: mlir-opt %s --load-dialect-plugin=%kforge_plugin --emit-bytecode | mlir-opt --load-dialect-plugin=%kforge_plugin | FileCheck %s
// RUN: mlir-opt %s --load-dialect-plugin=%kforge_plugin --load-pass-plugin=%kforge_plugin --pass-pipeline='builtin.module(kforge-attach-device{workgroup-memory=32768},cse)' | FileCheck %s --check-prefixes=CHECK,PASS
// RUN: not mlir-opt %s --load-dialect-plugin=%kforge_plugin --load-pass-plugin=%kforge_plugin --pass-pipeline='builtin.module(kforge-attach-device{workgroup-memroy=1})' 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: sed s/4x6/5x6/ %s | not mlir-opt --load-dialect-plugin=%kforge_plugin 2>&1 | FileCheck %s --check-prefix=RULE
// RUN: not mlir-opt %s 2>&1 | FileCheck %s --check-prefix=STOCK

// PASS: module attributes {kforge.device = {{.*}}"workgroup-memory" = 32768
// OPTION: no such option workgroup-memroy
// RULE: 'kforge.matmul' op the contracted dimensions of 'a' and 'b' differ: 4 and 5 (C3)
// STOCK: Dialect `kforge' not found

// CHECK-LABEL: func.func @f
func.func @f(%x: tensor<3x4xf32>, %w: tensor<4x6xf32>) -> tensor<3x6xf32> {
  // CHECK: kforge.matmul %{{.*}}, %{{.*}} {kforge.name = "up"} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  %0 = kforge.matmul %x, %w {kforge.name = "up"} : (tensor<3x4xf32>, tensor<4x6xf32>) -> tensor<3x6xf32>
  return %0 : tensor<3x6xf32>
}
