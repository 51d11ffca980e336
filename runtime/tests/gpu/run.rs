//! Entries run and give the right numbers, in every size and with times.

use std::{collections::BTreeMap, ops::ControlFlow};

use kforge_runtime::{
    Device, Dtype, Executable, HostTensor, Package, Poison, Roofline, RunError, RunOptions,
    TimedRun,
    device::Target,
    diagnose,
    execute::{ExecOptions, Repeats, Timing},
    manifest::{Access, Expr, Role, ScalarType, Symbols},
};

use crate::{
    chain,
    common::{ADD, Builder, add_package, f32s, gpu, iota, run},
    one, poisoned,
};

#[test]
fn vector_add_is_right_with_and_without_poison() {
    let Some(device) = gpu() else { return };
    let package = add_package(ADD);
    for poison in [None, Some(Poison::Nan), Some(Poison::Big)] {
        let options = RunOptions {
            poison,
            ..RunOptions::default()
        };
        let inputs = [iota(100), iota(100)];
        let result = run(device, &package, &Symbols::new(), &inputs, &options).unwrap();
        let expected: Vec<f32> = (0..100).map(|i| 2.0 * i as f32).collect();
        assert_eq!(f32s(&result.outputs[0]), expected);
        assert_eq!(result.guards, []);
        assert_eq!(result.dispatches[0].workgroups, [2, 1, 1]);
    }
}

#[test]
fn smoke_test_passes_and_prints_its_line() {
    let Some(device) = gpu() else { return };
    let diagnosis = diagnose(device).unwrap();
    println!("{diagnosis}");
    assert_eq!(diagnosis.device.target, Target::Gpu);
    let test = diagnosis.smoke_test.unwrap();
    assert!(test.passed, "{diagnosis}");
    // Sums of 128 rounded products are never all exact.
    assert!(
        test.max_abs_error > 0.0 && test.max_abs_error < 1e-4,
        "{diagnosis}"
    );
    let text = diagnosis.to_string();
    assert!(
        text.contains("GPU smoke test: 64x64x128 matmul, max_abs_error="),
        "{text}"
    );
    assert!(!text.contains("gpu_time=0.000"), "{text}");
}

#[test]
fn symbols_drive_sizes_dispatches_and_immediates() {
    let Some(device) = gpu() else { return };
    let wgsl = "
        struct Args { n: u32, factor: f32, shift: i32 }
        var<immediate> args: Args;
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(32)
        fn axpb(@builtin(global_invocation_id) id: vec3<u32>) {
            if id.x < args.n { y[id.x] = args.factor * x[id.x] + f32(args.shift); }
        }";
    let n = [Expr::symbol("N")];
    let package = Builder::new()
        .symbol("N", 1, 10_000)
        .f32("x", &n, Role::Input)
        .f32("y", &n, Role::Output)
        .kernel("axpb", wgsl, [32, 1, 1], &[Access::Read, Access::Write])
        .immediates("axpb", &[ScalarType::U32, ScalarType::F32, ScalarType::I32])
        .dispatch_with(
            "axpb",
            [Expr::symbol("N").ceil_div(32), 1.into(), 1.into()],
            &[0, 1],
            |dispatch| {
                let shift = Expr::from(0) - "N";
                dispatch.immediates = vec![Expr::symbol("N").into(), 0.5_f32.into(), shift.into()];
            },
        )
        .build();
    for n in [1, 31, 32, 33, 997] {
        let symbols = Symbols::from([("N".into(), n as i64)]);
        let result = run(
            device,
            &package,
            &symbols,
            &[iota(n)],
            &poisoned(Poison::Nan),
        )
        .unwrap();
        let expected: Vec<f32> = (0..n).map(|i| 0.5 * i as f32 - n as f32).collect();
        assert_eq!(f32s(&result.outputs[0]), expected);
        assert_eq!(result.guards, []);
    }
    let error = run(
        device,
        &package,
        &Symbols::new(),
        &[],
        &RunOptions::default(),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("symbol 'N': has no value"),
        "{error}"
    );
    let symbols = Symbols::from([("N".into(), 10_001)]);
    let error = run(device, &package, &symbols, &[], &RunOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("10001 is outside 1..=10000"),
        "{error}"
    );
}

#[test]
fn half_precision_and_padded_rows_work() {
    let Some(device) = gpu() else { return };
    if !device.description().has("shader-f16") {
        println!("unsupported: no shader-f16");
        return;
    }
    let wgsl = "enable f16;
        @group(0) @binding(0) var<storage, read> x: array<f16>;
        @group(0) @binding(1) var<storage, read_write> y: array<f16>;
        @compute @workgroup_size(1)
        fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
            for (var j = 0u; j < 3u; j++) { y[id.x * 3u + j] = x[id.x * 8u + j] * 2.0h; }
        }";
    let shape = [Expr::from(5), Expr::from(3)];
    let mut package = Builder::new()
        .buffer("x", Dtype::F16, &shape, Role::Input)
        .buffer("y", Dtype::F16, &shape, Role::Output)
        .kernel("copy", wgsl, [1, 1, 1], &[Access::Read, Access::Write])
        .dispatch("copy", one(5), &[0, 1])
        .build();
    package.manifest.buffers[0].strides = vec![8.into(), 1.into()];
    for binding in &mut package.manifest.kernels.get_mut("copy").unwrap().bindings {
        binding.dtype = Dtype::F16;
    }
    let values: Vec<f64> = (0..15).map(f64::from).collect();
    let input = HostTensor::from_f64(Dtype::F16, &[5, 3], &values).unwrap();
    let result = run(
        device,
        &package,
        &Symbols::new(),
        &[input],
        &poisoned(Poison::Nan),
    )
    .unwrap();
    let doubled: Vec<f64> = values.iter().map(|value| 2.0 * value).collect();
    assert_eq!(result.outputs[0].to_f64_vec(), doubled);
    assert_eq!(result.guards, []);
}

#[test]
fn zero_workgroups_are_skipped_and_recorded() {
    let Some(device) = gpu() else { return };
    let n = [Expr::symbol("N")];
    let package = Builder::new()
        .symbol("N", 0, 100)
        .f32("a", &n, Role::Input)
        .f32("b", &n, Role::Input)
        .f32("c", &n, Role::Output)
        .kernel(
            "add",
            ADD,
            [64, 1, 1],
            &[Access::Read, Access::Read, Access::Write],
        )
        .dispatch(
            "add",
            [Expr::symbol("N").ceil_div(64), 1.into(), 1.into()],
            &[0, 1, 2],
        )
        .build();
    let symbols = Symbols::from([("N".into(), 0)]);
    let empty = || HostTensor::from_f32(&[0], &[]).unwrap();
    let options = poisoned(Poison::Nan);
    let result = run(device, &package, &symbols, &[empty(), empty()], &options).unwrap();
    assert_eq!(result.outputs[0].shape(), [0]);
    assert_eq!(result.guards, []);
    let time = &result.dispatches[0];
    assert_eq!((time.workgroups, time.gpu_ms), ([0, 1, 1], None));
    assert!(
        time.why_no_time
            .as_ref()
            .unwrap()
            .contains("zero workgroups")
    );
}

#[test]
fn times_are_positive_and_within_the_wall_clock() {
    let Some(device) = gpu() else { return };
    let package = chain();
    let sets = [0, 1, 2, 3].map(|set| vec![scaled(300, set)]);
    let (mut seen, mut traced) = (Vec::new(), Vec::new());
    let mut inspect = |run: TimedRun| {
        let expected: Vec<f32> = f32s(&sets[run.set][0]).iter().map(|x| 16.0 * x).collect();
        assert_eq!(f32s(&run.outputs[0]), expected);
        assert_eq!(run.guards, []);
        let host = &run.trace.host;
        assert!(host.is_sorted_by(|one, next| one.time.end <= next.time.start));
        assert_eq!(host[0].name == "warm up", seen.is_empty());
        traced.push(run.trace.dispatches.len());
        seen.push(run.set);
        ControlFlow::Continue(())
    };
    let result = timed(device, &package, &sets, 7, &mut inspect)
        .unwrap()
        .unwrap();
    assert_eq!(seen, [0, 1, 2, 3, 0, 1, 2]);
    assert_eq!(traced, [result.dispatches.len(); 7]);
    let wall = result.total.wall_ms.unwrap();
    assert_eq!(wall.samples, 7);
    for dispatch in &result.dispatches {
        match (&dispatch.gpu_ms, &dispatch.why_no_time) {
            (Some(time), None) => assert!(0.0 < time.min && time.min <= time.median),
            (None, Some(reason)) => assert!(!reason.is_empty()),
            other => panic!("a time or a reason, not both: {other:?}"),
        }
    }
    if device.description().timestamps {
        assert!(
            result
                .dispatches
                .iter()
                .any(|dispatch| dispatch.gpu_ms.is_some())
        );
    }
}

/// (set + 1) times 0, 1, 2, ...
fn scaled(count: usize, set: usize) -> HostTensor {
    let values: Vec<f32> = (0..count).map(|i| ((set + 1) * i) as f32).collect();
    HostTensor::from_f32(&[count], &values).unwrap()
}

fn timed(
    device: &Device,
    package: &Package,
    sets: &[Vec<HostTensor>],
    repeats: usize,
    inspect: &mut dyn FnMut(TimedRun) -> ControlFlow<()>,
) -> Result<Option<Timing>, RunError> {
    let symbols = Symbols::new();
    let mut executable =
        Executable::new(device, package, "main", &symbols, &ExecOptions::default())?;
    let options = poisoned(Poison::Nan);
    executable.time(
        sets,
        &BTreeMap::new(),
        Repeats::exactly(repeats),
        &options,
        inspect,
    )
}

#[test]
fn timed_runs_that_are_refused_give_no_times() {
    let Some(device) = gpu() else { return };
    let sets = [vec![iota(300)], vec![scaled(300, 1)]];
    let mut left = 2;
    let mut inspect = |_: TimedRun| {
        left -= 1;
        match left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let stopped = timed(device, &chain(), &sets, 7, &mut inspect).unwrap();
    assert_eq!((stopped, left), (None, 0));
    let error = timed(device, &chain(), &[], 7, &mut |_| ControlFlow::Continue(()));
    assert!(error.unwrap_err().to_string().contains("at least one set"));
    let wrong = [vec![iota(299)]];
    assert!(
        timed(device, &chain(), &wrong, 1, &mut |_| ControlFlow::Continue(
            ()
        ))
        .is_err()
    );
}

#[test]
fn a_timed_run_that_writes_nothing_is_seen() {
    let Some(device) = gpu() else { return };
    // Writes the first time only; a state buffer remembers.
    let lazy = "
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> state: array<f32>;
        @group(0) @binding(2) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64)
        fn lazy(@builtin(global_invocation_id) id: vec3<u32>) {
            if id.x < 100u && state[id.x] == 0.0 { y[id.x] = x[id.x]; state[id.x] = 1.0; }
        }";
    let package = Builder::new()
        .f32("x", &[Expr::from(100)], Role::Input)
        .f32("state", &[Expr::from(100)], Role::State)
        .f32("y", &[Expr::from(100)], Role::Output)
        .kernel(
            "lazy",
            lazy,
            [64, 1, 1],
            &[Access::Read, Access::ReadWrite, Access::Write],
        )
        .dispatch("lazy", [2, 1, 1].map(Expr::from), &[0, 1, 2])
        .build();
    let mut unwritten = 0;
    let mut inspect = |run: TimedRun| {
        unwritten += run.guards.len();
        ControlFlow::Continue(())
    };
    timed(device, &package, &[vec![iota(100)]], 4, &mut inspect).unwrap();
    assert_eq!(unwritten, 4, "the warm-up wrote, the timed runs did not");
}

#[test]
fn a_gpu_has_a_roofline_of_bytes_and_operations() {
    let Some(device) = gpu() else { return };
    let roofline = Roofline::measure(device).unwrap().expect("it has a clock");
    // The slowest software adapter reaches these, and no device a thousand times more.
    assert!(
        (1e8..2e13).contains(&roofline.bytes_per_second),
        "{roofline:?}"
    );
    assert!(
        (1e8..1e15).contains(&roofline.flops_per_second),
        "{roofline:?}"
    );
}
