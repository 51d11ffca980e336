// REQUIRES: vulkan
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{report=%t.json})' > %t.out 2> %t.err
// RUN: FileCheck %s --input-file=%t.err
// A refused module is not printed.
// RUN: count 0 < %t.out
// RUN: FileCheck %s --check-prefix=REPORT --input-file=%t.json

// A tolerance that the kernel would meet changes nothing but the reason.
// RUN: not kforge-opt %s --pass-pipeline='builtin.module(kforge-verify{atol=1e9 rtol=1e9})' 2>&1 | FileCheck %s --check-prefix=LOOSE
// LOOSE: error: verification refused stage 'sum' of 'f' (OnlyWithinTolerance
// LOOSE-NOT: kforge.verified

// REPORT: "passed": false
// REPORT: "failures"
// REPORT: "stage": "sum"
// REPORT: "values": "normal"
// REPORT: "reason": "NumericMismatch"
// REPORT: "detail": "output 0: element [
// REPORT: "knobs": "tile=64"

// The verdict that came with the module does not survive.
// CHECK: refuse.mlir:[[#@LINE+5]]:5: error: verification refused stage 'sum' of 'f' (NumericMismatch, normal values): output 0: element {{\[[0-9]+\]}} is {{[-0-9.e]+}}, expected {{[-0-9.e]+}} within {{[0-9.e-]+}} ({{[0-9]+}} of 100 elements outside, 0 NaN or infinite, 0 undecided) [knobs: tile=64]
// CHECK-NOT: kforge.verified
module attributes {gpu.container_module, kforge.verified = {levels = "L0+L2"},
    kforge.reference = "func.func @f(%a: tensor<100xf32>, %b: tensor<100xf32>) -> tensor<100xf32> { %0 = arith.addf %a, %b : tensor<100xf32> return %0 : tensor<100xf32> }"} {
  gpu.module @kernels {
    gpu.func @sum(%a: memref<100xf32>, %b: memref<100xf32>, %o: memref<100xf32>) kernel attributes {
        known_block_size = array<i32: 64, 1, 1>, kforge.name = "sum", kforge.schedule = {tile = 64 : i64},
        kforge.spec = "func.func @f(%a: tensor<100xf32>, %b: tensor<100xf32>) -> tensor<100xf32> { %0 = arith.addf %a, %b : tensor<100xf32> return %0 : tensor<100xf32> }"} {
      %c64 = arith.constant 64 : index
      %c100 = arith.constant 100 : index
      %factor = arith.constant 0.999 : f32
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
