//! What is at the path: nothing, garbage, something newer, something locked or full.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use kforge_planner::archive::{Archive, ArchiveError, Filter, Options, Shader};
use rusqlite::Connection;

use crate::{open, place, record, verified};

fn impatient() -> Options {
    Options {
        patience: Duration::from_millis(200),
        ..Options::default()
    }
}

fn attempts(archive: &Archive) -> u64 {
    archive.stats(&Filter::default()).unwrap().attempts
}

/// Opens a file that must be set aside, checks that it was, and that work goes on.
fn set_aside(path: &Path) -> (PathBuf, String) {
    let mut archive = open(path);
    let [warning] = archive.warnings() else {
        panic!("no warning");
    };
    let (to, text) = (warning.to.clone(), warning.to_string());
    let name = to.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("archive.sqlite.corrupt-"), "{name}");
    assert_eq!(attempts(&archive), 0);
    archive.record(&record(1, verified(1.0))).unwrap();
    drop(archive);
    let archive = open(path);
    assert!(archive.warnings().is_empty());
    assert_eq!(attempts(&archive), 1);
    (to, text)
}

#[test]
fn a_missing_archive_is_begun_with_its_folders_or_refused() {
    let (folder, path) = place();
    let options = Options {
        create: false,
        ..Options::default()
    };
    let error = Archive::open(&path, &options).unwrap_err();
    assert!(matches!(error, ArchiveError::Missing { .. }), "{error}");
    assert!(!path.exists());
    let deep = folder.path().join("a/b/archive.sqlite");
    assert_eq!(attempts(&open(&deep)), 0);
    assert!(Archive::open(&deep, &options).is_ok());
    // Left empty by a process that was killed before it wrote anything.
    fs::write(&path, b"").unwrap();
    let archive = open(&path);
    assert_eq!((attempts(&archive), archive.warnings().len()), (0, 0));
}

#[test]
fn a_file_that_is_no_database_is_set_aside_whole() {
    let (_folder, path) = place();
    let garbage = b"not a database at all\n".repeat(500);
    fs::write(&path, &garbage).unwrap();
    let (to, warning) = set_aside(&path);
    assert_eq!(fs::read(to).unwrap(), garbage);
    assert!(warning.contains("file is not a database"), "{warning}");
    // A second one in the same second gets another name.
    fs::write(&path, &garbage).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    let (other, _) = set_aside(&path);
    assert_eq!(fs::read(other).unwrap(), garbage);
}

#[test]
fn a_corrupt_page_is_found_on_opening() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    for created in 0..50 {
        archive.record(&record(created, verified(1.0))).unwrap();
    }
    drop(archive);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let (to, _) = set_aside(&path);
    assert_eq!(fs::read(to).unwrap(), bytes);
}

#[test]
fn a_truncated_file_is_found_on_opening() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    for created in 0..50 {
        archive.record(&record(created, verified(1.0))).unwrap();
    }
    drop(archive);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    set_aside(&path);
}

#[test]
fn a_file_that_could_only_be_read_for_good_is_set_aside() {
    let (_folder, path) = place();
    open(&path).record(&record(7, verified(1.0))).unwrap();
    for version in [3, 0x82] {
        open(&path);
        let mut bytes = fs::read(&path).unwrap();
        bytes[18] = version;
        fs::write(&path, &bytes).unwrap();
        let (to, warning) = set_aside(&path);
        assert_eq!(fs::read(to).unwrap(), bytes);
        assert!(warning.contains("its file format is"), "{warning}");
    }
}

#[test]
fn an_index_that_is_not_its_tables_is_found_on_opening() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    for created in 0..50 {
        archive.record(&record(created, verified(1.0))).unwrap();
    }
    drop(archive);
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET rootpage = (
           SELECT rootpage FROM sqlite_schema WHERE name = 'attempts_by_age')
         WHERE name = 'attempts_by_id';",
    )
    .unwrap();
    drop(raw);
    let bytes = fs::read(&path).unwrap();
    let (to, _) = set_aside(&path);
    assert_eq!(fs::read(to).unwrap(), bytes);
}

#[test]
fn a_newer_schema_is_set_aside_and_not_touched() {
    let (_folder, path) = place();
    open(&path).record(&record(7, verified(1.0))).unwrap();
    let raw = Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 2).unwrap();
    drop(raw);
    let (to, warning) = set_aside(&path);
    assert!(
        warning.contains("its schema is 2, this program knows 1"),
        "{warning}"
    );
    let raw = Connection::open(to).unwrap();
    let ids: i64 = raw
        .query_row(
            "SELECT count(*) FROM attempts WHERE attempt_id = 'try-7'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(ids, 1);
}

#[test]
fn foreign_tables_and_triggers_are_no_archive() {
    let (_folder, path) = place();
    open(&path);
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TRIGGER t AFTER INSERT ON attempts BEGIN DELETE FROM attempts; END")
        .unwrap();
    drop(raw);
    let (_, warning) = set_aside(&path);
    assert!(
        warning.contains("tables are not those of an archive"),
        "{warning}"
    );

    let (_folder, path) = place();
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .unwrap();
    drop(raw);
    let before = fs::read(&path).unwrap();
    let error = Archive::open(&path, &Options::default()).unwrap_err();
    assert!(matches!(error, ArchiveError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_locked_archive_says_so_and_loses_nothing() {
    let (_folder, path) = place();
    let mut archive = Archive::open(&path, &impatient()).unwrap();
    archive.record(&record(1, verified(1.0))).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = archive.record(&record(2, verified(1.0))).unwrap_err();
    assert!(matches!(error, ArchiveError::Locked { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("in use by another process for more than 0.2 s"),
        "{error}"
    );
    // Readers do not wait for writers.
    assert_eq!(attempts(&archive), 1);
    other.execute_batch("ROLLBACK").unwrap();
    archive.record(&record(2, verified(1.0))).unwrap();
    assert_eq!(attempts(&archive), 2);
}

#[test]
fn an_archive_that_is_being_opened_elsewhere_is_waited_for() {
    let (_folder, path) = place();
    let lock = fs::File::create(format!("{}.lock", path.display())).unwrap();
    lock.lock().unwrap();
    let error = Archive::open(&path, &impatient()).unwrap_err();
    assert!(matches!(error, ArchiveError::Locked { .. }), "{error}");
    lock.unlock().unwrap();
    assert!(Archive::open(&path, &impatient()).is_ok());
}

#[test]
fn a_full_disk_loses_only_the_row_that_did_not_fit() {
    let (_folder, path) = place();
    let options = Options {
        max_bytes: Some(256 << 10),
        ..Options::default()
    };
    let mut archive = Archive::open(&path, &options).unwrap();
    let mut stored = 0;
    let error = loop {
        assert!(stored < 1000, "the limit does not hold");
        match archive.record(&record(stored, verified(1.0))) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ArchiveError::Full { .. }), "{error}");
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(stored > 5, "{stored}");
    assert_eq!(attempts(&archive), stored);
    drop(archive);
    let mut archive = open(&path);
    assert!(archive.warnings().is_empty());
    assert!(archive.verify().unwrap().is_sound());
    assert_eq!(attempts(&archive), stored);
    archive.record(&record(stored, verified(1.0))).unwrap();
    assert_eq!(attempts(&archive), stored + 1);
}

#[test]
fn what_is_over_a_limit_is_not_stored() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let mut large = record(1, verified(1.0));
    large.shaders = vec![Shader {
        kernel: "up".into(),
        wgsl: " ".repeat((16 << 20) + 1),
    }];
    let error = archive.record(&large).unwrap_err().to_string();
    assert!(
        error.contains("a shader of 16777217 bytes, the limit is 16777216"),
        "{error}"
    );
    let mut large = record(1, crate::refused("compile"));
    large.attempt.outcome = kforge_planner::Outcome::Refused {
        reason: "compile".into(),
        detail: " ".repeat(5 << 20),
    };
    let error = archive.record(&large).unwrap_err().to_string();
    assert!(error.contains("the limit is 4194304"), "{error}");
    assert_eq!(attempts(&archive), 0);
}
