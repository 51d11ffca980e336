//! Whole kernels: does the translation write what their IR says?

use crate::common::{BLOCK_64, check, function, kernel, kernel_with, snapshot};
use kforge_lowering::translate::{
    Access, Checks, Features, ImmediateSource, ImmediateSpace, MatrixShape, ScalarType,
    TranslateOptions,
};

const ADD: &str = r#"
gpu.module @m {
  gpu.func @add(%a: memref<1000xf32>, %b: memref<1000xf32>, %c: memref<1000xf32>, %n: index)
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %i = gpu.global_id x
    %inside = arith.cmpi slt, %i, %n : index
    scf.if %inside {
      %x = memref.load %a[%i] : memref<1000xf32>
      %y = memref.load %b[%i] : memref<1000xf32>
      %s = arith.addf %x, %y : f32
      memref.store %s, %c[%i] : memref<1000xf32>
    }
    gpu.return
  }
}"#;

#[test]
fn vector_add() {
    let kernel = kernel(ADD);
    assert_eq!(kernel.name(), "add");
    assert_eq!(kernel.workgroup_size(), [64, 1, 1]);
    let access: Vec<_> = kernel.bindings().iter().map(|b| b.access).collect();
    assert_eq!(access, [Access::Read, Access::Read, Access::ReadWrite]);
    assert!(kernel.bindings().iter().all(|b| b.elements == Some(1000)));
    let [immediate] = kernel.immediates() else {
        panic!("one immediate")
    };
    assert_eq!(immediate.source, ImmediateSource::Argument(3));
    assert_eq!(immediate.scalar, ScalarType::I32);
    assert_eq!(kernel.features(), Features::default());
    snapshot("vector_add.wgsl", &check(&kernel));
}

pub const NAIVE: &str = r#"
gpu.module @m {
  gpu.func @matmul(%a: memref<33x17xf32>, %b: memref<17x29xf32>, %c: memref<33x29xf32>)
      kernel attributes {known_block_size = array<i32: 8, 8, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %k = arith.constant 17 : index
    %m = arith.constant 33 : index
    %n = arith.constant 29 : index
    %zero = arith.constant 0.0 : f32
    %j = gpu.global_id x
    %i = gpu.global_id y
    %in0 = arith.cmpi slt, %i, %m : index
    %in1 = arith.cmpi slt, %j, %n : index
    %in = arith.andi %in0, %in1 : i1
    scf.if %in {
      %sum = scf.for %p = %c0 to %k step %c1 iter_args(%acc = %zero) -> f32 {
        %x = memref.load %a[%i, %p] : memref<33x17xf32>
        %y = memref.load %b[%p, %j] : memref<17x29xf32>
        %next = math.fma %x, %y, %acc : f32
        scf.yield %next : f32
      }
      memref.store %sum, %c[%i, %j] : memref<33x29xf32>
    }
    gpu.return
  }
}"#;

#[test]
fn naive_matmul() {
    snapshot("naive_matmul.wgsl", &check(&kernel(NAIVE)));
}

pub const TILED: &str = r#"
gpu.module @m {
  gpu.func @tiled(%a: memref<64x64xf32>, %b: memref<64x64xf32>, %c: memref<64x64xf32>)
      workgroup(%as: memref<16x16xf32, #gpu.address_space<workgroup>>,
                %bs: memref<16x16xf32, #gpu.address_space<workgroup>>)
      kernel attributes {known_block_size = array<i32: 16, 16, 1>} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c16 = arith.constant 16 : index
    %c64 = arith.constant 64 : index
    %zero = arith.constant 0.0 : f32
    %tx = gpu.thread_id x
    %ty = gpu.thread_id y
    %bx = gpu.block_id x
    %by = gpu.block_id y
    %row0 = arith.muli %by, %c16 : index
    %col0 = arith.muli %bx, %c16 : index
    %row = arith.addi %row0, %ty : index
    %col = arith.addi %col0, %tx : index
    %sum = scf.for %k = %c0 to %c64 step %c16 iter_args(%acc = %zero) -> f32 {
      %ka = arith.addi %k, %tx : index
      %kb = arith.addi %k, %ty : index
      %x = memref.load %a[%row, %ka] : memref<64x64xf32>
      %y = memref.load %b[%kb, %col] : memref<64x64xf32>
      memref.store %x, %as[%ty, %tx] : memref<16x16xf32, #gpu.address_space<workgroup>>
      memref.store %y, %bs[%ty, %tx] : memref<16x16xf32, #gpu.address_space<workgroup>>
      gpu.barrier
      %part = scf.for %p = %c0 to %c16 step %c1 iter_args(%in = %acc) -> f32 {
        %u = memref.load %as[%ty, %p] : memref<16x16xf32, #gpu.address_space<workgroup>>
        %v = memref.load %bs[%p, %tx] : memref<16x16xf32, #gpu.address_space<workgroup>>
        %f = math.fma %u, %v, %in : f32
        scf.yield %f : f32
      }
      gpu.barrier
      scf.yield %part : f32
    }
    memref.store %sum, %c[%row, %col] : memref<64x64xf32>
    gpu.return
  }
}"#;

#[test]
fn tiled_matmul_with_barriers() {
    let kernel = kernel(TILED);
    assert_eq!(kernel.memory(), 2 * 16 * 16 * 4);
    let text = check(&kernel);
    assert_eq!(text.matches("workgroupBarrier()").count(), 2, "{text}");
    // No buffer is both read and written, so storage needs no ordering.
    assert!(!text.contains("storageBarrier"), "{text}");
    snapshot("tiled_matmul.wgsl", &text);
    snapshot(
        "tiled_matmul.metal",
        &kernel.msl(Checks::default()).expect("MSL"),
    );
}

#[test]
fn barrier_orders_a_buffer_that_is_read_and_written() {
    let body = r#"
    %i = gpu.thread_id x
    %x = memref.load %a[%i] : memref<64xf32>
    gpu.barrier
    memref.store %x, %a[%i] : memref<64xf32>"#;
    let text = check(&kernel(&function("%a: memref<64xf32>", BLOCK_64, body)));
    assert!(text.contains("storageBarrier"), "{text}");
}

#[test]
fn row_reduction_by_subgroup() {
    let body = r#"
    %i = gpu.thread_id x
    %lane = gpu.lane_id
    %sg = gpu.subgroup_id : index
    %c0 = arith.constant 0 : index
    %x = memref.load %a[%i] : memref<64xf32>
    %s = gpu.subgroup_reduce add %x uniform : (f32) -> f32
    %m = gpu.subgroup_reduce maxnumf %x : (f32) -> f32
    %both = arith.addf %s, %m : f32
    %first = arith.cmpi eq, %lane, %c0 : index
    scf.if %first {
      memref.store %both, %o[%sg] : memref<64xf32>
    }"#;
    let source = function("%a: memref<64xf32>, %o: memref<64xf32>", BLOCK_64, body);
    let kernel = kernel(&source);
    assert!(kernel.features().subgroups);
    snapshot("subgroup_reduction.wgsl", &check(&kernel));
}

#[test]
fn if_with_results_and_else() {
    let body = r#"
    %i = gpu.thread_id x
    %c3 = arith.constant 3 : index
    %p = arith.cmpi ult, %i, %c3 : index
    %one = arith.constant 1.0 : f32
    %v:2 = scf.if %p -> (f32, index) {
      scf.yield %one, %i : f32, index
    } else {
      %x = memref.load %a[%c3] : memref<64xf32>
      scf.yield %x, %c3 : f32, index
    }
    memref.store %v#0, %o[%v#1] : memref<64xf32>"#;
    let source = function("%a: memref<64xf32>, %o: memref<64xf32>", BLOCK_64, body);
    let text = check(&kernel(&source));
    assert!(text.contains("else"), "{text}");
}

#[test]
fn while_loop_with_results() {
    let body = r#"
    %i = gpu.thread_id x
    %two = arith.constant 2.0 : f32
    %ten = arith.constant 10.0 : f32
    %x = memref.load %a[%i] : memref<64xf32>
    %r = scf.while (%s = %x) : (f32) -> f32 {
      %more = arith.cmpf olt, %s, %ten : f32
      scf.condition(%more) %s : f32
    } do {
    ^bb0(%t: f32):
      %next = arith.mulf %t, %two : f32
      scf.yield %next : f32
    }
    memref.store %r, %o[%i] : memref<64xf32>"#;
    check(&kernel(&function(
        "%a: memref<64xf32>, %o: memref<64xf32>",
        BLOCK_64,
        body,
    )));
}

#[test]
fn f16_values_and_scalar() {
    let body = r#"
    %i = gpu.thread_id x
    %x = memref.load %a[%i] : memref<64xf16>
    %y = arith.extf %x : f16 to f32
    %half = arith.constant dense<[0.5, 0x3C00, 2.0, 3.0]> : vector<4xf16>
    %h = vector.extract %half[1] : f16 from vector<4xf16>
    %t = arith.mulf %x, %h : f16
    %u = arith.mulf %t, %f : f16
    %w = arith.extf %u : f16 to f32
    %z = arith.addf %y, %w : f32
    %n = arith.truncf %z : f32 to f16
    memref.store %n, %a[%i] : memref<64xf16>"#;
    let kernel = kernel(&function("%a: memref<64xf16>, %f: f16", BLOCK_64, body));
    assert!(kernel.features().f16);
    // Immediates hold no f16: it travels as f32.
    assert_eq!(kernel.immediates()[0].scalar, ScalarType::F32);
    let text = check(&kernel);
    assert!(text.contains("enable f16;"), "{text}");
    assert!(text.contains("array<f16>"), "{text}");
}

#[test]
fn vec4_memrefs_and_vector_ops() {
    let body = r#"
    %i = gpu.thread_id x
    %c4 = arith.constant 4 : index
    %v = memref.load %a[%i] : memref<64xvector<4xf32>>
    %base = arith.muli %i, %c4 : index
    %w = vector.load %b[%base] : memref<256xf32>, vector<4xf32>
    %f = vector.fma %v, %w, %v : vector<4xf32>
    %sum = vector.reduction <add>, %f : vector<4xf32> into f32
    %s = vector.broadcast %sum : f32 to vector<4xf32>
    %m = vector.shuffle %s, %f [0, 5, 2, 7] : vector<4xf32>, vector<4xf32>
    %e = vector.extract %m[%i] : f32 from vector<4xf32>
    %n = vector.insert %e, %m [2] : f32 into vector<4xf32>
    %o = vector.insert %e, %n [%i] : f32 into vector<4xf32>
    %lo = vector.extract_strided_slice %o {offsets = [1], sizes = [2], strides = [1]} : vector<4xf32> to vector<2xf32>
    %hi = vector.insert_strided_slice %lo, %o {offsets = [2], strides = [1]} : vector<2xf32> into vector<4xf32>
    %parts:4 = vector.to_elements %hi : vector<4xf32>
    %back = vector.from_elements %parts#3, %parts#2, %parts#1, %parts#0 : vector<4xf32>
    vector.store %back, %b[%base] : memref<256xf32>, vector<4xf32>
    memref.store %back, %a[%i] : memref<64xvector<4xf32>>"#;
    let source = function(
        "%a: memref<64xvector<4xf32>>, %b: memref<256xf32>",
        BLOCK_64,
        body,
    );
    let kernel = kernel(&source);
    assert_eq!(kernel.bindings()[0].lanes, 4);
    let text = check(&kernel);
    assert!(text.contains("array<vec4<f32>>"), "{text}");
}

#[test]
fn dynamic_sizes_are_immediates_in_order() {
    let body = r#"
    %i = gpu.thread_id x
    %c0 = arith.constant 0 : index
    %rows = memref.dim %a, %c0 : memref<?x?xf32>
    %r = arith.subi %rows, %i : index
    %x = memref.load %a[%r, %i] : memref<?x?xf32>
    %s = arith.mulf %x, %f : f32
    memref.store %s, %b[%r, %i] : memref<?x8xf32, strided<[?, 1], offset: ?>>"#;
    let source = function(
        "%a: memref<?x?xf32>, %f: f32, %b: memref<?x8xf32, strided<[?, 1], offset: ?>>",
        BLOCK_64,
        body,
    );
    let kernel = kernel(&source);
    let sources: Vec<_> = kernel.immediates().iter().map(|i| i.source).collect();
    use ImmediateSource::{Argument, Offset, Size, Stride};
    let size = |argument, dimension| Size {
        argument,
        dimension,
    };
    let stride = |argument, dimension| Stride {
        argument,
        dimension,
    };
    assert_eq!(
        sources,
        [
            size(0, 0),
            size(0, 1),
            Argument(1),
            size(2, 0),
            stride(2, 0),
            Offset(2)
        ]
    );
    assert_eq!(kernel.immediate_bytes(), 24);
    assert_eq!(kernel.immediate_space(), ImmediateSpace::Immediate);
    snapshot("dynamic_sizes.wgsl", &check(&kernel));
    snapshot(
        "dynamic_sizes.metal",
        &kernel.msl(Checks::default()).expect("MSL"),
    );
}

#[test]
fn many_immediates_go_into_a_uniform() {
    let arguments: Vec<String> = (0..40).map(|i| format!("%s{i}: f32")).collect();
    let arguments = format!("%a: memref<64xf32>, {}", arguments.join(", "));
    let body = "%i = gpu.thread_id x\n memref.store %s39, %a[%i] : memref<64xf32>";
    let kernel = kernel(&function(&arguments, BLOCK_64, body));
    assert_eq!(kernel.immediate_space(), ImmediateSpace::Uniform(1));
    let text = check(&kernel);
    assert!(text.contains("var<uniform>"), "{text}");
}

#[test]
fn infinite_constants_are_immediates() {
    let body = r#"
    %i = gpu.thread_id x
    %inf = arith.constant 0xFF800000 : f32
    %infs = arith.constant dense<0xFF800000> : vector<2xf32>
    %x = memref.load %a[%i] : memref<64xf32>
    %m = arith.maximumf %x, %inf : f32
    %e = vector.extract %infs[0] : f32 from vector<2xf32>
    %n = arith.maximumf %m, %e : f32
    memref.store %n, %a[%i] : memref<64xf32>"#;
    let kernel = kernel(&function("%a: memref<64xf32>", BLOCK_64, body));
    let [immediate] = kernel.immediates() else {
        panic!("one immediate for one value")
    };
    assert_eq!(
        immediate.source,
        ImmediateSource::Constant(f32::NEG_INFINITY)
    );
    check(&kernel);
}

pub const VIEWS: &str = r#"
gpu.module @m {
  gpu.func @k(%a: memref<64x32xf32>, %o: memref<64xf32>)
      kernel attributes {known_block_size = array<i32: 64, 1, 1>} {
    %i = gpu.thread_id x
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %row = memref.subview %a[%i, 4] [1, 8] [1, 2] : memref<64x32xf32> to memref<8xf32, strided<[2], offset: ?>>
    %flat = memref.collapse_shape %a [[0, 1]] : memref<64x32xf32> into memref<2048xf32>
    %deep = memref.expand_shape %a [[0, 1], [2]] output_shape [4, 16, 32] : memref<64x32xf32> into memref<4x16x32xf32>
    %cast = memref.reinterpret_cast %a to offset: [32], sizes: [2, 3], strides: [3, 1] : memref<64x32xf32> to memref<2x3xf32, strided<[3, 1], offset: 32>>
    %x = memref.load %row[%i] : memref<8xf32, strided<[2], offset: ?>>
    %y = memref.load %flat[%i] : memref<2048xf32>
    %z = memref.load %deep[%i, %c1, %c0] : memref<4x16x32xf32>
    %w = memref.load %cast[%c1, %i] : memref<2x3xf32, strided<[3, 1], offset: 32>>
    %s = arith.addf %x, %y : f32
    %t = arith.addf %z, %w : f32
    %u = arith.addf %s, %t : f32
    memref.store %u, %o[%i] : memref<64xf32>
    gpu.return
  }
}"#;

#[test]
fn views_change_only_the_address() {
    // row: i*32 + 4 + 2i; flat: i; deep: i*512 + 32; cast: 32 + 3 + i.
    snapshot("views.wgsl", &check(&kernel(VIEWS)));
}

#[test]
fn private_and_workgroup_allocations() {
    let body = r#"
    %i = gpu.thread_id x
    %c0 = arith.constant 0 : index
    %x = memref.load %a[%i] : memref<64xf32>
    %w = memref.alloca() : memref<64xf32, #gpu.address_space<workgroup>>
    %q = memref.alloca() : memref<4xf32>
    memref.store %x, %w[%i] : memref<64xf32, #gpu.address_space<workgroup>>
    gpu.barrier
    memref.store %x, %p[%c0] : memref<2xf32, #gpu.address_space<private>>
    %y = memref.load %p[%c0] : memref<2xf32, #gpu.address_space<private>>
    memref.store %y, %q[%c0] : memref<4xf32>
    %z = memref.load %q[%c0] : memref<4xf32>
    memref.store %z, %a[%i] : memref<64xf32>"#;
    let attributes = format!("private(%p: memref<2xf32, #gpu.address_space<private>>) {BLOCK_64}");
    let kernel = kernel(&function("%a: memref<64xf32>", &attributes, body));
    assert_eq!(kernel.memory(), 256);
    check(&kernel);
}

#[test]
fn shuffles_rely_on_a_subgroup_size() {
    let body = r#"
    %i = gpu.thread_id x
    %one = arith.constant 1 : i32
    %width = arith.constant 32 : i32
    %x = memref.load %a[%i] : memref<64xf32>
    %b, %in0 = gpu.shuffle xor %x, %one, %width : f32
    %c, %in1 = gpu.shuffle up %b, %one, %width : f32
    %d, %in2 = gpu.shuffle down %c, %one, %width : f32
    %e, %in3 = gpu.shuffle idx %d, %one, %width : f32
    %f = arith.select %in1, %e, %x : f32
    memref.store %f, %a[%i] : memref<64xf32>"#;
    let kernel = kernel(&function("%a: memref<64xf32>", BLOCK_64, body));
    assert_eq!(kernel.subgroup_size(), Some(32));
    check(&kernel);
}

const MATRIX: &str = r#"
gpu.module @m {
  gpu.func @mma(%a: memref<16x64xf16>, %b: memref<64x4xvector<4xf16>>, %c: memref<16x16xf32>)
      kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %c0 = arith.constant 0 : index
    %c16 = arith.constant 16 : index
    %c64 = arith.constant 64 : index
    %zero = arith.constant 0.0 : f32
    %two = arith.constant 2.0 : f32
    %z = gpu.subgroup_mma_constant_matrix %zero : !gpu.mma_matrix<16x16xf32, "COp">
    %f = gpu.subgroup_mma_constant_matrix %two : !gpu.mma_matrix<16x16xf32, "COp">
    %r = scf.for %k = %c0 to %c64 step %c16 iter_args(%acc = %z) -> !gpu.mma_matrix<16x16xf32, "COp"> {
      %x = gpu.subgroup_mma_load_matrix %a[%c0, %k] {leadDimension = 64 : index} : memref<16x64xf16> -> !gpu.mma_matrix<16x16xf16, "AOp">
      %y = gpu.subgroup_mma_load_matrix %b[%k, %c0] {leadDimension = 4 : index} : memref<64x4xvector<4xf16>> -> !gpu.mma_matrix<16x16xf16, "BOp">
      %n = gpu.subgroup_mma_compute %x, %y, %acc : !gpu.mma_matrix<16x16xf16, "AOp">, !gpu.mma_matrix<16x16xf16, "BOp"> -> !gpu.mma_matrix<16x16xf32, "COp">
      scf.yield %n : !gpu.mma_matrix<16x16xf32, "COp">
    }
    %s = gpu.subgroup_mma_elementwise mulf %r, %f : (!gpu.mma_matrix<16x16xf32, "COp">, !gpu.mma_matrix<16x16xf32, "COp">) -> !gpu.mma_matrix<16x16xf32, "COp">
    gpu.subgroup_mma_store_matrix %s, %c[%c0, %c0] {leadDimension = 16 : index} : !gpu.mma_matrix<16x16xf32, "COp">, memref<16x16xf32>
    gpu.return
  }
}"#;

#[test]
fn cooperative_matrices() {
    let shape = MatrixShape {
        m: 16,
        n: 16,
        k: 16,
        input: ScalarType::F16,
        accumulator: ScalarType::F32,
    };
    let options = TranslateOptions {
        matrix_shapes: vec![shape],
        ..TranslateOptions::default()
    };
    let kernel = kernel_with(MATRIX, &options);
    assert!(kernel.features().cooperative_matrix);
    snapshot("cooperative_matmul.wgsl", &check(&kernel));
    // Without the shape in the device's list there is no kernel.
    let message = crate::common::refusal(MATRIX);
    assert!(message.contains("no matrix shapes"), "{message}");
}

#[test]
fn a_matrix_is_loaded_before_the_barrier_that_follows_it() {
    let body = r#"
    %c0 = arith.constant 0 : index
    %x = gpu.subgroup_mma_load_matrix %a[%c0, %c0] {leadDimension = 16 : index} : memref<16x16xf32> -> !gpu.mma_matrix<16x16xf32, "COp">
    gpu.barrier
    gpu.subgroup_mma_store_matrix %x, %a[%c0, %c0] {leadDimension = 16 : index} : !gpu.mma_matrix<16x16xf32, "COp">, memref<16x16xf32>"#;
    let kernel = kernel(&function("%a: memref<16x16xf32>", BLOCK_64, body));
    for text in [check(&kernel), kernel.msl(Checks::default()).expect("MSL")] {
        let load = text.find("coopLoadT").or(text.rfind("simdgroup_load"));
        let barrier = text
            .rfind("workgroupBarrier")
            .or(text.rfind("threadgroup_barrier"));
        assert!(load.is_some() && load < barrier, "{text}");
    }
}

#[test]
fn the_entry_point_has_one_name_everywhere() {
    let source = function("%a: memref<4xf32>", BLOCK_64, "").replace("@k(", "@f_kernel_0(");
    let kernel = kernel(&source);
    assert_eq!(kernel.name(), "f_kernel_0");
    assert_eq!(kernel.entry_point(), "f_kernel_0_");
    let call = format!("fn {}(", kernel.entry_point());
    assert!(check(&kernel).contains(&call));
    let msl = kernel.msl(Checks::default()).expect("MSL");
    assert!(
        msl.contains(&format!("kernel void {}(", kernel.entry_point())),
        "{msl}"
    );
}
