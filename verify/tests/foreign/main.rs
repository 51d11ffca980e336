//! Hand-written kernels before the gate: right ones pass at every mandatory shape, wrong ones
//! are refused for the right reason.
//!
//! The right kernels are files of test/Inputs/kernels; every wrong one is an edit of such a file,
//! and is asserted to differ from it. Without an adapter the tests fail: nothing was shown.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

mod attention;
mod edges;
mod elements;
mod hostile;
mod interface;
mod matmul;
mod module;
mod rows;

use std::{fs, path::PathBuf, sync::OnceLock};

use kforge_oracle::{DType, Input, Op, Program, TensorType, ValueId};
use kforge_runtime::{Device, DeviceChoice, ExecOptions};
use kforge_verify::{
    Failure, Options, Reason, Scope, Verdict,
    foreign::{ForeignError, ForeignKernel, Interface, subject},
};

pub fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| {
        Device::open(DeviceChoice::Auto).expect("a GPU, or mesa-vulkan-drivers for lavapipe")
    })
}

/// A file of test/Inputs/kernels.
pub fn file(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../test/Inputs/kernels");
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The kernel of that name with its interface.
pub fn kernel(name: &str) -> ForeignKernel {
    let toml = format!("{name}.toml");
    ForeignKernel {
        stage: "op".into(),
        name: format!("{name}.wgsl"),
        wgsl: file(&format!("{name}.wgsl")),
        interface: Interface::from_toml(&toml, &file(&toml)).unwrap(),
    }
}

/// A program of one op on operands of f32.
pub fn program(op: Op, operands: &[(&str, &[usize])], result: &[usize]) -> Program {
    let inputs = operands.iter().map(|(name, shape)| Input {
        name: (*name).into(),
        ty: TensorType::new(DType::F32, shape),
    });
    let mut program = Program {
        name: "function".into(),
        inputs: inputs.collect(),
        nodes: Vec::new(),
        outputs: vec![ValueId(operands.len() as u32)],
    };
    program.push("op", op, TensorType::new(DType::F32, result));
    program.validate().unwrap();
    program
}

pub fn judge(program: &Program, kernel: &ForeignKernel) -> Result<Verdict, ForeignError> {
    let subject = subject(program, kernel)?;
    let (exec, options) = (ExecOptions::default(), Options::default());
    Ok(kforge_verify::verify(&subject, device(), &exec, &options))
}

/// Asserts that a kernel passes, and returns how many other shapes it was tried at.
pub fn passes(program: &Program, kernel: &ForeignKernel) -> usize {
    let verdict = judge(program, kernel).unwrap();
    assert!(verdict.passed, "{}: {}", kernel.name, verdict.summary());
    let shapes = verdict.checks.iter().filter(|it| it.scope == Scope::Shape);
    let mut stages: Vec<&str> = shapes.map(|check| check.stage.as_str()).collect();
    stages.dedup();
    stages.len()
}

/// The first refusal of a kernel that must not pass.
pub fn refusal(program: &Program, kernel: &ForeignKernel) -> Failure {
    let verdict = judge(program, kernel).unwrap();
    assert!(!verdict.passed, "{}: {}", kernel.name, verdict.summary());
    verdict.failures[0].clone()
}

/// An edit of a kernel's text: what is replaced, everywhere, by what.
pub type Edit<'e> = &'e [(&'e str, &'e str)];

/// The kernel with edits, each of which is asserted to be made.
pub fn edited(name: &str, edits: Edit) -> ForeignKernel {
    let mut kernel = kernel(name);
    for (from, to) in edits {
        assert!(kernel.wgsl.contains(from), "{name} has no '{from}'");
        kernel.wgsl = kernel.wgsl.replace(from, to);
    }
    kernel
}

/// Asserts that every edit of `name` is refused for one of its reasons, and reports all that
/// are not.
pub fn all_refused(program: &Program, name: &str, wrong: &[(&str, Edit, &[Reason])]) {
    let mut complaints = Vec::new();
    for (what, edits, reasons) in wrong {
        match judge(program, &edited(name, edits)) {
            Ok(verdict) if !verdict.passed && reasons.contains(&verdict.failures[0].reason) => {
                println!("{name}, {what}: {}", verdict.summary());
            }
            Ok(verdict) => complaints.push(format!("{what}: {}", verdict.summary())),
            Err(error) => complaints.push(format!("{what}: before the gate: {error}")),
        }
    }
    assert!(complaints.is_empty(), "{name}:\n{}", complaints.join("\n"));
}
