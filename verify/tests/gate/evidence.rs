//! What a verdict says of what was compared, and refusals that are made again.

use kforge_oracle::{ConstantData, Op, UnaryKind, ValueId};
use kforge_runtime::{
    ExecOptions, HostTensor,
    manifest::{Buffer, BufferId, Dtype, Expr, Role},
};
use kforge_verify::{Case, Options, Reason, Scope, Subject, least_work};

use crate::package::{
    SUM, TWICE, additions, device, dispatch_of, package, refusal, set_programs, units, vector,
    verdict,
};

#[test]
fn the_worst_comparison_is_the_worst_of_all() {
    let verdict = verdict(&package(SUM, TWICE), &Options::default());
    let all = verdict.checks.iter().map(|check| check.max_ratio);
    assert_eq!(verdict.worst_ratio, all.fold(0.0, f64::max));
    assert!(verdict.worst_ratio > 0.0);
    let norms = verdict.error_norms().unwrap();
    let function =
        |check: &&kforge_verify::Check| check.scope == Scope::Function && check.values == "normal";
    let check = verdict.checks.iter().find(function).unwrap();
    assert_eq!(norms.max_abs_error, check.max_abs_error);
    assert_eq!(norms.rms_error, check.rms_error);
    assert!(norms.max_abs_error > 0.0);
}

#[test]
fn a_wrong_value_has_its_error_and_every_knob_once() {
    // Every element is wrong by a third; both kernels have the same knobs.
    let wrong = TWICE.replace("s[i] + s[i]", "s[i] + s[i] + 0.3333");
    let package = package(SUM, &wrong);
    let mut subject = Subject::of_package(&package, "main").unwrap();
    subject.units.clear();
    let (exec, options) = (ExecOptions::default(), Options::default());
    let verdict = kforge_verify::verify(&subject, device(), &exec, &options);
    let failure = &verdict.failures[0];
    assert_eq!(failure.scope, Scope::Function);
    assert_eq!(failure.knobs, "tile=64");
    let error = failure.max_abs_error.unwrap();
    assert!((error - 0.3333).abs() < 1e-3, "{error}");
}

#[test]
fn programs_that_are_equal_in_another_order_pass() {
    let mut other = package(SUM, TWICE);
    let listed = units(&other);
    let function = additions("main", &["arg0", "arg1"], &[(1, 0), (2, 2)]);
    set_programs(&mut other, function, listed);
    let verdict = verdict(&other, &Options::default());
    assert!(verdict.passed, "{}", verdict.summary());
    let programs = |check: &&kforge_verify::Check| check.scope == Scope::Program;
    assert!(verdict.checks.iter().filter(programs).count() > 1);
}

#[test]
fn programs_of_which_no_case_decides_are_refused_as_undecided() {
    // The root of what is negative everywhere.
    let root = |name: &str, inputs: &[&str], of: &[(u32, u32)]| {
        let mut program = additions(name, inputs, of);
        let mut last = program.outputs[0];
        for kind in [
            UnaryKind::Abs,
            UnaryKind::Exp,
            UnaryKind::Neg,
            UnaryKind::Sqrt,
        ] {
            last = program.push("root", Op::Unary { x: last, kind }, vector());
        }
        program.outputs = vec![last];
        program
    };
    let mut package = package(SUM, TWICE);
    let mut listed = units(&package);
    let second = root("twice", &["s"], &[(0, 0)]);
    listed[1].program = Some(serde_json::to_value(second).unwrap());
    set_programs(
        &mut package,
        root("main", &["arg0", "arg1"], &[(1, 0), (2, 2)]),
        listed,
    );
    let failure = refusal(&package);
    assert_eq!(
        (failure.reason, failure.scope),
        (Reason::Undecided, Scope::Program)
    );
}

#[test]
fn stages_that_are_shown_to_be_wrong_are_refused_once_each() {
    let wrong = |kernel: &str| kernel.replace("i < 100u", "i < 101u");
    let mut package = package(&wrong(SUM), &wrong(TWICE));
    let entry = package.manifest.entries.get_mut("main").unwrap();
    let again = entry.steps[1].clone();
    entry.steps.push(again);
    let mut listed = units(&package);
    listed[1].steps = 1..3;
    let function = additions("main", &["arg0", "arg1"], &[(0, 1), (2, 2)]);
    set_programs(&mut package, function, listed);
    let verdict = verdict(&package, &Options::default());
    let stages: Vec<_> = verdict
        .failures
        .iter()
        .map(|it| (it.stage.as_str(), it.reason))
        .collect();
    assert_eq!(stages, [("sum", Reason::Static), ("twice", Reason::Static)]);
}

#[test]
fn a_refusal_is_made_again_from_its_case() {
    let wrong = package(SUM, &TWICE.replace("s[i] + s[i]", "s[i] * 2.001"));
    let subject = Subject::of_package(&wrong, "main").unwrap();
    let (exec, options) = (
        ExecOptions::default(),
        Options {
            seed: 7,
            ..Options::default()
        },
    );
    let first = kforge_verify::verify(&subject, device(), &exec, &options).failures[0].clone();
    let case = Case {
        stage: first.stage.clone(),
        scope: first.scope,
        values: first.values.clone(),
        seed: 7,
    };
    let again = |case: &Case| {
        let options = Options {
            regression: vec![case.clone()],
            ..Options::default()
        };
        let verdict = kforge_verify::verify(&subject, device(), &exec, &options);
        assert!(!verdict.passed);
        let again = verdict.regression_case?;
        assert_eq!((&again, verdict.replayed), (case, 0));
        verdict.failures.into_iter().next()
    };
    let failure = again(&case).unwrap();
    assert_eq!(
        (&failure.detail, failure.reason),
        (&first.detail, first.reason)
    );
    assert_eq!(failure.values, case.values);
    // Of another seed it is another element; of another kind of values the last one tried.
    let other = again(&Case {
        seed: 8,
        ..case.clone()
    })
    .unwrap();
    assert_ne!(other.detail, first.detail);
    let integers = again(&Case {
        values: Some("small_integers".into()),
        ..case.clone()
    });
    assert!(integers.is_none_or(|it| it.values.as_deref() != Some("normal")));
    for none in [
        Case {
            stage: "sum".into(),
            ..case.clone()
        },
        Case {
            stage: "other".into(),
            ..case.clone()
        },
        Case {
            scope: Scope::Program,
            ..case.clone()
        },
        Case {
            scope: Scope::Shape,
            ..case.clone()
        },
    ] {
        assert!(again(&none).is_none(), "{none:?}");
    }
    let function = Case {
        stage: "main".into(),
        scope: Scope::Function,
        ..case
    };
    assert_eq!(again(&function).unwrap().scope, Scope::Function);
}

#[test]
fn the_least_work_is_that_of_the_units() {
    let subject = Subject::of_package(&package(SUM, TWICE), "main").unwrap();
    let work = least_work(&subject);
    let found: Vec<_> = work
        .iter()
        .map(|it| (it.dispatches.clone(), it.bytes))
        .collect();
    assert_eq!(found, [(0..1, 1200), (1..2, 800)]);
}

/// The package with a constant in place of b.
fn with_constant(values: &[f64]) -> Subject {
    let mut package = package(SUM, TWICE);
    package.manifest.buffers[1] = Buffer::dense("b", Dtype::F32, [Expr::from(100)], Role::Constant);
    package.manifest.buffers.push(Buffer::dense(
        "c",
        Dtype::F32,
        [Expr::from(100)],
        Role::Constant,
    ));
    package
        .manifest
        .entries
        .get_mut("main")
        .unwrap()
        .inputs
        .truncate(1);
    let tensor = HostTensor::from_f64(Dtype::F32, &[values.len()], values).unwrap();
    package.constants.insert("b".into(), tensor.clone());
    package.constants.insert("c".into(), tensor);
    let mut function = additions("main", &["arg0"], &[]);
    let data = ConstantData::Dense(values.to_vec());
    let constant = function.push("b", Op::Constant { data }, vector());
    let add = |a, b| Op::Binary {
        a,
        b,
        kind: kforge_oracle::BinaryKind::Add,
    };
    let sum = function.push("add", add(ValueId(0), constant), vector());
    let twice = function.push("add", add(sum, sum), vector());
    function.outputs = vec![twice];
    let listed = units(&package);
    set_programs(&mut package, function, listed);
    Subject::of_package(&package, "main").unwrap()
}

#[test]
fn constants_of_a_package_are_part_of_its_programs() {
    let values: Vec<f64> = (0..100).map(|it| f64::from(it) / 8.0).collect();
    let subject = with_constant(&values);
    let composed = subject.composed.as_ref().unwrap();
    // What no kernel reads is not among them.
    let constants = |node: &&kforge_oracle::Node| matches!(node.op, Op::Constant { .. });
    assert_eq!(composed.nodes.iter().filter(constants).count(), 1);
    let (exec, options) = (ExecOptions::default(), Options::default());
    let verdict = kforge_verify::verify(&subject, device(), &exec, &options);
    assert!(verdict.passed, "{}", verdict.summary());
}

#[test]
fn a_stage_may_see_a_buffer_under_another_shape() {
    let mut package = package(SUM, TWICE);
    let mut listed = units(&package);
    let text = serde_json::to_string(listed[1].program.as_ref().unwrap()).unwrap();
    let square = text.replace("[100]", "[10,10]");
    assert_ne!(text, square);
    listed[1].program = Some(serde_json::from_str(&square).unwrap());
    let function = additions("main", &["arg0", "arg1"], &[(0, 1), (2, 2)]);
    set_programs(&mut package, function, listed);
    let verdict = verdict(&package, &Options::default());
    assert!(verdict.passed, "{}", verdict.summary());
}

#[test]
fn what_nothing_wrote_is_named() {
    let mut package = package(SUM, TWICE);
    dispatch_of(&mut package, 0).args[1].buffer = BufferId(3);
    let mut listed = units(&package);
    listed[0].inputs[1] = BufferId(3);
    let function = additions("main", &["arg0", "arg1"], &[(0, 1), (2, 2)]);
    set_programs(&mut package, function, listed);
    let failure = refusal(&package);
    assert_eq!(
        failure.detail,
        "unit 'sum' reads buffer 'y' before anything is in it"
    );
}
