//! `kforge-run` on a package with open sizes: bound by files, by `--size`, refused.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code")]

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
};

use kforge_runtime::{
    Dtype, HostTensor, Manifest, Package,
    manifest::{
        Access, Binding, Buffer, BufferId, Code, Dispatch, Entry, Expr, FORMAT, Kernel, Port, Role,
        ScalarType, Step, SymbolRange, VerifierSettings,
    },
};

/// y[i] = x[i] + w[2i] + w[2i + 1], for i < n.
const WGSL: &str = "
struct Sizes { n: u32 }
var<immediate> sizes: Sizes;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(32)
fn pairs(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < sizes.n { y[i] = x[i] + w[2u * i] + w[2u * i + 1u]; }
}";

/// Inputs x [n] and w [2n] and output y [n], n from 1 to 100.
fn save(folder: &Path) {
    let n = || Expr::symbol("n");
    let shapes = [
        ("x", n(), Role::Input),
        ("w", n() * 2, Role::Input),
        ("y", n(), Role::Output),
    ];
    let buffers: Vec<Buffer> = shapes
        .map(|(name, size, role)| Buffer::dense(name, Dtype::F32, [size], role))
        .into();
    let port = |index: u32| {
        let buffer = &buffers[index as usize];
        Port {
            name: buffer.name.clone(),
            buffer: BufferId(index),
            dtype: buffer.dtype,
            shape: buffer.shape.clone(),
        }
    };
    let dispatch = Dispatch {
        kernel: "pairs".into(),
        workgroups: [n().ceil_div(32), 1.into(), 1.into()],
        args: [0, 1, 2].map(|id| BufferId(id).into()).into(),
        immediates: vec![n().into()],
        shape: Vec::new(),
    };
    let entry = Entry {
        inputs: vec![port(0), port(1)],
        outputs: vec![port(2)],
        steps: vec![Step::Dispatch(dispatch)],
    };
    let binding = |access| Binding {
        access,
        dtype: Dtype::F32,
        elements: None,
    };
    let kernel = Kernel {
        entry_point: "pairs".into(),
        code: Code::Wgsl {
            file: "kernels/pairs.wgsl".into(),
        },
        workgroup_size: [32, 1, 1],
        bindings: [Access::Read, Access::Read, Access::Write]
            .map(binding)
            .into(),
        immediates: vec![ScalarType::U32],
        stage: "pairs".into(),
        knobs: BTreeMap::new(),
        requires: Default::default(),
        abi: Default::default(),
    };
    let mut package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: "0.1.0".into(),
        plan: String::new(),
        symbols: BTreeMap::from([("n".into(), SymbolRange { min: 1, max: 100 })]),
        buffers,
        kernels: BTreeMap::from([("pairs".into(), kernel)]),
        entries: BTreeMap::from([("main".into(), entry)]),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    package
        .files
        .insert("kernels/pairs.wgsl".into(), WGSL.into());
    package.save(folder).unwrap();
}

/// A folder with the package, x.npy of 5 elements, w.npy of 10, odd.npy of 7 and
/// square.npy of 2x2.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("package"));
    for (name, shape) in [
        ("x", &[5][..]),
        ("w", &[10]),
        ("odd", &[7]),
        ("square", &[2, 2]),
    ] {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|index| index as f32).collect();
        let tensor = HostTensor::from_f32(shape, &values).unwrap();
        tensor
            .write_npy(folder.path().join(format!("{name}.npy")))
            .unwrap();
    }
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kforge-run"))
        .current_dir(folder)
        .arg("package")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn sizes_follow_from_files_and_options() {
    let folder = files();
    for (arguments, expected) in [
        (["--arg", "x=x.npy", "--arg", "w=w.npy"], "[5]"),
        (["--arg", "x=x.npy", "--arg", "random"], "[5]"),
        (["--arg", "w=w.npy", "--arg", "random"], "[5]"),
        (["--size", "n=100", "--arg", "random"], "[100]"),
    ] {
        let output = run(
            folder.path(),
            &[&arguments[..], &["--out-dir", "out"]].concat(),
        );
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{error}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(&format!("y: f32{expected}")), "{text}");
    }
    run(
        folder.path(),
        &["--arg", "0=x.npy", "--arg", "1=w.npy", "--out-dir", "out"],
    );
    let result = HostTensor::read_npy(folder.path().join("out/result.0.npy")).unwrap();
    assert_eq!(result.to_f64_vec(), [1.0, 6.0, 11.0, 16.0, 21.0]);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let folder = files();
    for (arguments, message) in [
        (
            &["--arg", "random"][..],
            "size 'n' has no value; give --size n=VALUE or a file",
        ),
        (
            &["--size", "n=101", "--arg", "zeros"],
            "size 'n' is 101 by --size n=101; the package takes 1 to 100",
        ),
        (
            &["--size", "n=4", "--arg", "0=x.npy", "--arg", "zeros"],
            "size 'n' is 4 by --size n=4 and 5 by axis 0 of argument 'x'",
        ),
        (
            &["--arg", "0=odd.npy", "--arg", "1=w.npy"],
            "axis 0 of argument 'w' is 10, but (n * 2) is 14: n is 7 by axis 0 of argument 'x'",
        ),
        (
            &["--arg", "1=odd.npy", "--arg", "zeros", "--size", "n=3"],
            "axis 0 of argument 'w' is 7, but (n * 2) is 6: n is 3 by --size n=3",
        ),
        (
            &["--arg", "0=square.npy", "--arg", "zeros"],
            "argument 'x' is f32[n], given is f32[2x2]",
        ),
        (
            &["--size", "m=1", "--arg", "zeros"],
            "--size m=1: the package has no such size; its open sizes are: n",
        ),
        (
            &["--size", "n", "--arg", "zeros"],
            "--size n is no NAME=VALUE",
        ),
    ] {
        let output = run(folder.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(message), "{error}");
    }
}
