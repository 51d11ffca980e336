//! A product above the limit of full comparison: what its checks find.

use std::collections::BTreeMap;

use kforge_oracle::{DType, Input, Op, Program, TensorType, ValueId};
use kforge_runtime::{
    Package,
    manifest::{Expr, Role, Unit},
};
use kforge_verify::{Options, Reason, Scope, Verdict};

use crate::package::{TWICE, package, set_programs, verdict};

/// c[i, j] = sum over k of a[i, k] b[k, j], 100 x 100 x 100.
pub const PRODUCT: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> s: array<f32>;
@compute @workgroup_size(64)
fn sum(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < 10000u {
        var c = 0.0;
        for (var k = 0u; k < 100u; k++) { c += a[i / 100u * 100u + k] * b[k * 100u + i % 100u]; }
        s[i] = c;
    }
}";

pub fn product(kernel: &str) -> Package {
    let ty = TensorType::new(DType::F32, &[100, 100]);
    let input = |name: &str| Input {
        name: name.into(),
        ty: ty.clone(),
    };
    let mut program = Program {
        name: "main".into(),
        inputs: vec![input("a"), input("b")],
        nodes: Vec::new(),
        outputs: vec![ValueId(2)],
    };
    let op = Op::Matmul {
        a: ValueId(0),
        b: ValueId(1),
        bias: None,
        residual: None,
        transpose_a: false,
        transpose_b: false,
        activation: None,
    };
    program.push("product", op, ty.clone());
    let mut package = package(kernel, TWICE);
    let shape = || vec![Expr::from(100), Expr::from(100)];
    let manifest = &mut package.manifest;
    manifest.buffers.truncate(3);
    for buffer in &mut manifest.buffers {
        *buffer = kforge_runtime::manifest::Buffer::dense(
            &buffer.name,
            buffer.dtype,
            shape(),
            if buffer.name == "s" {
                Role::Output
            } else {
                Role::Input
            },
        );
    }
    manifest.kernels = BTreeMap::from_iter(manifest.kernels.remove_entry("sum"));
    package.files.remove("kernels/twice.wgsl");
    if let Some(entry) = manifest.entries.get_mut("main") {
        entry.steps.truncate(1);
        entry.outputs[0].buffer.0 = 2;
        for port in entry.inputs.iter_mut().chain(&mut entry.outputs) {
            port.shape = shape();
        }
    }
    crate::package::dispatch_of(&mut package, 0).workgroups = [157, 1, 1].map(Expr::from);
    let unit = Unit {
        stage: "sum".into(),
        entry: "main".into(),
        steps: 0..1,
        inputs: [0, 1].map(kforge_runtime::manifest::BufferId).to_vec(),
        outputs: vec![kforge_runtime::manifest::BufferId(2)],
        program: Some(serde_json::to_value(&program).unwrap()),
        spec: None,
    };
    set_programs(&mut package, program, vec![unit]);
    package
}

fn sampled(kernel: &str, options: Options) -> Verdict {
    let options = Options {
        full_multiply_adds: 999_999,
        ..options
    };
    verdict(&product(kernel), &options)
}

#[test]
fn a_right_product_passes_and_its_rows_are_counted() {
    let verdict = sampled(PRODUCT, Options::default());
    assert!(verdict.passed, "{}", verdict.summary());
    let on_device = |scope| {
        let checks = verdict
            .checks
            .iter()
            .filter(move |check| check.scope == scope);
        checks.map(|check| check.elements).collect::<Vec<_>>()
    };
    // One unit: it runs as the function.
    assert_eq!(on_device(Scope::Kernel).len(), 0);
    assert_eq!(on_device(Scope::Function), [6400; 7]);
    assert_eq!(on_device(Scope::Program).len(), 7);
    // At the limit itself everything is compared.
    let options = Options {
        full_multiply_adds: 1_000_000,
        ..Options::default()
    };
    let full = crate::package::verdict(&product(PRODUCT), &options);
    assert!(full.passed && full.checks.iter().any(|check| check.elements == 10_000));
}

#[test]
fn one_wrong_element_of_any_row_is_refused() {
    for row in (0..100).step_by(7) {
        let wrong = PRODUCT.replace(
            "s[i] = c;",
            &format!("s[i] = c + select(0.0, 1.0, i == {}u);", row * 100 + 7),
        );
        let verdict = sampled(&wrong, Options::default());
        assert!(!verdict.passed, "row {row}");
        let failure = &verdict.failures[0];
        assert_eq!(
            (failure.reason, failure.scope),
            (Reason::NumericMismatch, Scope::Function)
        );
    }
}

#[test]
fn an_error_that_signs_may_hide_is_refused() {
    // +1 and -1 in one row: half of all vectors of signs give 0. Row 50 is not recomputed.
    let options = || Options {
        seed: 3,
        ..Options::default()
    };
    let wrong = PRODUCT.replace(
        "s[i] = c;",
        "s[i] = c + select(0.0, 1.0, i == 5001u) - select(0.0, 1.0, i == 5002u);",
    );
    assert!(sampled(PRODUCT, options()).passed);
    let refused = sampled(&wrong, options());
    assert!(!refused.passed, "{}", refused.summary());
}

#[test]
fn the_last_step_of_the_contraction_is_not_forgotten() {
    let wrong = PRODUCT.replace("k < 100u", "k < 99u");
    assert!(!sampled(&wrong, Options::default()).passed);
}

#[test]
fn tolerances_tighten_sampled_rows_too() {
    let exact = Options {
        atol: Some(0.0),
        rtol: Some(0.0),
        ..Options::default()
    };
    assert!(!sampled(PRODUCT, exact).passed);
}
