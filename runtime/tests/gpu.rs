//! Hand-made packages on whatever GPU adapter there is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use std::collections::BTreeMap;

use common::{ADD, Builder, add_package, f32s, gpu, iota, run};
use kforge_runtime::{
    Device, DeviceChoice, Dtype, Executable, HostTensor, Package, Poison, RunError, RunOptions,
    device::Target,
    diagnose,
    execute::{ExecOptions, FailureKind, GuardViolation, Violation},
    manifest::{Access, BufferId, Dispatch, Entry, Expr, Role, ScalarType, Step, Symbols},
};

fn poisoned(poison: Poison) -> RunOptions {
    RunOptions {
        poison: Some(poison),
        ..RunOptions::default()
    }
}

fn one(x: i64) -> [Expr; 3] {
    [x, 1, 1].map(Expr::from)
}

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
fn a_missing_write_is_reported() {
    let Some(device) = gpu() else { return };
    let package = add_package(&ADD.replace("const n = 100u", "const n = 97u"));
    let inputs = [iota(100), iota(100)];
    for options in [
        RunOptions::default(),
        poisoned(Poison::Nan),
        poisoned(Poison::Big),
    ] {
        let result = run(device, &package, &Symbols::new(), &inputs, &options).unwrap();
        let buffer = "c".into();
        let expected = GuardViolation {
            buffer,
            offset: 97 * 4,
            what: Violation::Unwritten(3),
        };
        assert_eq!(result.guards, [expected]);
        assert!(
            f32s(&result.outputs[0])[97..]
                .iter()
                .all(|value| value.is_nan())
        );
    }
}

#[test]
fn a_write_behind_the_end_is_reported() {
    let Some(device) = gpu() else { return };
    let package = add_package(&ADD.replace("const n = 100u", "const n = 101u"));
    let inputs = [iota(100), iota(100)];
    let result = run(
        device,
        &package,
        &Symbols::new(),
        &inputs,
        &poisoned(Poison::Big),
    )
    .unwrap();
    let what = Violation::WrittenBehindEnd;
    assert_eq!(
        result.guards,
        [GuardViolation {
            buffer: "c".into(),
            offset: 400,
            what
        }]
    );
}

#[test]
fn reading_behind_an_input_gives_nan_or_big() {
    let Some(device) = gpu() else { return };
    let package = add_package(&ADD.replace("a[id.x] +", "a[id.x + 1u] +"));
    let inputs = [iota(100), iota(100)];
    let last = |poison| {
        let options = poisoned(poison);
        let result = run(device, &package, &Symbols::new(), &inputs, &options).unwrap();
        f32s(&result.outputs[0])[99]
    };
    assert!(last(Poison::Nan).is_nan());
    assert!(last(Poison::Big) >= 1e30);
}

const SCALE: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn scale(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < 300u { y[id.x] = 2.0 * x[id.x]; }
}";

/// y = 2^4 x through three scratch buffers.
fn chain() -> Package {
    let n = [Expr::from(300)];
    let mut builder = Builder::new()
        .f32("x", &n, Role::Input)
        .f32("s1", &n, Role::Scratch)
        .f32("s2", &n, Role::Scratch)
        .f32("s3", &n, Role::Scratch)
        .f32("y", &n, Role::Output)
        .kernel("scale", SCALE, [64, 1, 1], &[Access::Read, Access::Write]);
    for id in 0..4 {
        builder = builder.dispatch("scale", one(5), &[id, id + 1]);
    }
    builder.build()
}

#[test]
fn a_chain_through_reused_scratch_is_right() {
    let Some(device) = gpu() else { return };
    let package = chain();
    let options = ExecOptions::default();
    let mut executable =
        Executable::new(device, &package, "main", &Symbols::new(), &options).unwrap();
    // s1 and s3 share a slot: x, y, and two instead of three for scratch.
    let zone = (300 * 4 + 4096) as u64;
    assert_eq!(executable.memory_bytes(), 4 * zone);
    for poison in [None, Some(Poison::Nan), Some(Poison::Big)] {
        let options = RunOptions {
            poison,
            ..RunOptions::default()
        };
        let result = executable
            .run(&[iota(300)], &BTreeMap::new(), &options)
            .unwrap();
        let expected: Vec<f32> = (0..300).map(|i| 16.0 * i as f32).collect();
        assert_eq!(f32s(&result.outputs[0]), expected);
        assert_eq!(result.guards, []);
        assert_eq!(result.dispatches.len(), 4);
    }
}

#[test]
fn overruns_of_scratch_are_reported_even_when_its_slot_is_reused() {
    let Some(device) = gpu() else { return };
    let mut package = chain();
    let wide = SCALE.replace("fn scale", "fn wide").replace("300u", "301u");
    package
        .files
        .insert("kernels/wide.wgsl".into(), wide.into());
    let mut kernel = package.manifest.kernels["scale"].clone();
    kernel.entry_point = "wide".into();
    kernel.code = kforge_runtime::manifest::Code::Wgsl {
        file: "kernels/wide.wgsl".into(),
    };
    package.manifest.kernels.insert("wide".into(), kernel);
    let entry = package.manifest.entries.get_mut("main").unwrap();
    let Step::Dispatch(first) = &mut entry.steps[0];
    first.kernel = "wide".into();
    let result = run(
        device,
        &package,
        &Symbols::new(),
        &[iota(300)],
        &poisoned(Poison::Nan),
    )
    .unwrap();
    let what = Violation::WrittenBehindEnd;
    assert_eq!(
        result.guards,
        [GuardViolation {
            buffer: "s1".into(),
            offset: 1200,
            what
        }]
    );
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
fn wrong_wgsl_names_the_stage() {
    let Some(device) = gpu() else { return };
    let mut package = add_package(&ADD.replace("a[id.x] +", "a[id.x] + nonsense +"));
    let kernel = package.manifest.kernels.get_mut("add").unwrap();
    kernel.stage = "matmul".into();
    kernel
        .knobs
        .insert("tile-m".into(), kforge_runtime::manifest::Knob::Integer(64));
    let Step::Dispatch(dispatch) = &mut package.manifest.entries.get_mut("main").unwrap().steps[0];
    dispatch.shape = [128, 256, 512].map(Expr::from).to_vec();
    let error = run(
        device,
        &package,
        &Symbols::new(),
        &[],
        &RunOptions::default(),
    )
    .unwrap_err();
    assert_eq!(error.kind(), Some(FailureKind::Pipeline));
    let text = error.to_string();
    let start = "GPU execution failed at stage 'matmul' (shape 128x256x512): ";
    assert!(text.starts_with(start), "{text}");
    assert!(
        text.contains("nonsense") && text.contains("tile-m=64"),
        "{text}"
    );
}

#[test]
fn limits_are_named_with_numbers() {
    let Some(device) = gpu() else { return };
    let attempt = |change: &dyn Fn(&mut Package)| {
        let mut package = add_package(ADD);
        change(&mut package);
        let inputs = [iota(100), iota(100)];
        let error = run(
            device,
            &package,
            &Symbols::new(),
            &inputs,
            &RunOptions::default(),
        )
        .unwrap_err();
        (error.kind(), error.to_string())
    };
    fn kernel(package: &mut Package) -> &mut kforge_runtime::manifest::Kernel {
        package.manifest.kernels.get_mut("add").unwrap()
    }
    fn dispatch(package: &mut Package) -> &mut Dispatch {
        let entry = package.manifest.entries.get_mut("main").unwrap();
        let Step::Dispatch(dispatch) = &mut entry.steps[0];
        dispatch
    }
    let limit = device.description().workgroups_per_dimension;

    let (kind, text) = attempt(&|p| dispatch(p).workgroups[1] = (i64::from(limit) + 1).into());
    assert_eq!(kind, Some(FailureKind::Limit));
    assert!(text.contains(&limit.to_string()), "{text}");

    let (kind, text) = attempt(&|p| kernel(p).workgroup_size = [2048, 1, 1]);
    assert_eq!(kind, Some(FailureKind::Limit), "{text}");
    assert!(text.contains("2048 exceed"), "{text}");

    let (kind, text) = attempt(&|p| kernel(p).requires.limits.workgroup_memory = 1 << 30);
    assert_eq!(kind, Some(FailureKind::Limit));
    assert!(
        text.contains("workgroup memory bytes: 1073741824"),
        "{text}"
    );

    let (kind, text) = attempt(&|p| kernel(p).requires.features = vec!["warp-drive".into()]);
    assert_eq!(kind, Some(FailureKind::Unsupported));
    assert!(text.contains("lacks feature 'warp-drive'"), "{text}");

    let (kind, text) = attempt(&|p| kernel(p).bindings[2].elements = Some(101.into()));
    assert_eq!(kind, Some(FailureKind::Validation));
    assert!(text.contains("404 bytes"), "{text}");

    let (kind, text) = attempt(&|p| dispatch(p).args[1].byte_offset = 4.into());
    assert_eq!(kind, Some(FailureKind::Limit));
    assert!(text.contains("byte offset 4"), "{text}");

    let (kind, text) = attempt(&|p| dispatch(p).args[2] = BufferId(0).into());
    assert_eq!(kind, Some(FailureKind::Validation));
    assert!(text.contains("at once"), "{text}");

    // Declared small, but the code itself asks for too many invocations.
    let (kind, text) = attempt(&|p| {
        let wide = ADD.replace("workgroup_size(64)", "workgroup_size(65535)");
        p.files.insert("kernels/add.wgsl".into(), wide.into());
    });
    assert_eq!(kind, Some(FailureKind::Pipeline), "{text}");
}

#[test]
fn wrong_arguments_are_named() {
    let Some(device) = gpu() else { return };
    let package = add_package(ADD);
    let attempt = |inputs: &[HostTensor]| {
        let error = run(
            device,
            &package,
            &Symbols::new(),
            inputs,
            &RunOptions::default(),
        )
        .unwrap_err();
        assert!(matches!(error, RunError::Argument { .. }), "{error}");
        error.to_string()
    };
    assert!(attempt(&[iota(100)]).contains("1 inputs given, it takes 2"));
    let text = attempt(&[iota(100), iota(99)]);
    assert!(
        text.contains("input 'b': given f32[99], it takes f32[100]"),
        "{text}"
    );
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
    let options = RunOptions {
        time: Some(2),
        ..poisoned(Poison::Nan)
    };
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
    let options = RunOptions {
        time: Some(7),
        ..RunOptions::default()
    };
    let result = run(device, &package, &Symbols::new(), &[iota(300)], &options).unwrap();
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

#[test]
fn weights_constants_init_and_state() {
    let Some(device) = gpu() else { return };
    // init: packed = 2 w; main: state += x; y = state + packed + k.
    let main = "
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read> packed: array<f32>;
        @group(0) @binding(2) var<storage, read> k: array<f32>;
        @group(0) @binding(3) var<storage, read_write> state: array<f32>;
        @group(0) @binding(4) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(1)
        fn step(@builtin(global_invocation_id) id: vec3<u32>) {
            let i = id.x;
            state[i] += x[i];
            y[i] = state[i] + packed[i] + k[i];
        }";
    let n = [Expr::from(300)];
    use Access::{Read, ReadWrite, Write};
    let mut package = Builder::new()
        .f32("x", &n, Role::Input)
        .f32("w", &n, Role::Weight)
        .f32("packed", &n, Role::State)
        .f32("k", &n, Role::Constant)
        .f32("sum", &n, Role::State)
        .f32("y", &n, Role::Output)
        .kernel("scale", SCALE, [64, 1, 1], &[Read, Write])
        .kernel(
            "step",
            main,
            [1, 1, 1],
            &[Read, Read, Read, ReadWrite, Write],
        )
        .dispatch("step", one(300), &[0, 2, 3, 4, 5])
        .build();
    let init = Dispatch {
        kernel: "scale".into(),
        workgroups: one(5),
        args: vec![BufferId(1).into(), BufferId(2).into()],
        immediates: Vec::new(),
        shape: Vec::new(),
    };
    let init = Entry {
        steps: vec![Step::Dispatch(init)],
        ..Entry::default()
    };
    package.manifest.entries.insert("init".into(), init);
    package.constants.insert(
        "k".into(),
        HostTensor::from_f32(&[300], &[0.5; 300]).unwrap(),
    );

    let options = ExecOptions::default();
    let mut executable =
        Executable::new(device, &package, "main", &Symbols::new(), &options).unwrap();
    let none = BTreeMap::new();
    let error = executable
        .run(&[iota(300)], &none, &RunOptions::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("weight 'w': no value given"),
        "{error}"
    );

    let weights = BTreeMap::from([("w".into(), iota(300))]);
    for (round, weights) in [weights, none].iter().enumerate() {
        let result = executable
            .run(&[iota(300)], weights, &poisoned(Poison::Nan))
            .unwrap();
        let rounds = (round + 1) as f32;
        let expected: Vec<f32> = (0..300).map(|i| (rounds + 2.0) * i as f32 + 0.5).collect();
        assert_eq!(f32s(&result.outputs[0]), expected, "round {round}");
        assert_eq!(result.guards, []);
        assert_eq!(result.dispatches.len(), 1, "init is not part of the entry");
    }
}

#[test]
fn an_input_may_be_passed_through_in_another_shape() {
    let Some(device) = gpu() else { return };
    let mut package = Builder::new()
        .f32("x", &[Expr::from(6)], Role::Input)
        .build();
    let entry = package.manifest.entries.get_mut("main").unwrap();
    let mut port = entry.inputs[0].clone();
    port.shape = vec![2.into(), 3.into()];
    entry.outputs.push(port);
    let result = run(
        device,
        &package,
        &Symbols::new(),
        &[iota(6)],
        &poisoned(Poison::Nan),
    )
    .unwrap();
    assert_eq!(result.outputs[0], iota(6).reshape(vec![2, 3]).unwrap());
    assert_eq!(result.guards, []);

    package
        .manifest
        .entries
        .get_mut("main")
        .unwrap()
        .inputs
        .clear();
    let error = package.validate().unwrap_err().to_string();
    assert!(error.contains("an input that nothing fills"), "{error}");
}

#[test]
fn a_run_beyond_its_deadline_is_a_timeout() {
    let Some(device) = gpu() else { return };
    let slow = ADD.replace(
        "c[id.x] = a[id.x]",
        "var s = 0.0; for (var i = 0u; i < 60000u; i++) { s = s * 0.5 + a[(id.x + i) % 100u]; } \
         c[id.x] = s",
    );
    let mut package = add_package(&slow);
    let Step::Dispatch(dispatch) = &mut package.manifest.entries.get_mut("main").unwrap().steps[0];
    dispatch.workgroups = [2, 128, 1].map(Expr::from);
    let options = RunOptions {
        timeout_ms: 1,
        ..RunOptions::default()
    };
    let inputs = [iota(100), iota(100)];
    let error = run(device, &package, &Symbols::new(), &inputs, &options).unwrap_err();
    assert_eq!(error.kind(), Some(FailureKind::Timeout), "{error}");
    assert!(
        error.to_string().contains("not finished after 1 ms"),
        "{error}"
    );
}

#[cfg(not(target_vendor = "apple"))]
#[test]
fn a_missing_adapter_is_explained() {
    let error = Device::open(DeviceChoice::Metal).unwrap_err().to_string();
    assert!(
        error.starts_with("no GPU adapter for device 'metal'"),
        "{error}"
    );
    assert!(
        error.contains("mesa-vulkan-drivers") && error.contains("'cpu'"),
        "{error}"
    );
}
