// RUN: kforge-opt %s --pass-pipeline='builtin.module(kforge-serialize)' --split-input-file --verify-diagnostics | FileCheck %s
// RUN: rm -rf %t.package
// RUN: kforge-opt %S/../Inputs/vector-add.mlir --pass-pipeline='builtin.module(kforge-serialize{out-dir=%t.package})' -o /dev/null
// RUN: FileCheck %s --check-prefix=MANIFEST --input-file=%t.package/manifest.json
// RUN: FileCheck %s --check-prefix=WGSL --input-file=%t.package/kernels/add.wgsl

// The written file is WGSL as it runs.
// WGSL: @group(0) @binding(0)
// WGSL-NEXT: var<storage> {{.*}}: array<f32>;
// WGSL: @compute @workgroup_size(64, 1, 1)
// WGSL-NEXT: fn add(

// One weight by its name, one constant, scratch between the two launches.
// MANIFEST-DAG: "name": "layer.w"
// MANIFEST-DAG: "role": "weight"
// MANIFEST-DAG: "role": "constant"
// MANIFEST-DAG: "role": "scratch"
// MANIFEST: "stage": "sum"
// MANIFEST: "tile": 64
// MANIFEST: "unrolled": false
// MANIFEST: "add_twice"

// CHECK: kforge.wgsl = {copy = "@group(0) @binding(0){{.*}}fn copy(
// expected-remark@below {{the module has no kforge.reference}}
// expected-remark@below {{stage 'copy' has no kforge.spec}}
module attributes {gpu.container_module} {
  gpu.module @kernels {
    gpu.func @copy(%a: memref<64xf32>, %o: memref<64xf32>)
        kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
      %i = gpu.thread_id x
      %x = memref.load %a[%i] : memref<64xf32>
      memref.store %x, %o[%i] : memref<64xf32>
      gpu.return
    }
  }
  func.func @f(%a: memref<64xf32>, %o: memref<64xf32>) {
    %c1 = arith.constant 1 : index
    %c64 = arith.constant 64 : index
    gpu.launch_func @kernels::@copy blocks in (%c1, %c1, %c1) threads in (%c64, %c1, %c1)
        args(%a : memref<64xf32>, %o : memref<64xf32>)
    func.return
  }
}

// -----

module attributes {gpu.container_module} {
  gpu.module @kernels {
    gpu.func @fill(%o: memref<64xf32>) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
      %i = gpu.thread_id x
      %x = arith.constant 1.0 : f32
      memref.store %x, %o[%i] : memref<64xf32>
      gpu.return
    }
  }
  func.func @f(%a: memref<64xf32>) -> memref<64xf32> {
    %c1 = arith.constant 1 : index
    %c64 = arith.constant 64 : index
    %o = memref.alloc() : memref<64xf32>
    gpu.launch_func @kernels::@fill blocks in (%c1, %c1, %c1) threads in (%c64, %c1, %c1) args(%o : memref<64xf32>)
    // expected-error@below {{'memref.copy' op cannot be part of a package; write the copy as a kernel}}
    memref.copy %a, %o : memref<64xf32> to memref<64xf32>
    func.return %o : memref<64xf32>
  }
}

// -----

module attributes {gpu.container_module} {
  gpu.module @kernels {
    gpu.func @root(%o: memref<64xf32>) kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
      %i = gpu.thread_id x
      %x = memref.load %o[%i] : memref<64xf32>
      // expected-error@below {{'math.cbrt' op is outside the subset that translates}}
      %y = math.cbrt %x : f32
      memref.store %y, %o[%i] : memref<64xf32>
      gpu.return
    }
  }
  func.func @f(%o: memref<64xf32>) {
    %c1 = arith.constant 1 : index
    %c64 = arith.constant 64 : index
    gpu.launch_func @kernels::@root blocks in (%c1, %c1, %c1) threads in (%c64, %c1, %c1) args(%o : memref<64xf32>)
    func.return
  }
}

// -----

// expected-error@below {{'builtin.module' op has no public function with a gpu.launch_func}}
module {
  func.func @f() {
    func.return
  }
}
