//! `kforge-run` from files to files: exact results, weights, exit codes.

#![cfg(feature = "mlir")]
#![allow(missing_docs, clippy::unwrap_used, reason = "test code")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use kforge_runtime::HostTensor;
use safetensors::{Dtype, tensor::TensorView};

fn input(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../test/Inputs")
        .join(name)
}

fn run(arguments: &[&str]) -> Output {
    let file = input("vector-add.mlir");
    Command::new(env!("CARGO_BIN_EXE_kforge-run"))
        .arg(file)
        .args(arguments)
        .output()
        .unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ramp(count: usize) -> Vec<f32> {
    (0..count).map(|index| index as f32 * 0.25 - 3.0).collect()
}

/// A safetensors file of one f32 tensor.
fn weights(path: &Path, name: &str, values: &[f32]) {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let view = TensorView::new(Dtype::F32, vec![values.len()], &bytes).unwrap();
    let tensors = BTreeMap::from([(name, view)]);
    std::fs::write(path, safetensors::serialize(tensors, None).unwrap()).unwrap();
}

#[test]
fn files_in_files_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let x = HostTensor::from_f32(&[10, 10], &ramp(100)).unwrap();
    x.write_npy(path("x.npy")).unwrap();
    weights(
        Path::new(&path("w.safetensors")),
        "layer.w",
        &vec![0.5; 100],
    );
    let argument = format!("0={}", path("x.npy"));
    let (file, out) = (path("w.safetensors"), path("out"));
    let output = run(&[
        "--entry",
        "add_twice",
        "--arg",
        &argument,
        "--weights",
        &file,
        "--out-dir",
        &out,
    ]);
    assert!(output.status.success(), "{}", error(&output));
    let result = HostTensor::read_npy(folder.path().join("out/result.0.npy")).unwrap();
    let expected: Vec<f64> = x.to_f64_vec().iter().map(|x| (x + 0.5) * 2.0).collect();
    assert_eq!(result.shape(), [10, 10]);
    assert_eq!(result.to_f64_vec(), expected);
    // Nothing but the result is left in the folder.
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 1);
}

#[test]
fn weights_are_checked_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.safetensors");
    let shown = file.display().to_string();
    let common = [
        "--entry",
        "add_twice",
        "--arg",
        "zeros",
        "--weights",
        &shown,
    ];
    for (name, count, message) in [
        ("layer.v", 100, "there is no tensor 'layer.w'"),
        ("layer.w", 99, "tensor 'layer.w' is F32[99], not f32[100]"),
    ] {
        weights(&file, name, &vec![1.0; count]);
        let output = run(&common);
        assert_eq!(output.status.code(), Some(1));
        assert!(error(&output).contains(message), "{}", error(&output));
    }
}

#[test]
fn exit_codes() {
    let code = |arguments: &[&str]| run(arguments).status.code();
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["--entry", "add", "--arg", "zeros"]), Some(0));
    assert_eq!(code(&["--no-such-flag"]), Some(1));
    assert_eq!(code(&["--entry", "add"]), Some(1));
    assert_eq!(
        code(&["--entry", "add", "--arg", "zeros", "--time", "2"]),
        Some(2)
    );
    // No system has both.
    let absent = if cfg!(target_os = "macos") {
        "dx12"
    } else {
        "metal"
    };
    assert_eq!(
        code(&["--entry", "add", "--arg", "zeros", "--device", absent]),
        Some(3)
    );
}
