//! What a verdict says, on verdicts written by hand.

use serde_json::json;

use super::*;

/// A verdict with these proofs: kernel, and why nothing is shown of it.
fn verdict(proofs: &[(&str, Option<&str>)]) -> Verdict {
    let proofs: Vec<_> = proofs
        .iter()
        .map(|(stage, because)| match because {
            Some(because) => json!({ "stage": stage, "kernel": "k", "because": because }),
            None => json!({ "stage": stage, "kernel": "k", "shown": Shown::default() }),
        })
        .collect();
    let verdict = json!({
        "passed": false, "levels": [], "device": "d", "driver": "v", "seed": 0, "checks": [],
        "worst_ratio": 0.0, "failures": [], "proofs": proofs,
    });
    serde_json::from_value(verdict).unwrap()
}

fn check(scope: Scope, values: &str, error: f64) -> Check {
    Check {
        stage: "s".into(),
        scope,
        values: values.into(),
        max_ratio: 0.5,
        max_abs_error: error,
        rms_error: error / 2.0,
        undecided: 0,
        against_plain: 0,
        elements: 4,
    }
}

#[test]
fn only_a_comparison_on_the_device_passes() {
    for (scope, passed) in [
        (Scope::Program, false),
        (Scope::Kernel, false),
        (Scope::Shape, false),
        (Scope::Function, true),
    ] {
        let mut verdict = verdict(&[("a", None)]);
        verdict.checks.push(check(scope, "normal", 0.0));
        verdict.close();
        assert_eq!(verdict.passed, passed, "{scope:?}");
        assert_eq!(verdict.levels.len(), if passed { 3 } else { 0 });
        verdict.refuse("a", scope, None, Reason::Execution, "no".into());
        verdict.close();
        assert!(!verdict.passed);
    }
}

#[test]
fn l1_holds_where_every_launch_is_proved() {
    for (proofs, levels) in [
        (&[("a", None), ("b", None)][..], &["L0", "L1", "L2"][..]),
        (&[("a", None), ("b", Some("why"))], &["L0", "L2"]),
        (&[], &["L0", "L2"]),
    ] {
        let mut verdict = verdict(proofs);
        verdict.checks.push(check(Scope::Function, "normal", 0.0));
        verdict.close();
        assert_eq!(verdict.levels, levels, "{proofs:?}");
    }
}

#[test]
fn a_reason_of_all_launches_is_said_once() {
    for (proofs, lines) in [
        (
            &[("a", Some("x")), ("b", Some("x"))][..],
            &["L2 only, because x"][..],
        ),
        (
            &[("a", Some("x")), ("b", Some("y"))],
            &[
                "stage 'a': L2 only, because x",
                "stage 'b': L2 only, because y",
            ],
        ),
        (
            &[("a", Some("x")), ("a", Some("x")), ("b", None)],
            &["stage 'a': L2 only, because x"],
        ),
        (&[("a", None)], &[]),
        (&[], &[]),
    ] {
        assert_eq!(verdict(proofs).l2_only(), lines, "{proofs:?}");
    }
}

#[test]
fn norms_are_the_largest_of_the_function_on_ordinary_values() {
    let mut verdict = verdict(&[]);
    assert_eq!(verdict.error_norms(), None);
    verdict.checks.push(check(Scope::Kernel, "normal", 8.0));
    verdict.checks.push(check(Scope::Function, "large", 9.0));
    assert_eq!(verdict.error_norms(), None);
    for error in [1.0, 3.0, 2.0] {
        verdict.checks.push(check(Scope::Function, "normal", error));
    }
    let norms = ErrorNorms {
        max_abs_error: 3.0,
        rms_error: 1.5,
    };
    assert_eq!(verdict.error_norms(), Some(norms));
}

#[test]
fn what_is_zero_is_not_written() {
    let written = |against_plain| {
        let check = Check {
            against_plain,
            ..check(Scope::Kernel, "normal", 0.0)
        };
        serde_json::to_value(check)
            .unwrap()
            .get("against_plain")
            .cloned()
    };
    assert_eq!(written(0), None);
    assert_eq!(written(3), Some(json!(3)));
}

#[test]
fn one_shape_and_several_shapes() {
    let exact = |shapes| Exact {
        stages: 1,
        shapes,
        p: "0x1".into(),
        q: "0x2".into(),
        draws: 2,
        degree: 3,
        log2_error: -60.4,
        operations: 9,
    };
    assert_eq!(
        exact(1).to_string(),
        "exact at 1 shape modulo p = 0x1, q = 0x2, 2 draws, degree up to 3: a wrong element \
         passes with at most 2^-60"
    );
    assert!(exact(2).to_string().starts_with("exact at 2 shapes "));
}
