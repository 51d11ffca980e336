// What MLIR's own passes do with our ops: they are pure, may be speculated,
// may be inlined, and their folds end as arith.constant.

// RUN: kforge-opt %s --cse | FileCheck %s --check-prefix=CSE
// RUN: kforge-opt %s --canonicalize | FileCheck %s --check-prefix=DCE
// RUN: kforge-opt %s --loop-invariant-code-motion | FileCheck %s --check-prefix=LICM
// RUN: kforge-opt %s --inline | FileCheck %s --check-prefix=INLINE
// RUN: kforge-opt %s --sccp | FileCheck %s --check-prefix=SCCP

// CSE-LABEL: func.func @equal_ops
func.func @equal_ops(%x: tensor<3x4xf32>, %w: tensor<4x4xf32>, %b: tensor<4xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) {
  // CSE: %[[A:.*]] = kforge.layer_norm %arg0 gamma %arg2 : (
  // CSE-NOT: gamma %arg2 :
  %0 = kforge.layer_norm %x gamma %b : (tensor<3x4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  %1 = kforge.layer_norm %x gamma %b : (tensor<3x4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  // The same operands in another slot.
  // CSE: %[[B:.*]] = kforge.layer_norm %arg0 beta %arg2 : (
  %2 = kforge.layer_norm %x beta %b : (tensor<3x4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  // Another attribute.
  // CSE: %[[C:.*]] = kforge.layer_norm %arg0 gamma %arg2 {epsilon = 2.500000e-01 : f32}
  %3 = kforge.layer_norm %x gamma %b {epsilon = 0.25 : f32} : (tensor<3x4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  // CSE: return %[[A]], %[[A]], %[[B]], %[[C]]
  return %0, %1, %2, %3 : tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>
}

// DCE-LABEL: func.func @unused
func.func @unused(%x: tensor<3x4xf32>, %w: tensor<4x4xf32>) {
  // DCE-NEXT: return
  %0 = kforge.matmul %x, %w {kforge.name = "unused"} : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %1 = kforge.softmax %0 : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// LICM-LABEL: func.func @invariant
func.func @invariant(%x: tensor<3x4xf32>, %w: tensor<4x4xf32>, %n: index) -> tensor<3x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // LICM: kforge.matmul
  // LICM: scf.for
  // LICM-NOT: kforge.matmul
  // LICM: kforge.softmax
  %y = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %x) -> tensor<3x4xf32> {
    %0 = kforge.matmul %x, %w : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
    %1 = arith.addf %acc, %0 : tensor<3x4xf32>
    %2 = kforge.softmax %1 : (tensor<3x4xf32>) -> tensor<3x4xf32>
    scf.yield %2 : tensor<3x4xf32>
  }
  return %y : tensor<3x4xf32>
}

func.func private @callee(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %0 = kforge.softmax %x : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// INLINE-LABEL: func.func @caller
func.func @caller(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // INLINE-NOT: call @callee
  // INLINE: kforge.softmax
  %0 = call @callee(%x) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// A fold through materializeConstant, outside the canonicaliser.
// SCCP-LABEL: func.func @constant
func.func @constant() -> tensor<4xf32> {
  %c = arith.constant dense<3.0> : tensor<4xf32>
  // SCCP: %[[C:.*]] = arith.constant dense<2.500000e-01> : tensor<4xf32>
  // SCCP: return %[[C]]
  %0 = kforge.softmax %c : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
