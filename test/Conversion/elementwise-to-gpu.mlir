// RUN: kforge-opt %s --pass-pipeline='builtin.module(convert-kforge-to-gpu,canonicalize,cse)' --split-input-file | FileCheck %s
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-attach-device{target=cpu},convert-kforge-to-cpu,canonicalize,cse)' --split-input-file | FileCheck %s --check-prefix=CPU

// One kernel; the splat is a literal, the broadcast an index, the comparison a register.

// CHECK-LABEL: gpu.func @scaled(
// CHECK-SAME: %[[A:.*]]: memref<6xvector<4xf32>>, %[[BIAS:.*]]: memref<2xvector<4xf32>>, %[[Y:.*]]: memref<6xvector<4xf32>>)
// CHECK-SAME: kforge.spec = "{{.*}}linalg.broadcast{{.*}}arith.cmpf{{.*}}arith.select
// CHECK-DAG: %[[HALF:.*]] = arith.constant dense<5.000000e-01> : vector<4xf32>
// CHECK-DAG: %[[VALUE:.*]] = memref.load %[[A]]
// CHECK-DAG: %[[COLUMN:.*]] = memref.load %[[BIAS]]
// CHECK: %[[SUM:.*]] = arith.addf %[[VALUE]], %[[COLUMN]]
// CHECK: %[[SCALED:.*]] = arith.mulf %[[SUM]], %[[HALF]]
// CHECK: %[[ABOVE:.*]] = arith.cmpf ogt, %[[SCALED]], %[[VALUE]]
// CHECK: %[[RESULT:.*]] = arith.select %[[ABOVE]], %[[SCALED]], %[[VALUE]]
// CHECK: memref.store %[[RESULT]], %[[Y]]
// CHECK-LABEL: func.func @f
// CHECK-COUNT-1: memref.alloc
// CHECK-COUNT-1: gpu.launch_func
// CHECK-NOT: gpu.launch_func

// One invocation per workgroup, which takes its share in a loop.

// CPU-LABEL: gpu.func @scaled(
// CPU-SAME: known_block_size = array<i32: 1, 1, 1>
// CPU: scf.for
func.func @f(%a: tensor<3x8xf32>, %bias: tensor<8xf32>) -> tensor<3x8xf32> {
  %half = arith.constant dense<0.5> : tensor<3x8xf32>
  %empty = tensor.empty() : tensor<3x8xf32>
  %wide = linalg.broadcast ins(%bias : tensor<8xf32>) outs(%empty : tensor<3x8xf32>) dimensions = [0]
  %sum = arith.addf %a, %wide : tensor<3x8xf32>
  %scaled = arith.mulf %sum, %half {kforge.name = "scaled"} : tensor<3x8xf32>
  %above = arith.cmpf ogt, %scaled, %a : tensor<3x8xf32>
  %y = arith.select %above, %scaled, %a : tensor<3x8xi1>, tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}

// -----

// What a second kernel reads is stored: no fusion across another user.

// CHECK-LABEL: gpu.func @exp(
// CHECK-NOT: arith.negf
// CHECK: math.exp
// CHECK-LABEL: gpu.func @negf(
// CHECK-NOT: = math.exp
// CHECK: arith.negf
func.func @f(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %e = math.exp %a : tensor<4xf32>
  %n = arith.negf %e : tensor<4xf32>
  return %e, %n : tensor<4xf32>, tensor<4xf32>
}
