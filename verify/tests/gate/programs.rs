//! What the gate holds a package against: programs that are missing or differ.

use kforge_verify::{Options, Reason, Scope, Subject};

use crate::package::{
    SUM, TWICE, additions, dispatch_of, package, refusal, set_programs, units, verdict,
};

fn reference() -> kforge_oracle::Program {
    additions("main", &["arg0", "arg1"], &[(0, 1), (2, 2)])
}

#[test]
fn a_missing_reference_is_refused() {
    let mut package = package(SUM, TWICE);
    package.program = None;
    let error = Subject::of_package(&package, "main")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no reference program for entry 'main'"),
        "{error}"
    );
}

#[test]
fn a_unit_without_a_program_is_refused() {
    let mut package = package(SUM, TWICE);
    let mut units = units(&package);
    units[1].program = None;
    set_programs(&mut package, reference(), units);
    let error = Subject::of_package(&package, "main")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("unit 'twice' does not say what it computes"),
        "{error}"
    );
}

#[test]
fn a_program_that_is_none_is_refused() {
    let mut broken = reference();
    broken.outputs[0].0 = 99;
    let mut package = package(SUM, TWICE);
    let units = units(&package);
    set_programs(&mut package, broken, units);
    assert!(Subject::of_package(&package, "main").is_err());
}

#[test]
fn kernels_of_another_function_are_refused_without_a_device_run() {
    // 2a + 2b has the same values up to rounding, 2a + b has not.
    let mut other = package(SUM, TWICE);
    let listed = units(&other);
    set_programs(
        &mut other,
        additions("main", &["arg0", "arg1"], &[(0, 0), (2, 1)]),
        listed,
    );
    let failure = refusal(&other);
    assert_eq!(
        (failure.reason, failure.scope),
        (Reason::Program, Scope::Program)
    );
    assert!(
        failure.detail.contains("differ from the reference"),
        "{failure:?}"
    );
}

#[test]
fn a_changed_specification_does_not_license_a_wrong_kernel() {
    // Kernel and specification agree on s = a + a; the reference says a + b.
    let wrong = SUM.replace("a[i] + b[i]", "a[i] + a[i] + 0.0 * b[i]");
    let mut package = package(&wrong, TWICE);
    let mut listed = units(&package);
    listed[0].program =
        Some(serde_json::to_value(additions("sum", &["a", "b"], &[(0, 0)])).unwrap());
    set_programs(&mut package, reference(), listed);
    assert_eq!(refusal(&package).reason, Reason::Program);
}

#[test]
fn steps_that_no_unit_covers_are_refused() {
    for kept in [0, 1] {
        let mut package = package(SUM, TWICE);
        let listed = vec![units(&package)[kept].clone()];
        set_programs(&mut package, reference(), listed);
        let failure = refusal(&package);
        assert_eq!(failure.reason, Reason::Program);
        assert!(failure.detail.contains("was expected"), "{failure:?}");
    }
}

#[test]
fn a_stage_wired_to_the_wrong_buffer_is_refused() {
    // The second stage doubles a instead of the sum; alone, each is right.
    let mut package = package(SUM, TWICE);
    dispatch_of(&mut package, 1).args[0].buffer.0 = 0;
    let mut listed = units(&package);
    listed[1].inputs[0].0 = 0;
    set_programs(&mut package, reference(), listed);
    assert_eq!(refusal(&package).reason, Reason::Program);
}

#[test]
fn stages_in_the_wrong_order_are_refused() {
    let mut package = package(SUM, TWICE);
    let entry = package.manifest.entries.get_mut("main").unwrap();
    entry.steps.reverse();
    let mut listed = units(&package);
    listed[0].steps = 1..2;
    listed[1].steps = 0..1;
    listed.reverse();
    set_programs(&mut package, reference(), listed);
    let failure = refusal(&package);
    assert!(
        failure.detail.contains("before anything is in it"),
        "{failure:?}"
    );
}

#[test]
fn outputs_that_no_program_has_are_refused() {
    let mut package = package(SUM, TWICE);
    let entry = package.manifest.entries.get_mut("main").unwrap();
    entry.outputs.push(entry.outputs[0].clone());
    let verdict = verdict(&package, &Options::default());
    assert!(!verdict.passed, "{}", verdict.summary());
}

#[test]
fn outputs_that_the_package_lacks_are_refused() {
    let mut package = package(SUM, TWICE);
    let mut twice = reference();
    twice.outputs.push(twice.outputs[0]);
    let listed = units(&package);
    set_programs(&mut package, twice, listed);
    let failure = refusal(&package);
    assert!(failure.detail.contains("outputs differ"), "{failure:?}");
}

#[test]
fn no_outputs_and_no_steps_are_nothing_to_pass() {
    let mut empty = package(SUM, TWICE);
    let entry = empty.manifest.entries.get_mut("main").unwrap();
    entry.steps.clear();
    entry.outputs.clear();
    let mut program = reference();
    program.outputs.clear();
    program.nodes.clear();
    set_programs(&mut empty, program, Vec::new());
    match Subject::of_package(&empty, "main") {
        Err(_) => {}
        Ok(_) => assert!(!verdict(&empty, &Options::default()).passed),
    }
}
