//! Rows that somebody else wrote: none is believed that could not have been stored.

use kforge_planner::{
    Outcome,
    archive::{Archive, ArchiveError, Damage, Filter, Record},
    plan::Knob,
};
use rusqlite::Connection;

use crate::{open, place, record, record_of, refused, verified};

/// An archive with a good attempt at 2 ms and, edited by `sql`, a better one at 1 ms.
fn edited(sql: &str) -> (tempfile::TempDir, Archive) {
    let (folder, path) = place();
    let mut archive = open(&path);
    archive.record(&record_of(64, 2, 1, verified(2.0))).unwrap();
    archive.record(&record_of(64, 1, 2, verified(1.0))).unwrap();
    let raw = Connection::open(&path).unwrap();
    let changed = raw.execute(sql, []).unwrap();
    assert!(changed > 0, "the edit changed nothing");
    (folder, archive)
}

/// The better attempt must be found damaged, and nowhere be returned.
fn is_damaged(sql: &str, damage: Damage) {
    let (_folder, archive) = edited(sql);
    let report = archive.verify().unwrap();
    assert_eq!((report.attempts, report.intact), (2, 1), "{sql}");
    assert_eq!(report.damaged, [(damage, 1)].into(), "{sql}");
    assert!(!report.is_sound());
    let ids = |entries: Vec<kforge_planner::archive::Entry>| -> Vec<String> {
        entries.into_iter().map(|it| it.attempt.id).collect()
    };
    let key = record(0, verified(1.0)).key;
    let best = archive.best(&key).unwrap().map(|it| it.attempt.id);
    assert_eq!(best.as_deref(), Some("try-1"), "{sql}");
    let all = Filter::default();
    assert_eq!(ids(archive.history(&all, 9).unwrap()), ["try-1"], "{sql}");
    assert_eq!(ids(archive.leaders(&all, 9).unwrap()), ["try-1"], "{sql}");
    assert_eq!(ids(archive.attempts(&key).unwrap()), ["try-1"], "{sql}");
    let far = crate::key(128);
    let near = archive.near(&far, 9).unwrap();
    assert_eq!(
        ids(near.into_iter().map(|it| it.entry).collect()),
        ["try-1"],
        "{sql}"
    );
    let stats = archive.stats(&all).unwrap();
    assert_eq!((stats.attempts, stats.damaged), (1, 1), "{sql}");
    assert_eq!(stats.best_speedup, Some(4.0), "{sql}");
    let shown = archive.show(report.damaged_rows[0].as_str());
    assert!(matches!(
        shown,
        Err(ArchiveError::Damaged { .. } | ArchiveError::Unknown { .. })
    ));
}

#[test]
fn an_edited_text_does_not_match_its_hash() {
    for sql in [
        "UPDATE attempts SET attempt = replace(attempt, '\"ms\":1.0', '\"ms\":0.5') WHERE ms = 1",
        "UPDATE attempts SET evidence = replace(evidence, '\"seed\":1', '\"seed\":2') WHERE ms = 1",
    ] {
        is_damaged(sql, Damage::HashMismatch);
    }
    is_damaged(
        "UPDATE attempts SET hash = '0000000000000000000000000000000000000000000000000000000000000000' WHERE ms = 1",
        Damage::HashMismatch,
    );
}

#[test]
fn a_text_that_cannot_be_read_ends_no_search() {
    is_damaged(
        "UPDATE attempts SET attempt = printf('%.*c', 5000000, 'x') WHERE ms = 1",
        Damage::Unreadable,
    );
    is_damaged(
        "UPDATE attempts SET attempt = CAST(x'ff00fe' AS TEXT) WHERE ms = 1",
        Damage::Unreadable,
    );
    is_damaged(
        "UPDATE attempts SET hash = 'x''\u{1b}[2J' WHERE ms = 1",
        Damage::Unreadable,
    );
}

#[test]
fn a_column_that_says_something_else_is_not_believed() {
    is_damaged(
        "UPDATE attempts SET ms = 0.001 WHERE ms = 1",
        Damage::ColumnMismatch,
    );
    is_damaged(
        "UPDATE attempts SET reason = 'poison' WHERE ms = 1",
        Damage::ColumnMismatch,
    );
    is_damaged(
        "UPDATE attempts SET plan = 'other' WHERE ms = 1",
        Damage::ColumnMismatch,
    );
    is_damaged(
        "UPDATE attempts SET created = 77 WHERE ms = 1",
        Damage::ColumnMismatch,
    );
}

/// Writes a row as a forger would: texts of his choice, columns and hash to match.
fn forged(attempt: impl FnOnce(String) -> String) -> (tempfile::TempDir, Archive) {
    let (folder, archive) = edited("UPDATE attempts SET attempt_id = attempt_id");
    let raw = Connection::open(archive.path()).unwrap();
    let row = "SELECT k.text, a.attempt, a.evidence FROM attempts a JOIN keys k USING (digest)
               WHERE a.attempt_id = 'try-2'";
    let (key, old, evidence): (String, String, String) = raw
        .query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    let new = attempt(old.clone());
    assert_ne!(old, new);
    let mut hasher = blake3::Hasher::new();
    for text in [&key, &new, &evidence] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let hash = hasher.finalize().to_hex().to_string();
    raw.execute(
        "UPDATE attempts SET attempt = ?1, hash = ?2 WHERE attempt_id = 'try-2'",
        (&new, hash),
    )
    .unwrap();
    (folder, archive)
}

#[test]
fn a_rehashed_row_still_has_to_be_possible() {
    let replace = |from: &'static str, to: &'static str| move |text: String| text.replace(from, to);
    let damage = |archive: &Archive| {
        let best = archive
            .best(&record(0, verified(1.0)).key)
            .unwrap()
            .unwrap();
        assert_eq!(best.attempt.id, "try-1");
        let report = archive.verify().unwrap();
        assert_eq!((report.attempts, report.intact), (2, 1));
        report.damaged.into_keys().next().unwrap()
    };
    for (from, to, expected) in [
        ("\"ms\":1.0", "\"ms\":0.0", Damage::ImpossibleVerdict),
        ("\"ms\":1.0", "\"ms\":-1.0", Damage::ImpossibleVerdict),
        ("\"ms\":1.0", "\"ms\":1e999", Damage::Unreadable),
        ("\"ms\":1.0", "\"ms\":null", Damage::Unreadable),
        ("\"L0\",\"L2\"", "", Damage::ImpossibleVerdict),
        (
            "\"worst_ratio\":0.25",
            "\"worst_ratio\":2.5",
            Damage::ImpossibleVerdict,
        ),
        ("try-2", "try-\\u001b[2J", Damage::ImpossibleVerdict),
        ("\"tile-k\":", "\"tile-k\":100", Damage::ImpossiblePlan),
        ("kforge-tile-matmul", "loop-magic", Damage::ImpossiblePlan),
        (
            "\"verdict\":\"verified\"",
            "\"verdict\":\"verified\",\"extra\":1",
            Damage::Unreadable,
        ),
    ] {
        let (_folder, archive) = forged(replace(from, to));
        assert_eq!(damage(&archive), expected, "{from} -> {to}");
    }
    let (_folder, archive) = forged(|_| "[".repeat(100_000));
    assert_eq!(damage(&archive), Damage::Unreadable);
}

#[test]
fn a_plan_of_another_problem_is_not_believed() {
    let (_folder, path) = place();
    let mut other = record_of(64, 1, 1, verified(1.0));
    other.attempt.plan = crate::plan(128, 1);
    let mut archive = open(&path);
    let error = archive.record(&other).unwrap_err().to_string();
    assert!(
        error.contains("attempt 'try-1' is not stored: problem: the plan is for"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_is_not_stored() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let refuse = |archive: &mut Archive, edit: &dyn Fn(&mut Record), what: &str| {
        let mut record = record(1, verified(1.0));
        edit(&mut record);
        let error = archive.record(&record).unwrap_err();
        assert!(matches!(error, ArchiveError::Unfit { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    let outcome = |ms, speedup, worst_ratio, levels: &'static [&'static str]| {
        move |record: &mut Record| {
            record.attempt.outcome = Outcome::Verified {
                ms,
                speedup,
                levels: levels.iter().map(|it| (*it).to_owned()).collect(),
                worst_ratio,
            }
        }
    };
    let archive = &mut archive;
    for ms in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY] {
        refuse(
            archive,
            &outcome(ms, 1.0, 0.5, &["L2"]),
            "expected more than 0",
        );
        refuse(
            archive,
            &outcome(1.0, ms, 0.5, &["L2"]),
            "expected more than 0",
        );
    }
    for ratio in [-0.1, 1.01, f64::NAN] {
        refuse(
            archive,
            &outcome(1.0, 1.0, ratio, &["L2"]),
            "expected 0 to 1",
        );
    }
    refuse(archive, &outcome(1.0, 1.0, 0.5, &[]), "expected some of");
    refuse(
        archive,
        &outcome(1.0, 1.0, 0.5, &["verified"]),
        "expected some of",
    );
    refuse(archive, &|it| it.spread = Some(f64::NAN), "spread is NaN");
    refuse(archive, &|it| it.created = u64::MAX, "created at");
    refuse(archive, &|it| it.attempt.id.clear(), "its id is not");
    refuse(
        archive,
        &|it| it.attempt.outcome = refused("Bad reason\n"),
        "kebab-case",
    );
    // A time beside a refusal would be a time without a verdict.
    refuse(
        archive,
        &|it| it.attempt.outcome = refused("poison"),
        "has a spread of times",
    );
    let wide = |record: &mut Record| {
        let step = record.attempt.plan.passes.last_mut().unwrap();
        step.knobs.insert("tile-k".into(), Knob::Integer(0));
    };
    refuse(archive, &wide, "tile-k is 0");
    assert_eq!(archive.stats(&Filter::default()).unwrap().attempts, 0);
}

#[test]
fn a_refused_plan_may_be_one_that_no_check_lets_pass() {
    let (_folder, path) = place();
    let mut record = record(1, refused("validation"));
    let step = record.attempt.plan.passes.last_mut().unwrap();
    step.knobs.insert("tile-k".into(), Knob::Integer(0));
    let mut archive = open(&path);
    archive.record(&record).unwrap();
    let history = archive.history(&Filter::default(), 1).unwrap();
    assert_eq!(history[0].attempt, record.attempt);
    assert_eq!(archive.best(&record.key).unwrap(), None);
}

#[test]
fn a_time_that_no_device_reaches_is_not_taken() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let error = archive.record(&record(1, verified(1e-9))).unwrap_err();
    assert!(matches!(error, ArchiveError::Unfit { .. }), "{error}");
    assert!(
        error.to_string().contains("no device takes less"),
        "{error}"
    );
    archive.record(&record(1, verified(1e-4))).unwrap();
}
