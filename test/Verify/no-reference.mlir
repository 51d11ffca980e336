// REQUIRES: vulkan
// RUN: sed 's/kforge.reference/gpu.none/' %s > %t.no-reference.mlir
// RUN: not kforge-opt %t.no-reference.mlir --pass-pipeline='builtin.module(kforge-verify)' 2>&1 | FileCheck %s --check-prefix=REFERENCE
// REFERENCE: error: kforge-verify: the module has no 'kforge.reference'; begin the pipeline with kforge-keep-reference
// REFERENCE-NOT: gpu.launch_func

// RUN: sed 's/kforge.spec/gpu.none/' %s > %t.no-spec.mlir
// RUN: not kforge-opt %t.no-spec.mlir --pass-pipeline='builtin.module(kforge-verify)' 2>&1 | FileCheck %s --check-prefix=SPEC
// SPEC: error: kforge-verify: unit 'sum' does not say what it computes (no kforge.spec), so it cannot be verified

// RUN: sed '/kforge.spec/s/addf/subf/' %s > %t.other-spec.mlir
// RUN: not kforge-opt %t.other-spec.mlir --pass-pipeline='builtin.module(kforge-verify)' 2>&1 | FileCheck %s --check-prefix=PROGRAM
// PROGRAM: error: verification refused stage 'f' of 'f' (Program, normal values): the kernels' programs together differ from the reference: element

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
