//! Kernels run and give what their IR says.

use kforge_runtime::manifest::Immediate;

use crate::common::{compile, function, function_of, run, values};

fn close(found: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= bound * expected.abs().max(1.0),
            "{index}: {found}, not {expected}"
        );
    }
}

#[test]
fn blocks_are_counted_in_three_dimensions() {
    // Each of 7 x 5 x 3 blocks writes its own coordinates; rayon runs them in ranges.
    let source = function(
        "%o: memref<3x5x7x3xi32>",
        "
    %x = gpu.block_id x
    %y = gpu.block_id y
    %z = gpu.block_id z
    %gx = gpu.grid_dim x
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %zg = arith.muli %z, %gx : index
    %xi = arith.index_cast %x : index to i32
    %yi = arith.index_cast %y : index to i32
    %zi = arith.index_cast %zg : index to i32
    memref.store %xi, %o[%z, %y, %x, %c0] : memref<3x5x7x3xi32>
    memref.store %yi, %o[%z, %y, %x, %c1] : memref<3x5x7x3xi32>
    memref.store %zi, %o[%z, %y, %x, %c2] : memref<3x5x7x3xi32>",
    );
    let found = run(&source, [7, 5, 3], &[vec![0.0; 315]], &[]).remove(0);
    let mut expected = Vec::new();
    for (z, y, x) in (0..105).map(|i| (i / 35, i / 7 % 5, i % 7)) {
        expected.extend([f64::from(x), f64::from(y), f64::from(z * 7)]);
    }
    assert_eq!(found, expected);
}

#[test]
fn vectors_are_added() {
    let source = function(
        "%a: memref<64xvector<16xf32>>, %b: memref<64xvector<16xf32>>, %o: memref<64xvector<16xf32>>",
        "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : memref<64xvector<16xf32>>
    %y = memref.load %b[%i] : memref<64xvector<16xf32>>
    %z = arith.addf %x, %y : vector<16xf32>
    memref.store %z, %o[%i] : memref<64xvector<16xf32>>",
    );
    let (a, b) = (values(1024, 1), values(1024, 2));
    let found = run(
        &source,
        [64, 1, 1],
        &[a.clone(), b.clone(), vec![0.0; 1024]],
        &[],
    )
    .remove(0);
    let sum = |(a, b): (&f64, &f64)| f64::from(*a as f32 + *b as f32);
    assert_eq!(found, a.iter().zip(&b).map(sum).collect::<Vec<_>>());
}

#[test]
fn rows_are_summed_in_a_loop_with_immediates() {
    // A dynamic shape: its sizes, then the scalars, are immediates.
    let source = function(
        "%a: memref<?x?xf32>, %scale: f32, %n: index, %half: f16, %flag: i1, %o: memref<?xf32>",
        "
    %row = gpu.block_id x
    %zero = arith.constant 0.0 : f32
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %columns = memref.dim %a, %c1 : memref<?x?xf32>
    %sum = scf.for %j = %c0 to %columns step %c1 iter_args(%s = %zero) -> f32 {
      %x = memref.load %a[%row, %j] : memref<?x?xf32>
      %t = arith.addf %s, %x : f32
      scf.yield %t : f32
    }
    %scaled = arith.mulf %sum, %scale : f32
    %wide = arith.extf %half : f16 to f32
    %added = arith.addf %scaled, %wide : f32
    %result = arith.select %flag, %added, %zero : f32
    %inside = arith.cmpi slt, %row, %n : index
    scf.if %inside {
      memref.store %result, %o[%row] : memref<?xf32>
    }",
    );
    let (rows, columns) = (37, 21);
    let a = values(rows * columns, 3);
    let expected: Vec<f64> = a
        .chunks(columns)
        .map(|row| {
            let sum = row.iter().fold(0.0_f32, |sum, x| sum + *x as f32);
            f64::from(sum * 2.5 + 0.25)
        })
        .collect();
    let immediates: Vec<Immediate> = vec![
        Immediate::Integer((rows as i64).into()),
        Immediate::Integer((columns as i64).into()),
        2.5_f32.into(),
        Immediate::Integer((rows as i64).into()),
        0.25_f32.into(),
        Immediate::Integer(1.into()),
        Immediate::Integer((rows as i64).into()),
    ];
    // More blocks than rows.
    let found = run(&source, [64, 1, 1], &[a, vec![0.0; rows]], &immediates).remove(0);
    assert_eq!(found, expected);
}

/// C = A·B by tiles of 4 x 32, with A's tile in workgroup memory.
const MATMUL: &str = "gpu.module @m {
  gpu.func @k(%a: memref<64x48xf32>, %b: memref<48x4xvector<16xf32>>, %o: memref<64x4xvector<16xf32>>)
      workgroup(%w: memref<4x48xf32, #gpu.address_space<workgroup>>)
      kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    %x = gpu.block_id x
    %y = gpu.block_id y
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c4 = arith.constant 4 : index
    %c48 = arith.constant 48 : index
    %row = arith.muli %y, %c4 : index
    %column = arith.muli %x, %c2 : index
    scf.for %i = %c0 to %c4 step %c1 {
      %r = arith.addi %row, %i : index
      scf.for %k = %c0 to %c48 step %c1 {
        %v = memref.load %a[%r, %k] : memref<64x48xf32>
        memref.store %v, %w[%i, %k] : memref<4x48xf32, #gpu.address_space<workgroup>>
      }
    }
    gpu.barrier
    %zero = arith.constant dense<0.0> : vector<16xf32>
    %next = arith.addi %column, %c1 : index
    scf.for %i = %c0 to %c4 step %c1 {
      %r = arith.addi %row, %i : index
      %s:2 = scf.for %k = %c0 to %c48 step %c1 iter_args(%p = %zero, %q = %zero) -> (vector<16xf32>, vector<16xf32>) {
        %v = memref.load %w[%i, %k] : memref<4x48xf32, #gpu.address_space<workgroup>>
        %u = vector.broadcast %v : f32 to vector<16xf32>
        %b0 = memref.load %b[%k, %column] : memref<48x4xvector<16xf32>>
        %b1 = memref.load %b[%k, %next] : memref<48x4xvector<16xf32>>
        %p1 = math.fma %u, %b0, %p : vector<16xf32>
        %q1 = math.fma %u, %b1, %q : vector<16xf32>
        scf.yield %p1, %q1 : vector<16xf32>, vector<16xf32>
      }
      memref.store %s#0, %o[%r, %column] : memref<64x4xvector<16xf32>>
      memref.store %s#1, %o[%r, %next] : memref<64x4xvector<16xf32>>
    }
    gpu.return
  }
}";

#[test]
fn a_matmul_tile_uses_workgroup_memory_and_fused_products() {
    let (a, b) = (values(64 * 48, 4), values(48 * 64, 5));
    let mut expected = vec![0.0; 64 * 64];
    for (i, j, k) in (0..64 * 64 * 48).map(|i| (i / (64 * 48), i / 48 % 64, i % 48)) {
        let sum: &mut f64 = &mut expected[i * 64 + j];
        *sum = f64::from((a[i * 48 + k] as f32).mul_add(b[k * 64 + j] as f32, *sum as f32));
    }
    let found = run(MATMUL, [2, 16, 1], &[a, b, vec![0.0; 64 * 64]], &[]).remove(0);
    assert_eq!(found, expected);
    if cfg!(target_arch = "x86_64") && std::arch::is_x86_feature_detected!("fma") {
        let assembly = compile(MATMUL).unwrap().assembly;
        assert!(assembly.contains("vfmadd"), "{assembly}");
    }
}

#[test]
fn products_and_sums_stay_apart_without_fma() {
    let source = function(
        "%a: memref<1024xf32>, %o: memref<1024xf32>",
        "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : memref<1024xf32>
    %y = arith.mulf %x, %x : f32
    %z = arith.addf %y, %x : f32
    memref.store %z, %o[%i] : memref<1024xf32>",
    );
    let a = values(1024, 6);
    let exact = |x: &f64| {
        let x = *x as f32;
        f64::from(x * x + x)
    };
    let found = run(&source, [1024, 1, 1], &[a.clone(), vec![0.0; 1024]], &[]).remove(0);
    assert_eq!(found, a.iter().map(exact).collect::<Vec<_>>());
}

#[test]
fn halves_are_added_with_one_rounding() {
    let source = function(
        "%a: memref<256xvector<4xf16>>, %b: memref<256xvector<4xf16>>, %o: memref<256xvector<4xf16>>",
        "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : memref<256xvector<4xf16>>
    %y = memref.load %b[%i] : memref<256xvector<4xf16>>
    %z = arith.addf %x, %y : vector<4xf16>
    memref.store %z, %o[%i] : memref<256xvector<4xf16>>",
    );
    let round = |x: f64| half::f16::from_f64(x).to_f64();
    let half = |seed| {
        values(1024, seed)
            .into_iter()
            .map(round)
            .collect::<Vec<_>>()
    };
    let (a, b) = (half(7), half(8));
    let found = run(
        &source,
        [256, 1, 1],
        &[a.clone(), b.clone(), vec![0.0; 1024]],
        &[],
    )
    .remove(0);
    let sums: Vec<f64> = a.iter().zip(&b).map(|(a, b)| round(a + b)).collect();
    assert_eq!(found, sums);
}

#[test]
fn several_invocations_run_in_a_loop() {
    let source = function_of(
        "%o: memref<6x4x10xi32>",
        [5, 2, 3],
        "
    %x = gpu.global_id x
    %y = gpu.global_id y
    %z = gpu.global_id z
    %t = gpu.thread_id x
    %u = gpu.thread_id z
    %n = gpu.block_dim x
    %a = arith.muli %u, %n : index
    %b = arith.addi %a, %t : index
    %v = arith.index_cast %b : index to i32
    memref.store %v, %o[%z, %y, %x] : memref<6x4x10xi32>",
    );
    let found = run(&source, [2, 2, 2], &[vec![0.0; 240]], &[]).remove(0);
    let expected: Vec<f64> = (0..240)
        .map(|i| (i / 40 % 3 * 5 + i % 10 % 5) as f64)
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn private_memory_and_views_work() {
    // Reverses rows of 8 through private memory, of which a view is written.
    let source = function(
        "%a: memref<16x8xf32>, %o: memref<128xf32>",
        "
    %row = gpu.block_id x
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c7 = arith.constant 7 : index
    %c8 = arith.constant 8 : index
    scf.for %turn = %c0 to %c2 step %c1 {
      %m = memref.alloca() : memref<8xf32, #gpu.address_space<private>>
      %line = memref.subview %a[%row, 0] [1, 8] [1, 1] : memref<16x8xf32> to memref<8xf32, strided<[1], offset: ?>>
      scf.for %j = %c0 to %c8 step %c1 {
        %x = memref.load %line[%j] : memref<8xf32, strided<[1], offset: ?>>
        %k = arith.subi %c7, %j : index
        memref.store %x, %m[%k] : memref<8xf32, #gpu.address_space<private>>
      }
      %out = memref.expand_shape %o [[0, 1]] output_shape [16, 8] : memref<128xf32> into memref<16x8xf32>
      scf.for %j = %c0 to %c8 step %c1 {
        %x = memref.load %m[%j] : memref<8xf32, #gpu.address_space<private>>
        memref.store %x, %out[%row, %j] : memref<16x8xf32>
      }
    }",
    );
    let a = values(128, 9);
    let found = run(&source, [16, 1, 1], &[a.clone(), vec![0.0; 128]], &[]).remove(0);
    let expected: Vec<f64> = a
        .chunks(8)
        .flat_map(|row| row.iter().rev().copied())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn vectors_are_reduced_and_subgroups_of_one_do_nothing() {
    let source = function(
        "%a: memref<32xvector<16xf32>>, %o: memref<32xf32>",
        "
    %i = gpu.block_id x
    %lane = gpu.lane_id
    %at = arith.addi %i, %lane : index
    %x = memref.load %a[%at] : memref<32xvector<16xf32>>
    %y = vector.reduction <add>, %x : vector<16xf32> into f32
    %z = gpu.subgroup_reduce add %y : (f32) -> f32
    memref.store %z, %o[%i] : memref<32xf32>",
    );
    let a = values(512, 10);
    let found = run(&source, [32, 1, 1], &[a.clone(), vec![0.0; 32]], &[]).remove(0);
    let sums: Vec<f64> = a.chunks(16).map(|row| row.iter().sum()).collect();
    close(&found, &sums, 2e-6);
}

#[test]
fn rounding_divisions_are_defined() {
    let source = function(
        "%a: memref<9xi32>, %o: memref<2x9xi32>",
        "
    %i = gpu.block_id x
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %four = arith.constant 4 : i32
    %x = memref.load %a[%i] : memref<9xi32>
    %f = arith.floordivsi %x, %four : i32
    %c = arith.ceildivsi %x, %four : i32
    memref.store %f, %o[%c0, %i] : memref<2x9xi32>
    memref.store %c, %o[%c1, %i] : memref<2x9xi32>",
    );
    let a: Vec<f64> = (-4..5).map(f64::from).collect();
    let found = run(&source, [9, 1, 1], &[a.clone(), vec![0.0; 18]], &[]).remove(0);
    let floor = a.iter().map(|x| (x / 4.0).floor());
    let ceil = a.iter().map(|x| (x / 4.0).ceil());
    assert_eq!(
        found,
        floor.chain(ceil).map(|x| x + 0.0).collect::<Vec<_>>()
    );
}

#[test]
fn one_object_holds_several_kernels_and_constants_are_folded() {
    let compiled = compile(
        "module attributes {gpu.container_module} {
  gpu.module @first { gpu.func @exp(%s: f32, %o: memref<4xf32>) kernel {
    %i = gpu.block_id x
    memref.store %s, %o[%i] : memref<4xf32>
    gpu.return
  } }
  gpu.module @second { gpu.func @exp(%o: memref<4xf32>) kernel attributes {known_block_size = array<i32: 1, 1, 1>} {
    gpu.return
  } }
  func.func @host(%o: memref<4xf32>) {
    %c1 = arith.constant 1 : index
    %s = arith.constant 2.0 : f32
    gpu.launch_func @first::@exp blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1) args(%s : f32, %o : memref<4xf32>)
    return
  }
}",
    )
    .unwrap();
    let [first, second] = &compiled.kernels[..] else {
        panic!("two kernels")
    };
    assert_eq!(
        (first.module.as_str(), second.module.as_str()),
        ("first", "second")
    );
    assert_eq!(
        (first.name.as_str(), first.symbol.as_str()),
        ("exp", "kforge_exp")
    );
    assert_ne!(first.symbol, second.symbol);
    assert!(first.immediates.is_empty(), "{:?}", first.immediates);
    assert!(first.bindings[0].writes && !first.bindings[0].reads);
    assert!(!second.bindings[0].writes && !second.bindings[0].reads);
    // A third kernel may be called like the inner function of the first.
    let taken = compile(&format!(
        "module {{ gpu.module @m {{ {} }} }}",
        ["k", "k_blocks", "k-blocks"]
            .map(|name| format!(
                "gpu.func @\"{name}\"() kernel attributes \
                 {{known_block_size = array<i32: 1, 1, 1>}} {{ gpu.return }}"
            ))
            .join("\n")
    ));
    assert_eq!(taken.unwrap().kernels.len(), 3);
    for kernel in &compiled.kernels {
        assert!(compiled.assembly.contains(&format!("\n{}:", kernel.symbol)));
    }
}
