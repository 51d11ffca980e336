//! Kernels on a device: do they compute what their IR says?
//!
//! They run through kforge-runtime on whatever adapter it finds, lavapipe for one.
//! Without an adapter the tests fail: nothing was shown.

use crate::common::{BLOCK_64, function, kernel};
use kforge_lowering::translate::{Access, Immediate as Slot, ImmediateSource, Kernel, ScalarType};
use kforge_runtime::{
    Device, DeviceChoice, Dtype, Executable, HostTensor, Manifest, Package,
    execute::{ExecOptions, Poison, RunOptions},
    manifest::{
        self, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Immediate, Port,
        Role, Step, Symbols, VerifierSettings,
    },
};
use std::{collections::BTreeMap, sync::OnceLock};

fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| {
        Device::open(DeviceChoice::Auto).expect("a GPU, or mesa-vulkan-drivers for lavapipe")
    })
}

/// Runs a kernel. Every buffer it only reads is an input with the values given, the
/// others are outputs. `buffers` hold scalars, whatever the lanes of the memref.
fn run(
    kernel: &Kernel,
    workgroups: [i64; 3],
    buffers: &[Vec<f32>],
    immediates: &dyn Fn(&Slot) -> Immediate,
) -> Vec<Vec<f64>> {
    let mut list = Vec::new();
    let (mut inputs, mut outputs, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut bindings = Vec::new();
    for (index, (binding, data)) in kernel.bindings().iter().zip(buffers).enumerate() {
        let dtype = match binding.scalar {
            ScalarType::I32 => Dtype::I32,
            ScalarType::F16 => Dtype::F16,
            _ => Dtype::F32,
        };
        let name = format!("b{index}");
        let shape = [data.len() as i64];
        let (role, access) = match binding.access {
            Access::Read => (Role::Input, manifest::Access::Read),
            Access::ReadWrite => (Role::Output, manifest::Access::ReadWrite),
        };
        let port = Port {
            name: name.clone(),
            buffer: BufferId(index as u32),
            dtype,
            shape: shape.map(Expr::from).to_vec(),
        };
        if binding.access == Access::Read {
            inputs.push(port);
            values.push(tensor(dtype, data));
        } else {
            outputs.push(port);
        }
        list.push(Buffer::dense(name, dtype, shape, role));
        bindings.push(Binding {
            access,
            dtype,
            elements: None,
        });
    }
    let slots = kernel.immediates();
    let dispatch = Dispatch {
        kernel: "k".into(),
        workgroups: workgroups.map(Expr::from),
        args: (0..buffers.len())
            .map(|i| BufferId(i as u32).into())
            .collect(),
        immediates: slots.iter().map(immediates).collect(),
        shape: Vec::new(),
    };
    let code = manifest::Kernel {
        entry_point: kernel.entry_point().into(),
        code: Code::Wgsl {
            file: "kernels/k.wgsl".into(),
        },
        workgroup_size: kernel.workgroup_size(),
        bindings,
        immediates: slots.iter().map(slot_type).collect(),
        stage: "test".into(),
        knobs: BTreeMap::new(),
        requires: manifest::Requires::default(),
        abi: Default::default(),
    };
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: env!("CARGO_PKG_VERSION").into(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: list,
        kernels: BTreeMap::from([("k".into(), code)]),
        entries: BTreeMap::from([(
            "main".into(),
            Entry {
                inputs,
                outputs,
                steps: vec![Step::Dispatch(dispatch)],
            },
        )]),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    package
        .files
        .insert("kernels/k.wgsl".into(), kernel.wgsl().as_bytes().to_vec());
    let options = ExecOptions::default();
    let mut executable = Executable::new(device(), &package, "main", &Symbols::new(), &options)
        .unwrap_or_else(|error| panic!("{error}\n{}", kernel.wgsl()));
    let options = RunOptions {
        poison: Some(Poison::Nan),
        ..RunOptions::default()
    };
    let result = executable
        .run(&values, &BTreeMap::new(), &options)
        .expect("the kernel runs");
    assert!(result.guards.is_empty(), "{:?}", result.guards);
    result.outputs.iter().map(HostTensor::to_f64_vec).collect()
}

fn slot_type(slot: &Slot) -> manifest::ScalarType {
    match slot.scalar {
        ScalarType::F32 => manifest::ScalarType::F32,
        _ => manifest::ScalarType::I32,
    }
}

fn tensor(dtype: Dtype, data: &[f32]) -> HostTensor {
    let values: Vec<f64> = data.iter().map(|&value| f64::from(value)).collect();
    HostTensor::from_f64(dtype, &[data.len()], &values).expect("a tensor")
}

fn none(_: &Slot) -> Immediate {
    panic!("no immediates expected")
}

/// Reproducible values in (-1, 1).
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Largest absolute error of a device function over an even sweep of
/// [-limit, limit], with infinities at both ends.
fn sweep(op: &str, limit: f64, exact: fn(f64) -> f64) -> f64 {
    const COUNT: usize = 64 * 4096;
    let body = format!(
        r#"
    %i = gpu.global_id x
    %x = memref.load %a[%i] : memref<{COUNT}xf32>
    %y = math.{op} %x : f32
    memref.store %y, %o[%i] : memref<{COUNT}xf32>"#
    );
    let arguments = format!("%a: memref<{COUNT}xf32>, %o: memref<{COUNT}xf32>");
    let kernel = kernel(&function(&arguments, BLOCK_64, &body));
    let mut x: Vec<f32> = (0..COUNT)
        .map(|i| ((i as f64 / (COUNT - 1) as f64 * 2.0 - 1.0) * limit) as f32)
        .collect();
    x[0] = -f32::MAX;
    x[COUNT - 1] = f32::MAX;
    let out = run(&kernel, [4096, 1, 1], &[x.clone(), vec![0.0; COUNT]], &none);
    x.iter()
        .zip(&out[0])
        .map(|(&x, y)| (exact(f64::from(x)) - y).abs())
        .fold(0.0, f64::max)
}

/// erf by its Maclaurin series below 3 and its continued fraction above, in f64:
/// error below 1e-12, not related to the polynomial under test.
fn erf(x: f64) -> f64 {
    let t = x.abs();
    let value = if t < 3.0 {
        let (mut term, mut sum) = (t, t);
        for n in 1..200 {
            term *= -t * t / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else if t > 6.0 {
        1.0
    } else {
        let fraction = (1..80).rev().fold(t, |f, n| t + f64::from(n) / 2.0 / f);
        1.0 - (-t * t).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

#[test]
fn erf_keeps_its_bound() {
    let worst = sweep("erf", 6.0, erf);
    assert!(worst <= 3e-7, "{worst:e}");
}

#[test]
fn tanh_keeps_its_bound_and_does_not_overflow() {
    let worst = sweep("tanh", 100.0, f64::tanh);
    assert!(worst <= 5e-7, "{worst:e}");
    let worst = sweep("tanh", 2.0, f64::tanh);
    assert!(worst <= 5e-7, "{worst:e}");
}

/// c = a·b and the bound of any order of summation.
fn check_matmul(a: &[f32], b: &[f32], c: &[f64], n: usize, k: usize) {
    let u = f64::from(f32::EPSILON) / 2.0;
    let gamma = k as f64 * u / (1.0 - k as f64 * u);
    for (index, &value) in c.iter().enumerate() {
        let (row, column) = (index / n, index % n);
        let (mut sum, mut magnitude) = (0.0, 0.0);
        for p in 0..k {
            let product = f64::from(a[row * k + p]) * f64::from(b[p * n + column]);
            sum += product;
            magnitude += product.abs();
        }
        assert!(
            (value - sum).abs() <= gamma * magnitude,
            "{index}: {value} for {sum}"
        );
    }
}

#[test]
fn matmuls_multiply() {
    let (a, b) = (values(33 * 17, 1), values(17 * 29, 2));
    let naive = kernel(crate::kernels::NAIVE);
    let buffers = [a.clone(), b.clone(), vec![0.0; 33 * 29]];
    let c = run(&naive, [4, 5, 1], &buffers, &none);
    check_matmul(&a, &b, &c[0], 29, 17);

    let (a, b) = (values(64 * 64, 3), values(64 * 64, 4));
    let tiled = kernel(crate::kernels::TILED);
    let buffers = [a.clone(), b.clone(), vec![0.0; 64 * 64]];
    let c = run(&tiled, [4, 4, 1], &buffers, &none);
    check_matmul(&a, &b, &c[0], 64, 64);
}

#[test]
fn immediates_arrive_in_their_order() {
    // o[i][j] = a[i][j] * f, the sizes being arguments of the launch.
    let body = r#"
    %t = gpu.thread_id x
    %c5 = arith.constant 5 : index
    %c15 = arith.constant 15 : index
    %in = arith.cmpi slt, %t, %c15 : index
    scf.if %in {
      %i = arith.divui %t, %c5 : index
      %j = arith.remui %t, %c5 : index
      %x = memref.load %a[%i, %j] : memref<?x?xf32>
      %y = arith.mulf %x, %f : f32
      %inf = arith.constant 0x7F800000 : f32
      %z = arith.minimumf %y, %inf : f32
      memref.store %z, %o[%i, %j] : memref<?x5xf32, strided<[?, 1], offset: ?>>
    }"#;
    let kernel = kernel(&function(
        "%a: memref<?x?xf32>, %f: f32, %o: memref<?x5xf32, strided<[?, 1], offset: ?>>",
        BLOCK_64,
        body,
    ));
    let a = values(3 * 7, 5);
    let pass = |slot: &Slot| -> Immediate {
        match slot.source {
            ImmediateSource::Size {
                argument: 0,
                dimension: 1,
            } => Expr::from(7).into(),
            ImmediateSource::Size { .. } => Expr::from(3).into(),
            ImmediateSource::Stride { .. } => Expr::from(5).into(),
            ImmediateSource::Offset(_) => Expr::from(0).into(),
            ImmediateSource::Argument(_) => 2.0.into(),
            ImmediateSource::Constant(value) => value.into(),
        }
    };
    let out = run(&kernel, [1, 1, 1], &[a.clone(), vec![0.0; 15]], &pass);
    for (index, &value) in out[0].iter().enumerate() {
        let (i, j) = (index / 5, index % 5);
        assert_eq!(value, f64::from(a[i * 7 + j] * 2.0), "{index}");
    }
}

#[test]
fn control_flow_carries_its_values() {
    // Doubles until 10 is reached, counting; then the sum of the counts below.
    let body = r#"
    %i = gpu.thread_id x
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %two = arith.constant 2.0 : f32
    %ten = arith.constant 10.0 : f32
    %x = memref.load %a[%i] : memref<64xf32>
    %r:2 = scf.while (%s = %x, %n = %c0) : (f32, index) -> (f32, index) {
      %more = arith.cmpf olt, %s, %ten : f32
      scf.condition(%more) %s, %n : f32, index
    } do {
    ^bb0(%t: f32, %m: index):
      %next = arith.mulf %t, %two : f32
      %count = arith.addi %m, %c1 : index
      scf.yield %next, %count : f32, index
    }
    %sum:2 = scf.for %k = %c0 to %r#1 step %c1 iter_args(%p = %c0, %q = %c1) -> (index, index) {
      %n = arith.addi %p, %k : index
      scf.yield %q, %n : index, index
    }
    %odd = arith.trunci %w : i32 to i1
    %picked = scf.if %odd -> index {
      scf.yield %sum#0 : index
    } else {
      scf.yield %sum#1 : index
    }
    %v = arith.index_cast %picked : index to i32
    %u = arith.sitofp %v : i32 to f32
    %y = arith.addf %u, %r#0 : f32
    memref.store %y, %o[%i] : memref<64xf32>"#
        .replace(
            "%odd = ",
            "%w = arith.index_cast %i : index to i32\n    %odd = ",
        );
    let kernel = kernel(&function(
        "%a: memref<64xf32>, %o: memref<64xf32>",
        BLOCK_64,
        &body,
    ));
    let a: Vec<f32> = values(64, 6).iter().map(|x| x.abs() + 0.01).collect();
    let out = run(&kernel, [1, 1, 1], &[a.clone(), vec![0.0; 64]], &none);
    for (i, (&x, &y)) in a.iter().zip(&out[0]).enumerate() {
        let (mut s, mut n) = (x, 0);
        while s < 10.0 {
            (s, n) = (s * 2.0, n + 1);
        }
        let (mut p, mut q) = (0, 1);
        for k in 0..n {
            (p, q) = (q, p + k);
        }
        let picked = if i % 2 == 1 { p } else { q };
        assert_eq!(y, f64::from(picked as f32 + s), "{i}");
    }
}

#[test]
fn integer_ops_round_and_wrap_as_in_mlir() {
    type Reference = fn(i32, i32) -> i32;
    let expected: [(&str, Reference); 12] = [
        ("divsi", |x, y| x / y),
        ("remsi", |x, y| x % y),
        ("floordivsi", |x, y| {
            (f64::from(x) / f64::from(y)).floor() as i32
        }),
        ("ceildivsi", |x, y| {
            (f64::from(x) / f64::from(y)).ceil() as i32
        }),
        ("divui", |x, y| (x as u32 / y as u32) as i32),
        ("remui", |x, y| (x as u32 % y as u32) as i32),
        ("ceildivui", |x, y| (x as u32).div_ceil(y as u32) as i32),
        ("shrsi", |x, y| x >> (y & 7)),
        ("shrui", |x, y| (x as u32 >> (y & 7)) as i32),
        ("minui", |x, y| (x as u32).min(y as u32) as i32),
        ("maxsi", i32::max),
        ("muli", i32::wrapping_mul),
    ];
    let x: Vec<f32> = (0..64).map(|i| (i - 32) as f32 * 1000.0).collect();
    let y: Vec<f32> = (0..64)
        .map(|i| [7, -7, 3, -3, 1, 5, -5, 64][i % 8] as f32)
        .collect();
    for (op, reference) in expected {
        let shift = op.starts_with("sh");
        let right = if shift { "%m" } else { "%y" };
        let body = format!(
            r#"
    %i = gpu.thread_id x
    %c7 = arith.constant 7 : i32
    %x = memref.load %a[%i] : memref<64xi32>
    %y = memref.load %b[%i] : memref<64xi32>
    %m = arith.andi %y, %c7 : i32
    %r = arith.{op} %x, {right} : i32
    memref.store %r, %o[%i] : memref<64xi32>"#
        );
        let arguments = "%a: memref<64xi32>, %b: memref<64xi32>, %o: memref<64xi32>";
        let kernel = kernel(&function(arguments, BLOCK_64, &body));
        let out = run(
            &kernel,
            [1, 1, 1],
            &[x.clone(), y.clone(), vec![0.0; 64]],
            &none,
        );
        for (i, &value) in out[0].iter().enumerate() {
            let wanted = reference(x[i] as i32, y[i] as i32);
            assert_eq!(value, f64::from(wanted), "{op} {} {}", x[i], y[i]);
        }
    }
}

#[test]
fn subgroup_shuffles_and_reductions() {
    let description = device().description();
    let size = description.subgroup_min;
    if !description.has("subgroup") || description.subgroup_max != size {
        panic!("unsupported: the device has no subgroups of one size");
    }
    let body = format!(
        r#"
    %i = gpu.thread_id x
    %one = arith.constant 1 : i32
    %width = arith.constant {size} : i32
    %x = memref.load %a[%i] : memref<64xf32>
    %zero = arith.constant 0.0 : f32
    %n, %in = gpu.shuffle down %x, %one, %width : f32
    %next = arith.select %in, %n, %zero : f32
    %s = gpu.subgroup_reduce maxnumf %x : (f32) -> f32
    %y = arith.addf %next, %s : f32
    memref.store %y, %o[%i] : memref<64xf32>"#
    );
    let kernel = kernel(&function(
        "%a: memref<64xf32>, %o: memref<64xf32>",
        BLOCK_64,
        &body,
    ));
    assert_eq!(kernel.subgroup_size(), Some(size));
    let a = values(64, 7);
    let out = run(&kernel, [1, 1, 1], &[a.clone(), vec![0.0; 64]], &none);
    let size = size as usize;
    for (i, &value) in out[0].iter().enumerate() {
        let group = &a[i / size * size..(i / size + 1) * size];
        let most = group.iter().copied().fold(f32::MIN, f32::max);
        let next = group.get(i % size + 1).copied().unwrap_or(0.0);
        assert_eq!(value, f64::from(next + most), "{i}");
    }
}

#[test]
fn halves_round_away_from_zero() {
    let body = r#"
    %i = gpu.thread_id x
    %x = memref.load %a[%i] : memref<64xf32>
    %y = math.round %x : f32
    memref.store %y, %o[%i] : memref<64xf32>"#;
    let kernel = kernel(&function(
        "%a: memref<64xf32>, %o: memref<64xf32>",
        BLOCK_64,
        body,
    ));
    let mut x: Vec<f32> = (0..64).map(|i| (i - 32) as f32 * 0.25).collect();
    x[0] = 0.499_999_97;
    x[1] = -0.499_999_97;
    let out = run(&kernel, [1, 1, 1], &[x.clone(), vec![0.0; 64]], &none);
    for (&x, &y) in x.iter().zip(&out[0]) {
        assert_eq!(y, f64::from(x.round()), "{x}");
    }
}

#[test]
fn views_address_the_elements_they_name() {
    let kernel = kernel(crate::kernels::VIEWS);
    let a: Vec<f32> = (0..64 * 32).map(|i| i as f32).collect();
    let out = run(&kernel, [1, 1, 1], &[a, vec![0.0; 64]], &none);
    // Written from the shapes of the views, for the ids in range of all of them.
    for (i, &value) in out[0].iter().enumerate().take(3) {
        let row = i * 32 + 4 + 2 * i;
        let flat = i;
        let deep = i * 16 * 32 + 32;
        let cast = 32 + 3 + i;
        assert_eq!(value, (row + flat + deep + cast) as f64, "{i}");
    }
}

#[test]
fn f16_vectors_through_workgroup_memory() {
    let body = r#"
    %i = gpu.thread_id x
    %c63 = arith.constant 63 : index
    %j = arith.subi %c63, %i : index
    %x = memref.load %a[%i] : memref<64xvector<4xf16>>
    memref.store %x, %w[%i] : memref<64xvector<4xf16>, 3>
    gpu.barrier
    %y = memref.load %w[%j] : memref<64xvector<4xf16>, 3>
    %z = vector.shuffle %y, %y [3, 2, 1, 0] : vector<4xf16>, vector<4xf16>
    %two = arith.constant dense<2.0> : vector<4xf16>
    %d = arith.mulf %z, %two : vector<4xf16>
    memref.store %d, %o[%i] : memref<64xvector<4xf16>>"#;
    let attributes = format!("workgroup(%w: memref<64xvector<4xf16>, 3>) {BLOCK_64}");
    let arguments = "%a: memref<64xvector<4xf16>>, %o: memref<64xvector<4xf16>>";
    let kernel = kernel(&function(arguments, &attributes, body));
    assert_eq!(kernel.memory(), 512);
    let a: Vec<f32> = (0..256).map(|i| i as f32).collect();
    let out = run(&kernel, [1, 1, 1], &[a, vec![0.0; 256]], &none);
    for (index, &value) in out[0].iter().enumerate() {
        assert_eq!(value, 2.0 * (255 - index) as f64, "{index}");
    }
}
