// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fold-constants{inexact-scales=true})' | FileCheck %s --check-prefix=INEXACT
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fold-constants{max-elements=3 inexact-scales=true})' 2>&1 | FileCheck %s --check-prefix=SMALL
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-fold-constants{max-elements=4 inexact-scales=true})' | FileCheck %s --check-prefix=INEXACT
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-fold-constants{max-elements=-1})' 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-fold-constants{max-elements=many})' 2>&1 | FileCheck %s --check-prefix=VALUE

// One rounding of each product to the element type.
// INEXACT: arith.constant dense<{{\[\[}}1.000000e-01, 3.000000e-01], [2.000000e-01, 4.000000e-01]]> : tensor<2x2xf32>
// INEXACT: arith.constant dense<9.997550e-02> : tensor<2x2xf16>
// INEXACT-NOT: arith.mulf
// INEXACT: return

// SMALL: remark: 'linalg.transpose' op is not folded: its constant has 4 elements, max-elements is 3
// SMALL: remark: 'kforge.matmul' op is not folded: its constant has 4 elements, max-elements is 3
// SMALL: linalg.transpose
// SMALL: arith.mulf

// Overflow is no rounding.
// INEXACT-LABEL: func.func @overflow
// INEXACT: arith.mulf

// NEGATIVE: error: kforge-fold-constants: max-elements is -1, expected at least 0
// VALUE: 'many'
func.func @f(%x: tensor<2x2xf32>, %y: tensor<2x2xf16>) -> (tensor<2x2xf32>, tensor<2x2xf16>) {
  %c = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %w16 = arith.constant dense<1.0> : tensor<2x2xf16>
  %tenth = arith.constant dense<0.1> : tensor<2x2xf32>
  %tenth16 = arith.constant dense<0.1> : tensor<2x2xf16>
  %e = tensor.empty() : tensor<2x2xf32>
  %w = linalg.transpose ins(%c : tensor<2x2xf32>) outs(%e : tensor<2x2xf32>) permutation = [1, 0]
  %0 = kforge.matmul %x, %w : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = arith.mulf %0, %tenth : tensor<2x2xf32>
  %2 = kforge.matmul %y, %w16 : (tensor<2x2xf16>, tensor<2x2xf16>) -> tensor<2x2xf16>
  %3 = arith.mulf %2, %tenth16 : tensor<2x2xf16>
  return %1, %3 : tensor<2x2xf32>, tensor<2x2xf16>
}
func.func @overflow(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %w = arith.constant dense<3.0e38> : tensor<2x2xf32>
  %c = arith.constant dense<1.3> : tensor<2x2xf32>
  %0 = kforge.matmul %x, %w : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = arith.mulf %0, %c : tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}
