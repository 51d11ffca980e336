//! The same seed, package and device give the same verdict, every figure of it.

use kforge_oracle::Level;
use kforge_verify::{Options, Reason, References};

use crate::package::{SUM, TWICE, package, verdict};

/// Times that a verdict is reached anew.
const TIMES: usize = 100;

fn as_json(package: &kforge_runtime::Package, options: &Options) -> String {
    serde_json::to_string(&verdict(package, options)).unwrap()
}

#[test]
fn a_passing_verdict_is_the_same_a_hundred_times() {
    let package = package(SUM, TWICE);
    let first = as_json(&package, &Options::default());
    assert!(first.contains("\"passed\":true"), "{first}");
    for time in 1..TIMES {
        // Nothing is kept from one to the next.
        let options = Options {
            references: References::default(),
            ..Options::default()
        };
        assert_eq!(as_json(&package, &options), first, "time {time}");
    }
}

#[test]
fn a_refusal_is_the_same_a_hundred_times() {
    let wrong = package(&SUM.replace("a[i] + b[i]", "a[i] + b[i] * 1.0001"), TWICE);
    let first = verdict(&wrong, &Options::default());
    assert_eq!(first.failures[0].reason, Reason::NumericMismatch);
    let first = serde_json::to_string(&first).unwrap();
    for time in 1..TIMES {
        assert_eq!(as_json(&wrong, &Options::default()), first, "time {time}");
    }
}

#[test]
fn another_seed_is_another_evidence() {
    let package = package(SUM, TWICE);
    let of = |seed| {
        let options = Options {
            seed,
            cases: Level::Quick,
            ..Options::default()
        };
        verdict(&package, &options)
    };
    let [first, other] = [of(0), of(1)];
    assert!(first.passed && other.passed);
    let error = |verdict: &kforge_verify::Verdict| {
        let errors = verdict.checks.iter().map(|check| check.rms_error);
        errors.sum::<f64>()
    };
    assert_ne!(error(&first), error(&other));
}
