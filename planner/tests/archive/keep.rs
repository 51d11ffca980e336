//! Verifying and collecting.

use kforge_planner::archive::{Collected, Filter};
use rusqlite::Connection;

use crate::{open, place, record_of, refused, verified};

#[test]
fn a_sound_archive_is_said_to_be() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    archive.record(&record_of(64, 1, 1, verified(2.0))).unwrap();
    archive
        .record(&record_of(64, 2, 2, refused("compile")))
        .unwrap();
    let report = archive.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.attempts, report.intact), (2, 2));
    let nothing = Collected {
        compacted: true,
        ..Collected::default()
    };
    assert_eq!(archive.gc(None).unwrap(), nothing);
    assert_eq!(archive.stats(&Filter::default()).unwrap().attempts, 2);
}

#[test]
fn gc_keeps_the_best_and_what_speaks_against_a_kept_plan() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let records = [
        // The fastest, but refused later: neither kept for its time nor forgotten.
        record_of(64, 1, 1, verified(0.5)),
        record_of(64, 1, 2, refused("determinism")),
        record_of(64, 2, 3, verified(1.0)),
        record_of(64, 4, 4, verified(2.0)),
        record_of(64, 8, 5, refused("poison")),
        record_of(64, 8, 6, refused("timeout")),
    ];
    archive.record_all(&records).unwrap();
    // With room for all, the refusal stays with its plan.
    archive.gc(Some(3)).unwrap();
    let best = |archive: &kforge_planner::archive::Archive| {
        archive.best(&crate::key(64)).unwrap().unwrap().attempt.id
    };
    assert_eq!(best(&archive), "try-3");
    let collected = archive.gc(Some(1)).unwrap();
    assert_eq!(best(&archive), "try-3");
    let ids: Vec<String> = archive
        .attempts(&crate::key(64))
        .unwrap()
        .into_iter()
        .map(|it| it.attempt.id)
        .collect();
    assert_eq!(ids, ["try-3", "try-6"]);
    assert_eq!(
        (collected.attempts, collected.shaders, collected.keys),
        (4, 2, 0)
    );
    assert!(archive.verify().unwrap().is_sound());
}

#[test]
fn gc_removes_what_is_damaged_and_what_nothing_names() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    archive.record(&record_of(64, 1, 1, verified(2.0))).unwrap();
    archive
        .record(&record_of(128, 2, 2, verified(3.0)))
        .unwrap();
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE attempts SET attempt = '{' WHERE ms = 3", [])
        .unwrap();
    let expected = Collected {
        damaged: 1,
        attempts: 0,
        keys: 1,
        shaders: 1,
        compacted: true,
    };
    assert_eq!(archive.gc(None).unwrap(), expected);
    assert!(archive.verify().unwrap().is_sound());
    assert!(archive.show("try-1").is_ok());
}

#[test]
fn a_damaged_shader_is_counted_not_shown_and_healed_by_storing_it_again() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let record = record_of(64, 1, 1, verified(2.0));
    archive.record(&record).unwrap();
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE shaders SET bytes = x'00'", []).unwrap();
    assert_eq!(archive.verify().unwrap().lost_shaders, 1);
    assert!(archive.show("try-1").unwrap().shaders.is_empty());
    archive.record(&record).unwrap();
    assert_eq!(archive.show("try-1").unwrap().shaders, record.shaders);
}

#[test]
fn another_shader_in_its_place_is_lost_not_shown() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    archive
        .record_all(&[
            record_of(64, 1, 1, verified(2.0)),
            record_of(64, 2, 2, verified(3.0)),
        ])
        .unwrap();
    let raw = Connection::open(&path).unwrap();
    let swap = "UPDATE shaders SET bytes = (SELECT bytes FROM shaders ORDER BY hash LIMIT 1)";
    assert_eq!(raw.execute(swap, []).unwrap(), 2);
    assert_eq!(archive.verify().unwrap().lost_shaders, 1);
    let shown = |id| archive.show(id).unwrap().shaders.len();
    assert_eq!(shown("try-1") + shown("try-2"), 1);
}
