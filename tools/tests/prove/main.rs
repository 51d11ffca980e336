//! The static proof (level L1) of what the compiler emits: every kernel family, under many
//! plans and at sizes with and without tails, is proved; and what is proved stays right when
//! invocations are followed one by one, also for kernels with a deliberate mistake.
//!
//! No device is needed. There are no exceptions: every emitted kernel is inside the class.

#![cfg(feature = "mlir")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

mod emitted;

mod matrix_unit;
mod mistakes;
mod schedules;
mod sources;

use emitted::{Emitted, each};
use kforge_verify::prove::{Finding, prove};

/// Plans of each source and device; `KFORGE_PLANS` says how many others.
fn plans() -> usize {
    let given = std::env::var("KFORGE_PLANS").ok();
    given.map_or(4, |text| text.parse().unwrap())
}

fn all_proved(sources: &[sources::Source]) {
    let (mut kernels, mut open) = (0, Vec::new());
    let mut on_matrix_unit = 0;
    for source in sources {
        let before = kernels;
        each(source, plans(), |emitted: &Emitted| {
            kernels += 1;
            on_matrix_unit += usize::from(emitted.wgsl.contains("coopMultiplyAdd"));
            match prove(&emitted.code, &emitted.launch) {
                Finding::Proved(_) => {}
                other => open.push(format!("{}: {other:?}", emitted.name)),
            }
        });
        assert!(kernels > before, "{} has no kernels", source.name);
    }
    assert!(
        open.is_empty(),
        "{} of {kernels}:\n{}",
        open.len(),
        open.join("\n")
    );
    let halves = sources.iter().any(|it| it.name.starts_with("matmul 256"));
    assert!(
        on_matrix_unit > 0 || !halves,
        "no kernel uses the matrix unit"
    );
    println!("{kernels} launches proved, {on_matrix_unit} of them on a matrix unit");
}

#[test]
fn kernels_under_many_plans_are_proved() {
    all_proved(&sources::scheduled());
}

#[test]
fn kernels_without_knobs_and_whole_layers_are_proved() {
    all_proved(&sources::fixed());
}
