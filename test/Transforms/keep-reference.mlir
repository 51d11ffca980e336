// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-keep-reference,kforge-name-ops)' | FileCheck %s
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-keep-reference,kforge-keep-reference)' 2>&1 >/dev/null | FileCheck %s --check-prefix=TWICE
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-keep-reference,kforge-name-ops)' | kforge-opt --verify-roundtrip | FileCheck %s

// The reference is the text before any other pass: names given later are not in
// it. A verdict of an earlier run is not evidence for this one.

// CHECK: module attributes {
// CHECK-NOT: kforge.verified
// CHECK-SAME: kforge.reference = "
// CHECK-NOT: kforge.name
// CHECK-SAME: func.func @relu
// CHECK-SAME: kforge.activation %arg0
// CHECK-SAME: "} {
// CHECK: kforge.activation %{{.*}} {kforge.name = "activation_0"
// TWICE: remark: the module keeps a reference already; it stays
module attributes {kforge.verified = {level = "quick"}} {
  func.func @relu(%x: tensor<4xf32>) -> tensor<4xf32> {
    %y = kforge.activation %x {kind = "relu"} : (tensor<4xf32>) -> tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
