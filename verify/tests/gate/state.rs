//! Kernels that remember earlier runs: in the gate, and while they are timed.

use kforge_oracle::Level;
use kforge_runtime::{
    ExecOptions, Package,
    execute::{Repeats, Timing},
    manifest::{Access, Binding, Buffer, BufferId, Dtype, Expr, Role},
};
use kforge_verify::{Failure, Options, Reason, Scope, Subject, Timer, Verdict};

use crate::package::{SUM, TWICE, additions, device, dispatch_of, package, set_programs, units};

/// The sum with a counter of runs per element in front of it.
fn counting(body: &str) -> String {
    SUM.replace("@binding(2)", "@binding(3)")
        .replace(
            "@compute",
            "@group(0) @binding(2) var<storage, read_write> n: array<f32>;\n@compute",
        )
        .replace(
            "{ s[i] = a[i] + b[i]; }",
            &format!("{{ n[i] += 1.0; {body} }}"),
        )
}

/// The package of two stages, whose first kernel also has a state buffer `n`.
///
/// As units alone have no state, its one unit is the whole function.
fn with_state(sum: &str) -> Package {
    let mut package = package(sum, TWICE);
    let count = [Expr::from(100)];
    let state = Buffer::dense("n", Dtype::F32, count, Role::State);
    package.manifest.buffers.push(state);
    let sum = package.manifest.kernels.get_mut("sum").unwrap();
    let binding = Binding {
        access: Access::ReadWrite,
        ..sum.bindings[0].clone()
    };
    sum.bindings.insert(2, binding);
    let args = &mut dispatch_of(&mut package, 0).args;
    args.insert(2, BufferId(4).into());
    package
}

/// The function's own verdict: its units would be run without their state.
fn subject(package: &Package) -> Subject {
    let mut subject = Subject::of_package(package, "main").unwrap();
    subject.units.clear();
    subject
}

fn refused(body: &str) -> Failure {
    let package = with_state(&counting(body));
    let options = Options::default();
    let exec = ExecOptions::default();
    let verdict = kforge_verify::verify(&subject(&package), device(), &exec, &options);
    assert!(!verdict.passed, "{body}: {}", verdict.summary());
    verdict.failures[0].clone()
}

fn timed(body: &str, repeats: usize) -> Result<Timing, Failure> {
    let package = with_state(&counting(body));
    let (exec, options) = (ExecOptions::default(), Options::default());
    let subject = subject(&package);
    let verdict = kforge_verify::verify(&subject, device(), &exec, &options);
    assert!(verdict.passed, "{body}: {}", verdict.summary());
    Timer::new(&subject, &verdict, device(), &exec, &options)?.time(Repeats::exactly(repeats))
}

#[test]
fn a_state_that_changes_nothing_passes() {
    for cases in [Level::Quick, Level::Full] {
        let package = with_state(&counting("s[i] = a[i] + b[i];"));
        let options = Options {
            cases,
            ..Options::default()
        };
        let exec = ExecOptions::default();
        let verdict = kforge_verify::verify(&subject(&package), device(), &exec, &options);
        assert!(verdict.passed, "{}", verdict.summary());
    }
}

#[test]
fn a_result_from_an_earlier_run_is_refused() {
    for (body, reason) in [
        // Writes the first time only; later the next stage reads the NaN of its scratch.
        (
            "if n[i] == 1.0 { s[i] = a[i] + b[i]; }",
            Reason::NumericMismatch,
        ),
        // Replays the first result: n keeps it.
        (
            "if n[i] == 1.0 { n[i] = a[i] + b[i] + 1e3; } n[i] -= 1.0; s[i] = n[i] - 1e3 + 1.0;",
            Reason::NumericMismatch,
        ),
        // Counts, below any fixed tolerance.
        (
            "s[i] = a[i] + b[i] + 1e-5 * (n[i] - 1.0);",
            Reason::NumericMismatch,
        ),
    ] {
        let failure = refused(body);
        assert_eq!(failure.reason, reason, "{body}: {failure:?}");
        assert_eq!(failure.scope, Scope::Function);
    }
}

#[test]
fn a_result_that_changes_when_inputs_return_is_refused() {
    // Right for all seven cases, off by one unit in the last place at the runs after them.
    let failure = refused(
        "let t = a[i] + b[i]; s[i] = select(t, bitcast<f32>(bitcast<u32>(t) ^ 1u), n[i] > 7.0);",
    );
    assert_eq!(failure.reason, Reason::Determinism, "{failure:?}");
    assert!(
        failure.detail.contains("the same inputs led to before"),
        "{failure:?}"
    );
    // And at the last of them alone, the inputs being those of the run before.
    let failure = refused(
        "let t = a[i] + b[i]; s[i] = select(t, bitcast<f32>(bitcast<u32>(t) ^ 1u), n[i] > 8.0);",
    );
    assert!(failure.detail.contains("repeated at once"), "{failure:?}");
}

#[test]
fn guards_are_checked_when_the_first_inputs_return() {
    let failure = refused(
        "s[i] = a[i] + b[i]; if n[i] > 7.0 && i == 99u { s[i + 1u + u32(a[0] * 0.0)] = 1.0; }",
    );
    assert_eq!(failure.reason, Reason::Poison, "{failure:?}");
}

#[test]
fn weights_are_the_same_in_every_timed_run() {
    let mut package = package(SUM, TWICE);
    package.manifest.buffers[1].role = Role::Weight;
    let entry = package.manifest.entries.get_mut("main").unwrap();
    entry.inputs.truncate(1);
    let listed = units(&package);
    // Of weight and argument it is told which is which.
    let text = SUM.replace("a[i] + b[i]", "a[i] + a[i] + b[i]");
    package.files.insert("kernels/sum.wgsl".into(), text.into());
    let sum = additions("sum", &["a", "b"], &[(0, 0), (2, 1)]);
    let mut listed = listed;
    listed[0].program = Some(serde_json::to_value(sum).unwrap());
    let function = additions("main", &["arg0", "b"], &[(0, 0), (2, 1), (3, 3)]);
    set_programs(&mut package, function, listed);
    let subject = Subject::of_package(&package, "main").unwrap();
    let (exec, options) = (ExecOptions::default(), Options::default());
    let verdict = kforge_verify::verify(&subject, device(), &exec, &options);
    assert!(verdict.passed, "{}", verdict.summary());
    let mut timer = Timer::new(&subject, &verdict, device(), &exec, &options).unwrap();
    let timing = timer.time(Repeats::exactly(12)).unwrap();
    assert_eq!(timing.total.wall_ms.unwrap().samples, 12);
}

#[test]
fn right_runs_have_times() {
    let timing = timed("s[i] = a[i] + b[i];", 40).unwrap();
    assert_eq!(timing.dispatches.len(), 2);
    assert_eq!(timing.total.wall_ms.unwrap().samples, 40);
    if device().description().timestamps {
        assert!(timing.total.gpu_ms.unwrap().min > 0.0);
    }
}

#[test]
fn what_goes_wrong_in_a_timed_run_alone_has_no_time() {
    // The gate makes nine runs in one instance, the timer 3 + 40 + 1.
    for (body, reason, words) in [
        (
            "if n[i] < 20.0 { s[i] = a[i] + b[i]; }",
            Reason::Determinism,
            "two timed runs",
        ),
        (
            "s[i] = select(a[i] + b[i], a[i], n[i] == 10.0);",
            Reason::NumericMismatch,
            "output 0",
        ),
        (
            "s[i] = select(a[i] + b[i], a[i], n[i] == 43.0);",
            Reason::Determinism,
            "two timed runs",
        ),
        (
            "s[i] = select(a[i] + b[i], a[i], n[i] == 44.0);",
            Reason::NumericMismatch,
            "after the timed runs",
        ),
    ] {
        let failure = timed(body, 40).unwrap_err();
        assert_eq!(failure.reason, reason, "{body}: {failure:?}");
        assert!(failure.detail.contains(words), "{body}: {failure:?}");
    }
}

#[test]
fn nothing_is_timed_without_a_passed_verdict_of_this_device() {
    let package = package(SUM, TWICE);
    let subject = Subject::of_package(&package, "main").unwrap();
    let (exec, options) = (ExecOptions::default(), Options::default());
    let passed = kforge_verify::verify(&subject, device(), &exec, &options);
    let timer =
        |verdict: &Verdict| Timer::new(&subject, verdict, device(), &exec, &options).map(|_| ());
    assert!(timer(&passed).is_ok());
    let mut refused = passed.clone();
    refused.passed = false;
    let mut elsewhere = passed.clone();
    elsewhere.driver.push_str(" 2");
    for verdict in [refused, elsewhere] {
        let failure = timer(&verdict).unwrap_err();
        assert!(
            failure.detail.contains("nothing unverified is timed"),
            "{failure:?}"
        );
    }
}

#[test]
fn a_package_without_arguments_has_no_times() {
    let mut constant = package(SUM, TWICE);
    for name in ["a", "b"] {
        let buffers = &mut constant.manifest.buffers;
        let buffer = buffers
            .iter_mut()
            .find(|buffer| buffer.name == name)
            .unwrap();
        buffer.role = Role::Weight;
    }
    constant
        .manifest
        .entries
        .get_mut("main")
        .unwrap()
        .inputs
        .clear();
    let listed = units(&constant);
    set_programs(
        &mut constant,
        additions("main", &["a", "b"], &[(0, 1), (2, 2)]),
        listed,
    );
    let subject = Subject::of_package(&constant, "main").unwrap();
    let (exec, options) = (ExecOptions::default(), Options::default());
    let verdict = kforge_verify::verify(&subject, device(), &exec, &options);
    assert!(verdict.passed, "{}", verdict.summary());
    let failure = Timer::new(&subject, &verdict, device(), &exec, &options)
        .map(|_| ())
        .unwrap_err();
    assert!(failure.detail.contains("takes no arguments"), "{failure:?}");
}
