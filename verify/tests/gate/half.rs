//! A chain of half-precision products whose bound says nothing: held against a plain kernel.
//!
//! The kernel computes in f32 and rounds to f16 in integer arithmetic, so that it
//! runs on devices without f16.

use kforge_oracle::{DType, Input, Op, Program, TensorType, ValueId};
use kforge_runtime::{
    Package,
    manifest::{Binding, Buffer, Dtype, Expr, Role},
};
use kforge_verify::{Options, Reason, Scope, Verdict};

use crate::package::{SUM, TWICE, dispatch_of, package, set_programs, units, verdict};

const LAYERS: usize = 6;

/// y = tanh(... tanh(tanh(x·w)·w) ...), [1,100]·[100,100], all in one workgroup.
const CHAIN: &str = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
var<workgroup> line: array<f32, 100>;
fn half(at: u32) -> f32 { return unpack2x16float(w[at / 2u])[at % 2u]; }
fn rounded(v: f32) -> f32 { return quantizeToF16(v); }
@compute @workgroup_size(100)
fn sum(@builtin(local_invocation_index) j: u32) {
    line[j] = unpack2x16float(x[j / 2u])[j % 2u];
    for (var layer = 0u; layer < 6u; layer++) {
        workgroupBarrier();
        var c = 0.0;
        for (var k = 0u; k < 100u; k++) { c += line[k] * half(k * 100u + j); }
        workgroupBarrier();
        line[j] = rounded(tanh(c));
    }
    workgroupBarrier();
    if j % 2u == 0u { y[j / 2u] = pack2x16float(vec2(line[j], line[j + 1u])); }
}";

fn program() -> Program {
    let (row, square) = (
        TensorType::new(DType::F16, &[1, 100]),
        TensorType::new(DType::F16, &[100, 100]),
    );
    let mut program = Program {
        name: "main".into(),
        inputs: vec![
            Input {
                name: "a".into(),
                ty: row.clone(),
            },
            Input {
                name: "b".into(),
                ty: square,
            },
        ],
        nodes: Vec::new(),
        outputs: vec![ValueId(0)],
    };
    for _ in 0..LAYERS {
        let op = Op::Matmul {
            a: program.outputs[0],
            b: ValueId(1),
            bias: None,
            residual: None,
            transpose_a: false,
            transpose_b: false,
            activation: Some(kforge_oracle::ActivationKind::Tanh),
        };
        program.outputs = vec![program.push("layer", op, row.clone())];
    }
    program
}

fn chain(kernel: &str) -> Package {
    let mut package = package(SUM, TWICE);
    let manifest = &mut package.manifest;
    manifest.buffers.truncate(3);
    let shapes = [[1, 100], [100, 100], [1, 100]].map(|shape| shape.map(Expr::from).to_vec());
    let roles = [Role::Input, Role::Input, Role::Output];
    for ((buffer, shape), role) in manifest.buffers.iter_mut().zip(&shapes).zip(roles) {
        *buffer = Buffer::dense(&buffer.name, Dtype::F16, shape.clone(), role);
    }
    manifest.kernels.remove("twice");
    let sum = manifest.kernels.get_mut("sum").unwrap();
    sum.workgroup_size = [100, 1, 1];
    for binding in &mut sum.bindings {
        *binding = Binding {
            dtype: Dtype::F16,
            ..binding.clone()
        };
    }
    let entry = manifest.entries.get_mut("main").unwrap();
    entry.steps.truncate(1);
    entry.outputs[0].buffer.0 = 2;
    let ports = entry.inputs.iter_mut().chain(&mut entry.outputs);
    for (port, shape) in ports.zip(shapes) {
        (port.dtype, port.shape) = (Dtype::F16, shape);
    }
    dispatch_of(&mut package, 0).workgroups = [1, 1, 1].map(Expr::from);
    package.files.remove("kernels/twice.wgsl");
    package
        .files
        .insert("kernels/sum.wgsl".into(), kernel.into());
    let mut unit = units(&package).remove(0);
    unit.program = Some(serde_json::to_value(program()).unwrap());
    set_programs(&mut package, program(), vec![unit]);
    package
}

fn checked(kernel: &str) -> Verdict {
    verdict(&chain(kernel), &Options::default())
}

#[test]
fn a_right_chain_passes_beside_a_plain_kernel() {
    let verdict = checked(CHAIN);
    assert!(verdict.passed, "{}", verdict.summary());
    let against = |scope| {
        let mut checks = verdict
            .checks
            .iter()
            .filter(move |check| check.scope == scope);
        checks.any(|check| check.against_plain > 0)
    };
    // One unit: it runs as the function.
    assert!(against(Scope::Function) && !against(Scope::Kernel));
}

#[test]
fn errors_far_beyond_a_plain_kernel_are_refused_where_the_bound_is_silent() {
    // f16 sums are a plain kernel's own: within 3 times its error.
    let plain = CHAIN.replace("c += line", "c = rounded(c) + line");
    assert!(checked(&plain).passed, "{}", checked(&plain).summary());
    for wrong in [
        // Three bits of every intermediate lost.
        CHAIN.replace(
            "rounded(tanh(c))",
            "rounded(round(tanh(c) * 256.0) / 256.0)",
        ),
        CHAIN.replace("rounded(tanh(c))", "rounded(tanh(c) * 0.99)"),
    ] {
        let refused = checked(&wrong);
        assert!(!refused.passed, "{}", refused.summary());
        let failure = &refused.failures[0];
        assert_eq!(failure.reason, Reason::NumericMismatch);
        assert!(
            failure.detail.contains("plain half-precision kernel"),
            "{failure:?}"
        );
    }
}
