//! Storing and asking.

use kforge_planner::{
    Outcome,
    archive::{Archive, ArchiveError, Filter, Key, Record},
    problem::OpShape,
};

use kforge_runtime::Dtype;

use crate::{open, place, record, record_of, refused, verified};

fn by_kernel(kernel: &str) -> Filter {
    Filter {
        kernel: Some(kernel.into()),
        device: None,
    }
}

#[test]
fn an_attempt_comes_back_bit_for_bit_after_reopening() {
    let (_folder, path) = place();
    let stored = record(5, verified(0.1 + 0.7));
    let hash = open(&path).record(&stored).unwrap();
    let shown = open(&path).show("try-5").unwrap();
    assert_eq!(shown.entry.hash, hash);
    assert_eq!(shown.entry.key, stored.key);
    assert_eq!(shown.entry.attempt, stored.attempt);
    assert_eq!(shown.entry.evidence.spread, stored.spread);
    assert_eq!(shown.entry.evidence.seed, stored.seed);
    assert_eq!(shown.shaders, stored.shaders);
    let by_hash = open(&path).show(&hash[..6]).unwrap();
    assert_eq!(by_hash, shown);
}

#[test]
fn best_is_the_fastest_of_exactly_the_key() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let records = [
        record_of(64, 1, 1, verified(2.0)),
        record_of(64, 2, 2, verified(1.0)),
        record_of(64, 4, 3, verified(3.0)),
        record_of(64, 8, 4, refused("numeric-mismatch")),
        record_of(128, 1, 5, verified(0.5)),
    ];
    archive.record_all(&records).unwrap();
    let best = archive.best(&records[0].key).unwrap().unwrap();
    assert_eq!(best.attempt, records[1].attempt);
    let mut other = records[0].key.clone();
    let changes: [fn(&mut Key); 6] = [
        |key| key.adapter.driver_info.push('x'),
        |key| key.versions.naga.push('x'),
        |key| key.versions.verifier.push('x'),
        |key| key.checks.bounds = false,
        |key| key.plan_schema += 1,
        |key| key.problem.module.push('x'),
    ];
    for change in changes {
        let before = other.clone();
        change(&mut other);
        assert_ne!(before.digest(), other.digest());
        assert_eq!(archive.best(&other).unwrap(), None);
    }
    let leaders = archive.leaders(&Filter::default(), 10).unwrap();
    let times: Vec<Option<f64>> = leaders.iter().map(|it| it.attempt.ms()).collect();
    assert_eq!(times, [Some(0.5), Some(1.0)]);
}

#[test]
fn a_plan_refused_later_is_not_the_best_until_it_passes_again() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let key = record(0, verified(1.0)).key;
    let best = |archive: &Archive| archive.best(&key).unwrap().map(|it| it.attempt.id);
    archive.record(&record_of(64, 1, 1, verified(1.0))).unwrap();
    archive.record(&record_of(64, 2, 2, verified(2.0))).unwrap();
    assert_eq!(best(&archive).as_deref(), Some("try-1"));
    // The same plan, whoever proposed it.
    let mut again = record_of(64, 1, 3, refused("determinism"));
    again.attempt.plan.provenance.planner = "search".into();
    archive.record(&again).unwrap();
    assert_eq!(best(&archive).as_deref(), Some("try-2"));
    archive.record(&record_of(64, 1, 4, verified(1.5))).unwrap();
    assert_eq!(best(&archive).as_deref(), Some("try-4"));
}

#[test]
fn near_keys_come_by_distance_and_own_device_first() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let here = record_of(96, 1, 1, verified(1.0));
    let mut elsewhere = record_of(96, 1, 2, verified(0.1));
    elsewhere.key.adapter.name = "another".into();
    let mut half = record_of(128, 1, 3, verified(1.0));
    half.key.problem.ops[0].shape = match half.key.problem.ops[0].shape {
        OpShape::Matmul { batch, m, n, k, .. } => OpShape::Matmul {
            batch,
            m,
            n,
            k,
            element: Dtype::F16,
            transpose_b: false,
        },
        other => other,
    };
    half.attempt.outcome = refused("compile");
    half.spread = None;
    let all = [
        here,
        elsewhere,
        half,
        record_of(512, 1, 4, verified(1.0)),
        record_of(64, 1, 5, verified(1.0)),
        record_of(100, 1, 6, refused("poison")),
    ];
    archive.record_all(&all).unwrap();
    let near = archive.near(&record(0, verified(1.0)).key, 10).unwrap();
    let ids: Vec<&str> = near.iter().map(|it| it.entry.attempt.id.as_str()).collect();
    assert_eq!(ids, ["try-1", "try-2", "try-4"]);
    assert!((near[0].distance - 1.5f64.ln()).abs() < 1e-12, "{near:?}");
    assert!((near[2].distance - 8f64.ln()).abs() < 1e-12, "{near:?}");
    assert_eq!(
        archive
            .near(&record(0, verified(1.0)).key, 1)
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn history_and_stats_count_what_the_filter_selects() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let mut elsewhere = record_of(64, 1, 9, verified(2.0));
    elsewhere.key.adapter.name = "Apple M9".into();
    let all: Vec<Record> = [
        record_of(64, 1, 1, verified(1.0)),
        record_of(64, 2, 2, verified(4.0)),
        record_of(64, 4, 3, refused("poison")),
        record_of(64, 8, 4, refused("poison")),
        record_of(128, 1, 5, refused("timeout")),
        elsewhere,
    ]
    .into();
    archive.record_all(&all).unwrap();
    let stats = archive.stats(&Filter::default()).unwrap();
    assert_eq!(
        (stats.attempts, stats.verified, stats.keys, stats.damaged),
        (6, 3, 3, 0)
    );
    assert_eq!(
        stats.refused,
        [("poison".into(), 2), ("timeout".into(), 1)].into()
    );
    assert_eq!(stats.best_speedup, Some(8.0));
    assert_eq!(stats.median_speedup, Some(4.0));
    assert_eq!(
        stats.devices,
        [("Apple M9".into(), 1), ("llvmpipe".into(), 5)].into()
    );

    let ids = |filter: &Filter, limit| -> Vec<String> {
        let entries = archive.history(filter, limit).unwrap();
        entries.into_iter().map(|it| it.attempt.id).collect()
    };
    assert_eq!(ids(&Filter::default(), 3), ["try-9", "try-5", "try-4"]);
    assert_eq!(ids(&by_kernel("matmul"), 9).len(), 6);
    assert_eq!(ids(&by_kernel("128x64"), 9), ["try-5"]);
    assert_eq!(ids(&by_kernel("mat"), 9).len(), 6);
    assert!(ids(&by_kernel("softmax"), 9).is_empty());
    let apple = Filter {
        device: Some("apple".into()),
        kernel: Some("matmul".into()),
    };
    assert_eq!(ids(&apple, 9), ["try-9"]);
    let stats = archive.stats(&apple).unwrap();
    assert_eq!((stats.attempts, stats.median_speedup), (1, Some(4.0)));
    let own = archive.attempts(&all[0].key).unwrap();
    let own: Vec<&str> = own.iter().map(|it| it.attempt.id.as_str()).collect();
    assert_eq!(own, ["try-1", "try-2", "try-3", "try-4"]);
}

#[test]
fn an_id_of_nothing_or_of_several_is_an_error() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let mut twice = record(1, verified(1.0));
    archive.record(&twice).unwrap();
    twice.created = 2;
    archive.record(&twice).unwrap();
    let error = archive.show("try-1").unwrap_err();
    assert!(matches!(&error, ArchiveError::Ambiguous { hashes, .. } if hashes.len() == 2));
    let error = archive.show("try-\u{1b}[2J").unwrap_err().to_string();
    assert_eq!(
        error,
        r"no attempt 'try-\u{1b}[2J' in the archive; history lists them"
    );
}

#[test]
fn the_same_attempt_twice_is_one_and_its_shader_is_kept_once() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let first = archive.record(&record(1, verified(1.0))).unwrap();
    assert_eq!(archive.record(&record(1, verified(1.0))).unwrap(), first);
    archive.record(&record(2, verified(1.0))).unwrap();
    assert_eq!(archive.stats(&Filter::default()).unwrap().attempts, 2);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        raw.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("shaders"), count("keys")), (1, 1));
}

#[test]
fn the_same_kernels_on_two_vendors_devices_hold_level_4() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let on = |vendor: &str, driver: &str, level_3: bool, group_m: i64| {
        let mut record = record_of(64, group_m, 1, verified(1.0));
        record.key.adapter.name = format!("of {vendor}");
        record.key.adapter.vendor = vendor.into();
        record.key.adapter.driver = driver.into();
        record.attempt.id = format!("{vendor}-{driver}-{level_3}-{group_m}");
        if let Outcome::Verified { levels, .. } = &mut record.attempt.outcome {
            levels.retain(|level| level != "L3");
            levels.extend(level_3.then(|| "L3".to_owned()));
        }
        record
    };
    let records = [
        on("0x10005", "lavapipe", true, 1),
        // The same vendor, level 2 alone, other kernels.
        on("0x10005", "another", true, 1),
        on("0x1002", "radv", false, 1),
        on("0x8086", "anv", true, 2),
    ];
    archive.record_all(&records).unwrap();
    let of = |archive: &Archive, id: &str| -> Vec<String> {
        let adapters = archive.show(id).unwrap().level_4;
        adapters.into_iter().map(|adapter| adapter.name).collect()
    };
    assert!(of(&archive, "0x10005-lavapipe-true-1").is_empty());
    archive
        .record_all(&[on("0x10de", "NVIDIA", true, 1)])
        .unwrap();
    assert_eq!(of(&archive, "0x10005-lavapipe-true-1"), ["of 0x10de"]);
    assert_eq!(
        of(&archive, "0x10de-NVIDIA-true-1"),
        ["of 0x10005", "of 0x10005"]
    );
    assert!(of(&archive, "0x1002-radv-false-1").is_empty());
    assert!(of(&archive, "0x8086-anv-true-2").is_empty());
}

#[test]
fn an_accepted_plan_is_the_best_though_a_search_timed_another_one_faster() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let lucky = record_of(64, 2, 2, verified(1.0));
    let accepted = |created, ms| Record {
        every_case: true,
        ..record_of(64, 1, created, verified(ms))
    };
    archive.record(&record_of(64, 1, 1, verified(2.0))).unwrap();
    archive.record(&lucky).unwrap();
    let best = |archive: &Archive| archive.best(&lucky.key).unwrap().unwrap().attempt.id;
    assert_eq!(best(&archive), "try-2");
    archive.record(&accepted(3, 2.5)).unwrap();
    assert_eq!(best(&archive), "try-3");
    archive.record(&accepted(4, 2.4)).unwrap();
    assert_eq!(best(&archive), "try-4");
}
