//! Who may run without shader checks: the package that was proved and passed, and no other.

use kforge_oracle::Level;
use kforge_runtime::{ExecOptions, Package};
use kforge_verify::{Options, Verdict};

use crate::package::{SUM, TWICE, package, verdict};

/// Whether a verdict lets a package run without checks.
fn relaxes(verdict: &Verdict, package: &Package) -> bool {
    let given = ExecOptions {
        guard_zones: false,
        ..ExecOptions::default()
    };
    let exec = verdict.exec(package, &given);
    // The other options are the caller's.
    assert!(!exec.guard_zones);
    format!("{:?}", exec.checks) != format!("{:?}", given.checks)
}

#[test]
fn what_is_proved_and_passed_runs_without_checks() {
    let right = package(SUM, TWICE);
    let passed = verdict(&right, &Options::default());
    assert!(passed.without_checks && relaxes(&passed, &right));
    for (shown, [indices, buffers]) in passed.proofs.iter().zip([[3, 1], [3, 1]]) {
        let shown = shown.shown.unwrap();
        assert_eq!((shown.indices, shown.buffers), (indices, buffers));
    }
    // Another text under the same names, whatever its hashes say.
    let other = package(&SUM.replace("a[i] + b[i]", "b[i] + a[i]"), TWICE);
    assert!(!relaxes(&passed, &other));
    // Other launches of the same text.
    let mut wider = package(SUM, TWICE);
    crate::package::dispatch_of(&mut wider, 0).workgroups[0] = 3.into();
    assert!(!relaxes(&passed, &wider));
    // A verdict that is not passed any more, and one that was read.
    let mut refused = passed.clone();
    refused.passed = false;
    assert!(!relaxes(&refused, &right));
    let read: Verdict = serde_json::from_value(serde_json::to_value(&passed).unwrap()).unwrap();
    assert!(read.without_checks && !relaxes(&read, &right));
}

#[test]
fn checks_stay_where_nothing_is_proved_or_they_are_asked_for() {
    let unseen = SUM.replace("let i = id.x;", "let i = id.x + u32(a[0] * 0.0);");
    let keep = Options {
        keep_checks: true,
        ..Options::default()
    };
    for (sum, options) in [(&*unseen, Options::default()), (SUM, keep)] {
        let package = package(sum, TWICE);
        let verdict = verdict(&package, &options);
        assert!(verdict.passed, "{}", verdict.summary());
        assert!(!verdict.without_checks && !relaxes(&verdict, &package));
    }
}

#[test]
fn level_3_needs_evidence() {
    // A function without units has nothing that exact algebra was tried on.
    let package = package(SUM, TWICE);
    let mut subject = kforge_verify::Subject::of_package(&package, "main").unwrap();
    subject.units.clear();
    let options = Options {
        cases: Level::Full,
        ..Options::default()
    };
    let (device, exec) = (crate::package::device(), ExecOptions::default());
    let verdict = kforge_verify::verify(&subject, device, &exec, &options);
    assert!(verdict.passed, "{}", verdict.summary());
    assert_eq!(verdict.levels, ["L0", "L1", "L2"]);
    assert_eq!(verdict.exact, None);
}
