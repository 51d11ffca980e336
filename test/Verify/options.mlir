// REQUIRES: vulkan
// Every option is checked; the right kernel passes with those that make sense.
// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{cases=full device=vulkan level=2 seed=3 timeout-ms=30000 atol=1e9 rtol=1.0 report=%t.json})' 2>&1 | FileCheck %s
// CHECK: remark: 'f' verified L0+L1+L2+L3
// CHECK: kforge.verified = {{{.*}}levels = "L0+L1+L2+L3", seed = 3 : i64
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.json
// REPORT: "passed": true
// REPORT: "levels"

// A tolerance below the rounding of a sum refuses the right kernel.
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{atol=0 rtol=0})' 2>&1 | FileCheck %s --check-prefix=TIGHT
// TIGHT: error: verification refused stage 'sum' of 'f' (NumericMismatch

// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{level=4})' 2>&1 | FileCheck %s --check-prefix=LEVEL
// LEVEL: error: kforge-verify: level 4 is not available; levels 2 and 3 are
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{atol=-1})' 2>&1 | FileCheck %s --check-prefix=ATOL
// ATOL: error: kforge-verify: atol is '-1', expected a number of at least 0
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{rtol=nan})' 2>&1 | FileCheck %s --check-prefix=RTOL
// RTOL: error: kforge-verify: rtol is 'nan', expected a number of at least 0
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{timeout-ms=0})' 2>&1 | FileCheck %s --check-prefix=TIMEOUT
// TIMEOUT: error: kforge-verify: timeout-ms is 0, expected at least 1
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{device=abacus})' 2>&1 | FileCheck %s --check-prefix=DEVICE
// DEVICE: error: kforge-verify: {{.*}}abacus
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{report=%t.none/x/report.json})' 2>&1 | FileCheck %s --check-prefix=WRITE
// WRITE: error: kforge-verify: cannot write report '{{.*}}report.json'

module attributes {gpu.container_module,
    kforge.reference = "func.func @f(%a: tensor<100xf32>, %b: tensor<100xf32>) -> tensor<100xf32> { %0 = arith.addf %a, %b : tensor<100xf32> return %0 : tensor<100xf32> }"} {
  gpu.module @kernels {
    gpu.func @sum(%a: memref<100xf32>, %b: memref<100xf32>, %o: memref<100xf32>) kernel attributes {
        known_block_size = array<i32: 64, 1, 1>, kforge.name = "sum", kforge.schedule = {tile = 64 : i64},
        kforge.spec = "func.func @f(%a: tensor<100xf32>, %b: tensor<100xf32>) -> tensor<100xf32> { %0 = arith.addf %a, %b : tensor<100xf32> return %0 : tensor<100xf32> }"} {
      %c64 = arith.constant 64 : index
      %c100 = arith.constant 100 : index
      %factor = arith.constant 1.0 : f32
      %block = gpu.block_id x
      %thread = gpu.thread_id x
      %first = arith.muli %block, %c64 : index
      %i = arith.addi %first, %thread : index
      %inside = arith.cmpi ult, %i, %c100 : index
      scf.if %inside {
        %x = memref.load %a[%i] : memref<100xf32>
        %y = memref.load %b[%i] : memref<100xf32>
        %z = arith.addf %x, %y : f32
        %w = arith.mulf %z, %factor : f32
        memref.store %w, %o[%i] : memref<100xf32>
      }
      gpu.return
    }
  }
  func.func @f(%a: memref<100xf32>, %b: memref<100xf32>) -> memref<100xf32> {
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c64 = arith.constant 64 : index
    %o = memref.alloc() : memref<100xf32>
    gpu.launch_func @kernels::@sum blocks in (%c2, %c1, %c1) threads in (%c64, %c1, %c1)
        args(%a : memref<100xf32>, %b : memref<100xf32>, %o : memref<100xf32>)
    return %o : memref<100xf32>
  }
}
