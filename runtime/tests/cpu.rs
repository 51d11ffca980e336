//! Native kernels: functions supplied by the host, and shared libraries.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use std::{collections::BTreeMap, process::Command, sync::Arc};

use common::{Builder, f32s, iota};
use kforge_runtime::{
    Device, DeviceChoice, Executable, Package, Poison, RunError, RunOptions, RunResult,
    cpu::{NativeFn, RawNativeFn},
    diagnose,
    execute::{ExecOptions, FailureKind, GuardViolation, Violation},
    manifest::{Access, Code, Expr, Immediate, Role, ScalarType, Symbols},
};

const N: usize = 1000;

/// y[i] = factor * x[i] for 8 elements per block; immediates: n, factor.
// SAFETY: reached only through the kernel declared in `package`, whose arguments it reads.
unsafe extern "C" fn scale(args: *const *mut u8, begin: i64, end: i64) {
    // SAFETY: called with the arguments of the kernel declared in `package`.
    unsafe {
        let (x, y) = (*args.cast::<*const f32>(), *args.add(1).cast::<*mut f32>());
        let immediates = *args.add(2);
        let n = immediates.cast::<i32>().read() as i64;
        let factor = immediates.add(4).cast::<f32>().read();
        let grid = *args.add(3).cast::<*const u64>();
        assert_eq!(grid.read() * grid.add(1).read() * grid.add(2).read(), 125);
        for i in begin * 8..(end * 8).min(n) {
            *y.add(i as usize) = factor * *x.add(i as usize);
        }
    }
}

fn triple() -> String {
    let system = match std::env::consts::OS {
        "macos" => "apple-darwin".to_owned(),
        other => format!("unknown-{other}-gnu"),
    };
    format!("{}-{system}", std::env::consts::ARCH)
}

fn package(file: Option<&str>) -> Package {
    let n = [Expr::from(N as i64)];
    let code = Code::Native {
        file: file.map(Into::into),
        triple: triple(),
        cpu_features: Vec::new(),
        symbol: "scale".into(),
    };
    let kernel = common::kernel("scale", code, [1, 1, 1], &[Access::Read, Access::Write]);
    let mut builder = Builder::new()
        .f32("x", &n, Role::Input)
        .f32("y", &n, Role::Output);
    builder
        .package
        .manifest
        .kernels
        .insert("scale".into(), kernel);
    builder
        .immediates("scale", &[ScalarType::I32, ScalarType::F32])
        .dispatch_with("scale", [25, 5, 1].map(Expr::from), &[0, 1], |dispatch| {
            dispatch.immediates = vec![Immediate::Integer((N as i64).into()), 3.0_f32.into()];
        })
        .build()
}

fn execute(package: &Package, options: &ExecOptions) -> Result<RunResult, RunError> {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let mut executable = Executable::new(&device, package, "main", &Symbols::new(), options)?;
    let options = RunOptions {
        poison: Some(Poison::Nan),
        ..RunOptions::default()
    };
    executable.run(&[iota(N)], &BTreeMap::new(), &options)
}

fn options(function: RawNativeFn) -> ExecOptions {
    // SAFETY: the functions of this file are static and follow the ABI.
    let function = unsafe { NativeFn::new(function, Arc::new(())) };
    let native = BTreeMap::from([("scale".to_owned(), function)]);
    ExecOptions {
        native,
        ..ExecOptions::default()
    }
}

fn check(result: &RunResult) {
    let expected: Vec<f32> = (0..N).map(|i| 3.0 * i as f32).collect();
    assert_eq!(f32s(&result.outputs[0]), expected);
    assert_eq!(result.guards, []);
    assert!(result.dispatches[0].gpu_ms.unwrap().min > 0.0);
}

#[test]
fn a_function_of_the_host_runs_in_parallel_blocks() {
    check(&execute(&package(None), &options(scale)).unwrap());
}

#[test]
fn stray_and_missing_writes_are_reported() {
    // SAFETY: reached only through the kernel declared in `package`; it touches just y and its
    // guard zone.
    unsafe extern "C" fn stray(args: *const *mut u8, _: i64, end: i64) {
        if end == 125 {
            // SAFETY: the guard zone belongs to the buffer.
            unsafe { (*args.add(1).cast::<*mut f32>()).add(N).write(1.0) };
        }
    }
    let result = execute(&package(None), &options(stray)).unwrap();
    let violation = |offset, what| GuardViolation {
        buffer: "y".into(),
        offset,
        what,
    };
    assert_eq!(
        result.guards,
        [
            violation(4 * N as u64, Violation::WrittenBehindEnd),
            violation(0, Violation::Unwritten(N as u64))
        ]
    );
}

#[test]
fn a_shared_library_of_the_package_runs_if_allowed() {
    const SOURCE: &str = "
        void scale(char *const *args, long long begin, long long end) {
            const float *x = (const float *)args[0];
            float *y = (float *)args[1];
            long long n = *(int *)args[2];
            float factor = ((float *)args[2])[1];
            for (long long i = begin * 8; i < end * 8 && i < n; i++) y[i] = factor * x[i];
        }";
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (
        folder.path().join("scale.c"),
        folder.path().join("scale.so"),
    );
    std::fs::write(&source, SOURCE).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("unsupported: no C compiler");
        return;
    }
    let mut package = package(Some("kernels/scale.so"));
    package
        .files
        .insert("kernels/scale.so".into(), std::fs::read(&library).unwrap());

    let error = execute(&package, &ExecOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Some(FailureKind::Unsupported));
    assert!(
        error
            .to_string()
            .contains("native code, which is not allowed"),
        "{error}"
    );

    // Through the disk and back.
    let saved = folder.path().join("package");
    package.save(&saved).unwrap();
    let mut package = Package::load(&saved).unwrap();
    let allowed = ExecOptions {
        allow_native_code: true,
        ..ExecOptions::default()
    };
    check(&execute(&package, &allowed).unwrap());

    let kernel = package.manifest.kernels.get_mut("scale").unwrap();
    let Code::Native { cpu_features, .. } = &mut kernel.code else {
        panic!("native")
    };
    cpu_features.push("warp-drive".into());
    let error = execute(&package, &allowed).unwrap_err().to_string();
    assert!(
        error.starts_with("CPU execution failed at stage 'scale' (shape 1000)"),
        "{error}"
    );
    assert!(error.contains("warp-drive"), "{error}");
}

#[test]
fn packages_of_the_other_kind_are_refused() {
    let wgsl = common::add_package(common::ADD);
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let options = ExecOptions::default();
    let error = Executable::new(&device, &wgsl, "main", &Symbols::new(), &options).unwrap_err();
    assert!(error.to_string().contains("the kernel is WGSL"), "{error}");
    assert!(
        package(None)
            .save(std::env::temp_dir().join("never"))
            .is_err()
    );
}

#[test]
fn the_processor_describes_itself() {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let description = device.description();
    assert!(description.cores > 0 && description.simd_bits >= 128);
    let diagnosis = diagnose(&device).unwrap();
    assert!(diagnosis.smoke_test.is_none());
    assert!(diagnosis.to_string().contains("SIMD"));
    let json = serde_json::to_string(description).unwrap();
    assert_eq!(
        &serde_json::from_str::<kforge_runtime::DeviceDescription>(&json).unwrap(),
        description
    );
    for (name, words) in [
        ("warp", "unknown device 'warp'; use auto, vulkan"),
        ("cuda", "NVIDIA GPUs are reached through Vulkan"),
    ] {
        let error = name.parse::<DeviceChoice>().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(
        "vulkan".parse::<DeviceChoice>().unwrap(),
        DeviceChoice::Vulkan
    );
}
