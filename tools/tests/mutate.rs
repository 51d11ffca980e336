//! `kforge mutate-and-test` on a few programs: named mistakes are refused, harmless changes
//! accepted, and what was refused once is found by its kept case.
//!
//! Without an adapter the tests fail: nothing was shown.

#![cfg(feature = "mlir")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{collections::BTreeSet, path::Path, sync::atomic::Ordering, time::Duration};

use kforge_mutate::{Corpus, Fate, Place, Purpose};
use kforge_tools::{
    compile::Source,
    mutate::{PROGRAMS, Record, Report, Settings, all_kinds, run},
};

fn programs(names: &[&str]) -> Vec<(String, Source)> {
    let wanted = PROGRAMS.iter().filter(|it| names.contains(&it.name));
    wanted.map(|it| (it.name.to_owned(), it.source())).collect()
}

fn settings(limit: usize) -> Settings {
    Settings {
        limit,
        corpus: None,
        deadline: Duration::from_secs(10),
        runner: Path::new(env!("CARGO_BIN_EXE_kforge-run")).into(),
        ..Settings::default()
    }
}

fn report(names: &[&str], settings: &Settings) -> Report {
    run(&programs(names), settings, &mut |_| (), &mut |_| ()).unwrap()
}

/// The nine that the requirements name.
const NAMED: [&str; 9] = [
    "tile_k_zero",
    "vector_width_three",
    "layernorm_epsilon_zero",
    "unknown_pass",
    "target_tpu",
    "tile_m_1024",
    "uniform_attention_weights",
    "missing_sqrt_dk_scale",
    "biased_layernorm_variance",
];

#[test]
fn the_named_mutants_are_killed() {
    let settings = Settings {
        kinds: NAMED.map(Into::into).to_vec(),
        ..settings(2)
    };
    let report = report(&["matmul", "layer_norm_plain", "attention"], &settings);
    let killed: BTreeSet<&str> = report
        .records
        .iter()
        .filter(|record| matches!(record.judged.fate, Fate::Refused(_)))
        .map(|record| record.instance.kind.as_str())
        .collect();
    assert_eq!(killed, BTreeSet::from(NAMED), "{}", report.text());
    assert_eq!(report.totals.escaped, 0, "{}", report.text());
    assert!(report.escape_rate_bound.is_some());
}

#[test]
fn what_was_judged_before_a_stop_is_reported() {
    let settings = Settings {
        places: vec![Place::Plan, Place::Host],
        ..settings(1)
    };
    let mut stop = |_: &Record| settings.stop.store(true, Ordering::Relaxed);
    let sources = programs(&["softmax", "chain"]);
    let report = run(&sources, &settings, &mut stop, &mut |_| ()).unwrap();
    let place = |record: &Record| (record.program.clone(), record.instance.place);
    let places: Vec<_> = report.records.iter().map(place).collect();
    assert!(!places.is_empty());
    assert!(
        places
            .iter()
            .all(|it| *it == ("softmax".into(), Place::Plan)),
        "{places:?}"
    );
    assert_eq!(report.totals.killed, places.len());
}

#[test]
fn harmless_changes_are_accepted() {
    let controls = all_kinds().into_iter();
    let controls = controls.filter(|kind| kind.purpose == Purpose::Control);
    let settings = Settings {
        kinds: controls.map(|kind| kind.name.into()).collect(),
        ..settings(1)
    };
    let report = report(&["softmax", "chain"], &settings);
    assert_eq!(report.totals.controls_refused, 0, "{}", report.text());
    assert!(report.totals.controls_passed >= 15, "{}", report.text());
    assert_eq!(report.totals.mutants, 0);
}

#[test]
fn a_mistake_that_comes_back_is_found_by_its_case() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corpus.json");
    let settings = Settings {
        kinds: vec!["sum_difference".into()],
        places: vec![Place::Kernel],
        corpus: Some(path.clone()),
        ..settings(1)
    };
    let reasons = || -> BTreeSet<String> {
        let report = report(&["layer_norm_plain"], &settings);
        let kills = report
            .records
            .iter()
            .filter_map(|record| match &record.judged.fate {
                Fate::Refused(kill) => Some(kill.reason.clone()),
                _ => None,
            });
        kills.collect()
    };
    assert_eq!(reasons(), BTreeSet::from(["NumericMismatch".to_owned()]));
    let (corpus, warning) = Corpus::load(&path).unwrap();
    assert_eq!((corpus.cases.len(), warning), (1, None));
    assert_eq!(corpus.cases[0].found_by, "sum_difference");
    assert_eq!(reasons(), BTreeSet::from(["RegressionCase".to_owned()]));
    let schema = kforge_mutate::corpus::schema();
    let value = serde_json::to_value(&corpus).unwrap();
    assert!(jsonschema::is_valid(&schema, &value));
}

#[test]
fn there_are_enough_kinds_and_each_has_one_name() {
    let kinds = all_kinds();
    let names: BTreeSet<&str> = kinds.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), kinds.len());
    let mutants = kinds.iter().filter(|kind| kind.purpose == Purpose::Mutant);
    assert!(mutants.count() >= 120);
}

#[test]
fn drawn_plans_are_accepted() {
    let settings = Settings {
        kinds: vec!["drawn_plan".into()],
        ..settings(2)
    };
    let names = ["matmul_epilogue", "softmax", "rms_norm", "attention_masked"];
    let report = report(&names, &settings);
    assert_eq!(report.totals.controls_refused, 0, "{}", report.text());
    assert_eq!(
        report.totals.controls_passed,
        2 * names.len(),
        "{}",
        report.text()
    );
}
