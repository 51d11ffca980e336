//! The gate on hand-made packages: what it refuses, why, and in which words.
//!
//! Without an adapter the tests fail: nothing was shown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod again;
mod arguments;
mod bounds;
mod evidence;
mod half;
mod large;
mod package;
mod programs;
mod state;
mod unchecked;

use kforge_oracle::Level;
use kforge_verify::{Options, Reason, Scope};
use package::{SUM, TWICE, package, refusal, verdict};

#[test]
fn a_right_package_passes() {
    for (cases, levels) in [
        (Level::Quick, &["L0", "L1", "L2"][..]),
        (Level::Full, &["L0", "L1", "L2", "L3"]),
    ] {
        let options = Options {
            cases,
            ..Options::default()
        };
        let verdict = verdict(&package(SUM, TWICE), &options);
        assert!(verdict.passed, "{}", verdict.summary());
        assert_eq!(verdict.levels, levels);
        assert!(verdict.worst_ratio <= 1.0);
        for scope in [Scope::Program, Scope::Kernel, Scope::Function] {
            assert!(verdict.checks.iter().any(|check| check.scope == scope));
        }
        let begin = format!("verified {} on '", levels.join("+"));
        assert!(verdict.summary().starts_with(&begin));
    }
}

fn exactly() -> Options {
    Options {
        level: 3,
        ..Options::default()
    }
}

#[test]
fn level_3_has_its_evidence() {
    let verdict = verdict(&package(SUM, TWICE), &exactly());
    assert_eq!(verdict.levels, ["L0", "L1", "L2", "L3"]);
    assert_eq!(verdict.not_exact, []);
    let exact = verdict.exact.as_ref().unwrap();
    assert_eq!((exact.stages, exact.shapes, exact.draws), (2, 2, 2));
    // a + b and s + s are of degree 1, on both sides.
    assert_eq!(exact.degree, 2);
    assert!(exact.log2_error < -100.0 && exact.operations > 0);
    let summary = verdict.summary();
    for part in [
        exact.p.as_str(),
        &exact.q,
        "2 draws",
        "degree up to 2",
        "at most 2^-",
    ] {
        assert!(summary.contains(part), "{summary}");
    }
}

/// In f32 nothing is added; as algebra it is another function.
#[test]
fn what_no_number_shows_is_refused_as_algebra() {
    let wrong = SUM.replace("a[i] + b[i]", "(a[i] + a[i] * 1e-12) + b[i]");
    let passed = verdict(&package(&wrong, TWICE), &Options::default());
    assert!(passed.passed, "{}", passed.summary());
    let refused = verdict(&package(&wrong, TWICE), &exactly());
    assert!(!refused.passed && refused.levels.is_empty());
    let failure = &refused.failures[0];
    assert_eq!(
        (failure.reason, failure.scope),
        (Reason::Algebraic, Scope::Kernel)
    );
    assert_eq!(
        (failure.stage.as_str(), failure.knobs.as_str()),
        ("sum", "tile=64")
    );
    assert!(failure.detail.contains("element [0] is 0x"), "{failure:?}");
}

#[test]
fn what_is_open_has_no_level_3_and_says_why() {
    let bits = SUM.replace("a[i] + b[i]", "bitcast<f32>(bitcast<u32>(a[i])) + b[i]");
    let full = Options {
        cases: Level::Full,
        ..Options::default()
    };
    let open = verdict(&package(&bits, TWICE), &full);
    assert!(open.passed, "{}", open.summary());
    assert_eq!(open.levels, ["L0", "L1", "L2"]);
    assert_eq!(open.not_exact[0].stage, "sum");
    assert!(
        open.summary()
            .contains("no L3 for 'sum', because bits of floats")
    );
    // Where it must hold, it does not.
    let refused = verdict(&package(&bits, TWICE), &exactly());
    assert!(!refused.passed);
    assert_eq!(refused.failures[0].reason, Reason::Undecided);
    assert!(refused.failures[0].detail.contains("level 3 must hold"));
}

#[test]
fn a_wrong_value_is_refused_with_its_place() {
    let wrong = SUM.replace("a[i] + b[i]", "a[i] + b[i] * select(1.0, 1.001, i == 37u)");
    let failure = refusal(&package(&wrong, TWICE));
    assert_eq!(failure.reason, Reason::NumericMismatch);
    assert_eq!(
        (failure.stage.as_str(), failure.scope),
        ("sum", Scope::Kernel)
    );
    assert_eq!(failure.knobs, "tile=64");
    assert!(failure.detail.contains("element [37] is "), "{failure:?}");
    assert!(failure.detail.contains("expected") && failure.detail.contains("within"));
}

#[test]
fn a_nan_is_refused() {
    // Zero through zero, of which no compiler knows.
    let wrong = SUM.replace(
        "a[i] + b[i]",
        "a[i] + b[i] + select(0.0, (b[i] - b[i]) / (a[i] - a[i]), i == 3u)",
    );
    let failure = refusal(&package(&wrong, TWICE));
    assert_eq!(failure.reason, Reason::NumericMismatch);
    assert!(failure.detail.contains("1 NaN or infinite"), "{failure:?}");
}

#[test]
fn an_output_of_nan_alone_is_refused() {
    let wrong = SUM.replace("a[i] + b[i]", "(b[i] - b[i]) / (a[i] - a[i])");
    assert_eq!(
        refusal(&package(&wrong, TWICE)).reason,
        Reason::NumericMismatch
    );
}

#[test]
fn a_partial_write_is_refused() {
    let failure = refusal(&package(&SUM.replace("i < 100u", "i < 99u"), TWICE));
    assert_eq!(failure.reason, Reason::Poison);
    assert!(
        failure
            .detail
            .contains("1 elements of buffer 's' were never written, first at byte 396")
    );
}

#[test]
fn a_kernel_that_does_nothing_is_refused() {
    let failure = refusal(&package(&SUM.replace("i < 100u", "i > 1000u"), TWICE));
    assert_eq!(failure.reason, Reason::Poison);
    assert!(
        failure
            .detail
            .contains("100 elements of buffer 's' were never written")
    );
}

/// The kernel with a number in its indices that the static proof cannot see: zero, read
/// from memory.
fn unseen(wgsl: &str) -> String {
    wgsl.replace("let i = id.x;", "let i = id.x + u32(a[0] * 0.0);")
}

#[test]
fn a_kernel_that_the_proof_does_not_reach_is_checked_and_listed() {
    let verdict = verdict(&package(&unseen(SUM), TWICE), &Options::default());
    assert!(verdict.passed, "{}", verdict.summary());
    assert_eq!(verdict.levels, ["L0", "L2"]);
    let [line] = &verdict.l2_only()[..] else {
        panic!("{:?}", verdict.proofs);
    };
    assert!(
        line.starts_with("stage 'sum': L2 only, because a buffer is not shown to be free of races: its address depends on what was read"),
        "{line}"
    );
    assert!(verdict.proofs[1].shown.is_some());
}

#[test]
fn what_is_shown_to_be_wrong_is_refused_before_anything_runs() {
    let wrong = SUM.replace("i < 100u", "i < 101u");
    let verdict = verdict(&package(&wrong, TWICE), &Options::default());
    let failure = &verdict.failures[0];
    assert_eq!(failure.reason, Reason::Static);
    assert_eq!(failure.knobs, "tile=64");
    assert!(
        failure
            .detail
            .starts_with("kernel 'sum': index 100 into 's', which has 100 elements"),
        "{failure:?}"
    );
    let ran = |check: &kforge_verify::Check| check.scope != Scope::Program;
    assert!(!verdict.checks.iter().any(ran));
}

#[test]
fn a_write_behind_the_end_is_refused() {
    let wrong = unseen(&SUM.replace("i < 100u", "i < 101u"));
    let failure = refusal(&package(&wrong, TWICE));
    assert_eq!(failure.reason, Reason::Poison);
    assert!(
        failure
            .detail
            .contains("buffer 's' was written behind its end, at byte 400"),
        "{failure:?}"
    );
}

#[test]
fn reading_the_padding_is_refused_even_where_max_hides_the_nan() {
    let shown = SUM.replace("a[i] + b[i]", "a[i] + b[i] + 1e-30 * a[i + 1u]");
    let failure = refusal(&package(&unseen(&shown), TWICE));
    assert_eq!(failure.reason, Reason::NumericMismatch, "{failure:?}");
    // NaN disappears in the comparison; 1e30 does not.
    let hidden = SUM.replace(
        "a[i] + b[i]",
        "a[i] + b[i] + select(0.0, 1.0, a[i + 1u] > 1e29)",
    );
    let failure = refusal(&package(&unseen(&hidden), TWICE));
    assert_eq!(failure.reason, Reason::Determinism, "{failure:?}");
    assert!(failure.detail.contains("other padding"), "{failure:?}");
}

#[test]
fn a_result_that_depends_on_what_was_in_its_buffer_is_refused() {
    let wrong = SUM.replace(
        "s[i] = a[i] + b[i]",
        "let old = s[i]; s[i] = select(a[i] + b[i], 0.0, old > 1e29)",
    );
    assert!(!verdict(&package(&wrong, TWICE), &Options::default()).passed);
}

#[test]
fn special_values_and_constants_are_refused() {
    for wrong in [
        "select(a[i] + b[i], 1e4, a[i] + b[i] > 1e2)",
        "0.0",
        "1e-30",
        "f32(i32(a[i] + b[i]))",
        "a[i]",
        "quantizeToF16(a[i] + b[i])",
    ] {
        let kernel = SUM.replace("a[i] + b[i]", wrong);
        let failure = refusal(&package(&kernel, TWICE));
        assert_eq!(failure.reason, Reason::NumericMismatch, "{wrong}");
    }
}

#[test]
fn a_kernel_that_does_not_compile_is_an_execution_refusal() {
    let failure = refusal(&package(&SUM.replace("a[i] + b[i]", "a[i] + q"), TWICE));
    assert_eq!(failure.reason, Reason::Execution);
    assert!(failure.detail.contains("stage 'sum'"), "{failure:?}");
}

#[test]
fn a_run_beyond_its_deadline_is_refused() {
    let slow = SUM.replace(
        "s[i] = a[i] + b[i]",
        "var t = 0.0; for (var k = 0u; k < 60000u; k++) { t = t * 0.5 + a[(i + k) % 100u]; } s[i] = t",
    );
    let mut package = package(&slow, TWICE);
    package::dispatch_of(&mut package, 0).workgroups = [2, 128, 1].map(Into::into);
    let options = Options {
        timeout_ms: 1,
        ..Options::default()
    };
    let verdict = verdict(&package, &options);
    // Whatever runs next would wait as long again: the gate ends here.
    assert_eq!(verdict.failures.len(), 1, "{}", verdict.summary());
    assert!(
        verdict
            .checks
            .iter()
            .all(|check| check.scope == Scope::Program)
    );
    let failure = &verdict.failures[0];
    assert_eq!(failure.reason, Reason::Timing);
    assert!(
        failure.detail.contains("not finished after 1 ms"),
        "{failure:?}"
    );
}

#[test]
fn tolerances_only_tighten() {
    // Right to 2e-3 of the sum: inside a loose tolerance, outside the bound.
    let close = package(&SUM.replace("a[i] + b[i]", "(a[i] + b[i]) * 1.001"), TWICE);
    let loose = Options {
        atol: Some(1e-1),
        rtol: Some(1e-1),
        ..Options::default()
    };
    let refused = verdict(&close, &loose);
    assert!(!refused.passed && refused.levels.is_empty());
    assert_eq!(refused.failures[0].reason, Reason::OnlyWithinTolerance);
    // The right package within a tolerance of nothing: its sums are rounded.
    let right = package(SUM, TWICE);
    assert!(verdict(&right, &loose).passed);
    let exact = Options {
        atol: Some(0.0),
        rtol: Some(0.0),
        ..Options::default()
    };
    let refused = verdict(&right, &exact);
    assert_eq!(
        refused.failures[0].reason,
        Reason::NumericMismatch,
        "{}",
        refused.summary()
    );
}

#[test]
fn a_refused_stage_hides_no_other() {
    let wrong = |kernel: &str| kernel.replace("i < 100u", "i < 99u");
    let verdict = verdict(&package(&wrong(SUM), &wrong(TWICE)), &Options::default());
    let stages: Vec<&str> = verdict
        .failures
        .iter()
        .map(|it| it.stage.as_str())
        .collect();
    assert_eq!(stages, ["sum", "twice"]);
}

#[test]
fn a_result_put_over_an_argument_is_refused() {
    // The last stage writes its result where the caller's `a` was.
    let mut package = package(SUM, TWICE);
    package::dispatch_of(&mut package, 1).args[1].buffer.0 = 0;
    let entry = package.manifest.entries.get_mut("main").unwrap();
    entry.outputs[0].buffer.0 = 0;
    let mut units = package::units(&package);
    units[1].outputs[0].0 = 0;
    let function = package::additions("main", &["arg0", "arg1"], &[(0, 1), (2, 2)]);
    package::set_programs(&mut package, function, units);
    let failure = refusal(&package);
    assert_eq!(failure.reason, Reason::Poison, "{failure:?}");
    assert_eq!(failure.stage, "twice");
    assert!(
        failure
            .detail
            .contains("writes to 'a', which is given to 'main'"),
        "{failure:?}"
    );
}

#[test]
fn a_package_that_hides_the_length_of_its_loops_gains_nothing() {
    // More iterations than lavapipe makes, declared as none: what it cuts off is missing.
    let long = SUM.replace(
        "s[i] = a[i] + b[i]",
        "var t = 0.0; for (var k = 0u; k < 70000u; k++) { t += select(0.0, 1.0, k == 69999u); } \
         s[i] = (a[i] + b[i]) * t",
    );
    let verdict = verdict(&package(&long, TWICE), &Options::default());
    match package::device().description().loop_trip_limit {
        Some(limit) if limit < 70_000 => {
            assert_eq!(verdict.failures[0].reason, Reason::NumericMismatch);
        }
        _ => assert!(verdict.passed, "{}", verdict.summary()),
    }
}

#[test]
fn loops_that_the_device_ends_are_refused() {
    let limit = package::device().description().loop_trip_limit;
    for (trips, words) in [
        (60_001, "up to 60001 iterations"),
        (u64::MAX, "is not known"),
    ] {
        let mut package = package(SUM, TWICE);
        let kernel = package.manifest.kernels.get_mut("sum").unwrap();
        kernel.requires.limits.loop_trips = trips;
        if limit.is_none() {
            assert!(verdict(&package, &Options::default()).passed);
            continue;
        }
        let failure = refusal(&package);
        assert_eq!(failure.reason, Reason::Execution);
        assert!(failure.detail.contains(words), "{failure:?}");
    }
}

#[test]
fn what_is_slower_than_asked_for_is_refused_as_too_slow_and_not_as_wrong() {
    let options = |most_ms| Options {
        most_ms: Some(most_ms),
        ..Options::default()
    };
    let slow = verdict(&package(SUM, TWICE), &options(0.0));
    assert!(!slow.passed && slow.levels.is_empty());
    let last = slow.failures.last().unwrap();
    assert_eq!(
        (last.reason, last.scope),
        (Reason::TooSlow, Scope::Function)
    );
    assert!(verdict(&package(SUM, TWICE), &options(1e9)).passed);
    // What is wrong is refused for that.
    let wrong = package(&SUM.replace("a[i] + b[i]", "a[i]"), TWICE);
    let wrong = verdict(&wrong, &options(0.0));
    assert_eq!(wrong.failures[0].reason, Reason::NumericMismatch);
}
