// Every use of a value is another one's once: twice in one op, and inside of an op that uses it, too.
// RUN: kforge-opt %s --kforge-mutate="kind=result_scaled at=0" | FileCheck %s

// CHECK: %[[Y:.*]] = kforge.matmul %arg0, %arg0
// CHECK: %[[Z:.*]] = arith.mulf %[[Y]], %{{.*}}
// CHECK-NOT: %[[Y]]
// CHECK: scf.for {{.*}} iter_args(%[[SUM:.*]] = %[[Z]])
// CHECK-NEXT: arith.addf %[[SUM]], %[[Z]]
// CHECK: kforge.matmul %[[Z]], %[[Z]]
// CHECK-NOT: %[[Y]]
func.func @f(%x: tensor<8x8xf32>, %n: index) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %y = kforge.matmul %x, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %sum = scf.for %i = %zero to %n step %one iter_args(%a = %y) -> tensor<8x8xf32> {
    %b = arith.addf %a, %y : tensor<8x8xf32>
    scf.yield %b : tensor<8x8xf32>
  }
  %square = kforge.matmul %y, %y : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %sum, %square : tensor<8x8xf32>, tensor<8x8xf32>
}
