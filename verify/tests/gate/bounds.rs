//! What the gate does where a bound is wider than the errors of right kernels, or says nothing.

use kforge_oracle::{DType, Op, Program, TensorType, UnaryKind, ValueId};
use kforge_runtime::Package;
use kforge_verify::{Options, Reason, Scope};

use crate::{
    large::product,
    package::{SUM, TWICE, additions, dispatch_of, package, set_programs, units, vector, verdict},
};

#[test]
fn an_odd_product_passes_with_a_warning() {
    // Σ|a||b| is about 64: 1/6 of gamma_100 lies above 6·sqrt(100)·u.
    let right = crate::large::PRODUCT;
    let verdict_of = |kernel: &str| verdict(&product(kernel), &Options::default());
    let usual = verdict_of(right);
    assert!(
        usual.passed && usual.warnings.is_empty(),
        "{}",
        usual.summary()
    );
    assert!(!usual.summary().contains("warning"));
    assert!(!serde_json::to_string(&usual).unwrap().contains("warnings"));
    // As if every sum had been rounded the same way: 0.8 of gamma·Σ|a||b|, exact zeros kept.
    let odd = right
        .replace("var c = 0.0;", "var c = 0.0; var t = 0.0;")
        .replace(
            "c += a[i / 100u * 100u + k] * b[k * 100u + i % 100u];",
            "let p = a[i / 100u * 100u + k] * b[k * 100u + i % 100u]; c += p; t += abs(p);",
        )
        .replace(
            "s[i] = c;",
            "s[i] = select(c, c + 80.0 * 5.96e-8 * t, fract(t) != 0.0);",
        );
    let odd = verdict_of(&odd);
    assert!(odd.passed, "{}", odd.summary());
    let first = &odd.warnings[0];
    assert_eq!(
        (first.scope, first.values.as_str()),
        (Scope::Function, "normal")
    );
    assert!(
        first.elements > 5000 && first.typical_ratio > 1.0,
        "{first:?}"
    );
    assert!(
        odd.summary()
            .contains("errors are beyond their typical size"),
        "{}",
        odd.summary()
    );
    assert!(
        serde_json::to_string(&odd)
            .unwrap()
            .contains("\"typical_ratio\"")
    );
}

/// y = sqrt(e - e), e = tanh(s): the difference of two inexact numbers may be below zero.
fn undecided(output: &str) -> Package {
    let twice = TWICE.replace("s[i] + s[i]", output);
    let mut package = package(SUM, &twice);
    let tail = |program: &mut Program, x: ValueId| {
        let unary = |x, kind| Op::Unary { x, kind };
        let e = program.push("tanh", unary(x, UnaryKind::Tanh), vector());
        let op = Op::Binary {
            a: e,
            b: e,
            kind: kforge_oracle::BinaryKind::Sub,
        };
        let d = program.push("sub", op, vector());
        program.outputs = vec![program.push("sqrt", unary(d, UnaryKind::Sqrt), vector())];
    };
    let mut function = additions("main", &["arg0", "arg1"], &[(0, 1)]);
    tail(&mut function, ValueId(2));
    let mut unit = additions("twice", &["s"], &[]);
    tail(&mut unit, ValueId(0));
    let mut listed = units(&package);
    listed[1].program = Some(serde_json::to_value(unit).unwrap());
    set_programs(&mut package, function, listed);
    package
}

#[test]
fn a_stage_of_which_nothing_is_known_is_refused() {
    for output in ["sqrt(tanh(s[i]) - tanh(s[i]))", "0.0", "17.0"] {
        let verdict = verdict(&undecided(output), &Options::default());
        assert!(!verdict.passed && verdict.levels.is_empty());
        let failure = &verdict.failures[0];
        assert_eq!(failure.reason, Reason::Undecided, "{failure:?}");
        assert_eq!(
            (failure.stage.as_str(), failure.scope),
            ("twice", Scope::Kernel)
        );
    }
}

#[test]
fn a_function_of_undecided_stages_alone_is_refused() {
    // One stage, and it is undecided: first as a stage, and as the function too.
    let mut package = undecided("sqrt(tanh(s[i]) - tanh(s[i]))");
    let entry = package.manifest.entries.get_mut("main").unwrap();
    entry.steps.remove(0);
    entry.inputs.truncate(1);
    dispatch_of(&mut package, 0).args[0].buffer.0 = 0;
    let mut listed = units(&package);
    listed.remove(0);
    (listed[0].steps, listed[0].inputs[0].0) = (0..1, 0);
    let mut function: Program = serde_json::from_value(listed[0].program.clone().unwrap()).unwrap();
    function.inputs[0].name = "arg0".into();
    set_programs(&mut package, function, listed);
    let options = Options::default();
    let refused = verdict(&package, &options);
    let reasons: Vec<Reason> = refused.failures.iter().map(|it| it.reason).collect();
    assert_eq!(reasons, [Reason::Undecided], "{}", refused.summary());
    let mut subject = kforge_verify::Subject::of_package(&package, "main").unwrap();
    subject.units.clear();
    let exec = kforge_runtime::ExecOptions::default();
    let refused = kforge_verify::verify(&subject, crate::package::device(), &exec, &options);
    let failure = &refused.failures[0];
    assert_eq!(
        (failure.reason, failure.scope),
        (Reason::Undecided, Scope::Function)
    );
}

#[test]
fn more_work_than_the_oracle_takes_on_is_refused_at_once() {
    // 2^37 multiply-adds in a program of small tensors; no kernel gets to run.
    let mut package = package(SUM, TWICE);
    let ty = |shape: &[usize]| TensorType::new(DType::F32, shape);
    let mut function = additions("main", &["arg0", "arg1"], &[(0, 1), (2, 2)]);
    let size = 1 << 13;
    let data = kforge_oracle::ConstantData::Splat(0.0);
    let square = function.push("big", Op::Constant { data }, ty(&[size, size]));
    let op = Op::Matmul {
        a: square,
        b: square,
        bias: None,
        residual: None,
        transpose_a: false,
        transpose_b: false,
        activation: None,
    };
    function.push("product", op, ty(&[size, size]));
    let listed = units(&package);
    set_programs(&mut package, function, listed);
    let start = std::time::Instant::now();
    let refused = verdict(&package, &Options::default());
    assert!(!refused.passed);
    let detail = &refused.failures[0].detail;
    assert!(detail.contains("multiply-adds, limit"), "{detail}");
    assert!(start.elapsed().as_secs() < 60);
}
