// REQUIRES: vulkan
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-default-pipeline,kforge-verify)' -o %t.mlir 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: FileCheck %s --input-file=%t.mlir

// A verdict on input is no licence: it is replaced by what was measured.
// RUN: kforge-opt %t.mlir --pass-pipeline='builtin.module(kforge-verify{seed=7})' -o - 2>/dev/null | FileCheck %s --check-prefix=AGAIN

// Nothing that is not verified is called so.
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-default-pipeline)' | FileCheck %s --check-prefix=NONE
// NONE-NOT: kforge.verified

// REMARK: remark: 'f' verified L0+L1+L2 on '{{.+}}' ({{.+}}), {{[0-9]+}} comparisons, worst error 0.{{[0-9]+}} of its bound
// CHECK: kforge.verified = {comparisons = {{[0-9]+}} : i64, device = "{{.+}}", driver = "{{.+}}", levels = "L0+L1+L2", seed = 0 : i64
// AGAIN: kforge.verified = {{{.*}}levels = "L0+L1+L2", seed = 7 : i64
func.func @f(%a: tensor<9x7xf32>, %b: tensor<7x10xf32>, %bias: tensor<10xf32>) -> tensor<9x10xf32> {
  %0 = kforge.matmul %a, %b bias %bias {activation = "relu"} : (tensor<9x7xf32>, tensor<7x10xf32>, tensor<10xf32>) -> tensor<9x10xf32>
  return %0 : tensor<9x10xf32>
}
