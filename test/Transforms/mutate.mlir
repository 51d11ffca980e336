// RUN: kforge-opt %s --kforge-mutate="kind=missing_sqrt_dk_scale" | FileCheck %s --check-prefix=SCALE
// RUN: kforge-opt %s --kforge-mutate="kind=operands_exchanged at=1" | FileCheck %s --check-prefix=SWAP
// RUN: kforge-opt %s --kforge-mutate="kind=result_scaled" | FileCheck %s --check-prefix=RESULT
// RUN: not kforge-opt %s --kforge-mutate="kind=theta_changed" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not kforge-opt %s --kforge-mutate="kind=typo" 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: kforge-opt %s --kforge-default-pipeline --kforge-mutate="kind=barrier_left_out" --split-input-file -o /dev/null

// SCALE: kforge.attention %arg0, %arg1, %arg2 {{.*}}scale = 1.0
// SWAP: kforge.attention %arg2, %arg1, %arg0
// RESULT: %[[Y:.*]] = kforge.attention %arg0, %arg1, %arg2
// RESULT: %[[C:.*]] = arith.constant dense<9.990000e-01>
// RESULT: %[[Z:.*]] = arith.mulf %[[Y]], %[[C]]
// RESULT: return %[[Z]]
// NONE: error: kforge-mutate: 'theta_changed' applies at 0 places of this module, place 0 is none
// KIND: error: kforge-mutate: kind is 'typo', expected one of activation_changed,
func.func @f(%q: tensor<1x2x9x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x9x8xf32>) -> tensor<1x2x9x8xf32> {
  %y = kforge.attention %q, %k, %v : (tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>) -> tensor<1x2x9x8xf32>
  return %y : tensor<1x2x9x8xf32>
}
