// REQUIRES: gpu
// In f32 a + a·1e-12 is a, so every number on the device agrees. As algebra it is another
// function, and with level=3 it is refused.

// RUN: kforge-opt %s --kforge-verify -o /dev/null 2>&1 | FileCheck %s --check-prefix=TWO
// TWO: remark: 'f' verified L0+L1+L2 on
// RUN: not kforge-opt %s --kforge-verify=level=3 -o /dev/null 2>&1 | FileCheck %s
// CHECK: error: verification refused stage 'sum' of 'f' (Algebraic): output 0: element [0] is 0x{{[0-9a-f]+}} modulo p, the program gives 0x{{[0-9a-f]+}} [knobs: tile=64]

module attributes {gpu.container_module,
    kforge.reference = "func.func @f(%a: tensor<100xf32>, %b: tensor<100xf32>) -> tensor<100xf32> { %0 = arith.addf %a, %b : tensor<100xf32> return %0 : tensor<100xf32> }"} {
  gpu.module @kernels {
    gpu.func @sum(%a: memref<100xf32>, %b: memref<100xf32>, %o: memref<100xf32>) kernel attributes {
        known_block_size = array<i32: 64, 1, 1>, kforge.name = "sum", kforge.schedule = {tile = 64 : i64},
        kforge.spec = "func.func @f(%a: tensor<100xf32>, %b: tensor<100xf32>) -> tensor<100xf32> { %0 = arith.addf %a, %b : tensor<100xf32> return %0 : tensor<100xf32> }"} {
      %c64 = arith.constant 64 : index
      %c100 = arith.constant 100 : index
      %little = arith.constant 1.0e-12 : f32
      %block = gpu.block_id x
      %thread = gpu.thread_id x
      %first = arith.muli %block, %c64 : index
      %i = arith.addi %first, %thread : index
      %inside = arith.cmpi ult, %i, %c100 : index
      scf.if %inside {
        %x = memref.load %a[%i] : memref<100xf32>
        %y = memref.load %b[%i] : memref<100xf32>
        %p = arith.mulf %x, %little : f32
        %s = arith.addf %x, %p : f32
        %z = arith.addf %s, %y : f32
        memref.store %z, %o[%i] : memref<100xf32>
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
