//! The archive: its rows, its file and its exports.

use std::{cell::RefCell, fs, path::Path, time::Duration};

use kforge_planner::{
    Propose,
    archive::{Archive, Damage, Entry, Filter, Key, Options, Row, Verification},
    check,
    search::Evolve,
};
use tempfile::TempDir;

use crate::{
    model::silent,
    plan::{device, holds, problem},
};

/// The three texts of a row, parted by zero bytes, under the hash that belongs to them: what
/// is believed encodes as a row that says the same, and another hash is always found.
pub fn archive_row(data: &[u8]) {
    let Some((row, entry)) = row(data) else {
        return;
    };
    possible(&entry);
    let again = encode(&entry);
    let read = again.decode();
    let expected = Entry {
        hash: again.hash.clone(),
        ..entry
    };
    assert_eq!(read.as_ref(), Ok(&expected));
    let mut forged = row;
    forged.evidence.push(' ');
    assert_eq!(forged.decode(), Err(Damage::HashMismatch));
}

/// A row that is believed.
fn row(data: &[u8]) -> Option<(Row, Entry)> {
    let mut texts = std::str::from_utf8(data).ok()?.splitn(3, '\0');
    let mut next = || texts.next().unwrap_or_default().to_owned();
    let row = Row::new(next(), next(), next());
    let entry = row.decode().ok()?;
    Some((row, entry))
}

/// A row of the archive, as [`archive_row`] reads it, in the history of a run: what learns
/// from it proposes plans that pass the checks all the same, and a prompt can be written.
pub fn archive_history(data: &[u8]) {
    let Some((_, entry)) = row(data) else {
        return;
    };
    let history = [entry.attempt];
    let plans = Evolve::new(7).propose(problem(), &device(), &history, 2);
    for plan in plans.into_iter().flatten() {
        assert_eq!(check(&plan, Some(problem())), Ok(()));
    }
    if let Some(planner) = silent() {
        let prompt = planner.prompt(problem(), &device(), &history);
        for message in prompt.into_iter().flatten() {
            assert!(!message.content.contains('\u{1b}'), "{:?}", message.content);
        }
    }
}

/// An entry as a row.
pub(crate) fn encode(entry: &Entry) -> Row {
    // Finite numbers, strings and maps: they always serialise.
    let attempt = serde_json::to_string(&entry.attempt).unwrap_or_default();
    let evidence = serde_json::to_string(&entry.evidence).unwrap_or_default();
    Row::new(entry.key.text(), attempt, evidence)
}

/// What is promised of an entry that comes out.
fn possible(entry: &Entry) {
    if let Some(ms) = entry.attempt.ms() {
        assert!(ms.is_finite() && ms > 0.0, "{ms}");
        holds(&entry.attempt.plan);
    }
    assert!(entry.attempt.id.is_ascii());
}

/// A file somebody else wrote, opened where an archive is expected, or imported where it
/// is none: every entry that comes out is possible.
pub fn archive_file(data: &[u8]) {
    thread_local! {
        static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    }
    FOLDER.with_borrow_mut(|folder| {
        if folder.is_none() {
            *folder = memory().or_else(|| tempfile::tempdir().ok());
        }
        let Some(folder) = folder else {
            return;
        };
        match data.starts_with(b"SQLite format 3") {
            true => open(folder.path(), data),
            false => import(folder.path(), data),
        }
    });
}

/// A folder in memory, where the system has one.
fn memory() -> Option<TempDir> {
    tempfile::tempdir_in("/dev/shm").ok()
}

fn options(create: bool) -> Options {
    Options {
        patience: Duration::ZERO,
        create,
        set_aside: false,
        ..Options::default()
    }
}

fn open(folder: &Path, data: &[u8]) {
    let path = folder.join("archive.sqlite");
    for suffix in ["-wal", "-shm"] {
        // What an earlier file left, or nothing.
        let _ = fs::remove_file(folder.join(format!("archive.sqlite{suffix}")));
    }
    if fs::write(&path, data).is_err() {
        return;
    }
    let Ok(archive) = Archive::open(&path, &options(false)) else {
        return;
    };
    assert!(archive.warnings().is_empty());
    read(&archive);
}

/// Every way in which entries come out.
fn read(archive: &Archive) {
    let all = Filter::default();
    let key = Key::new(problem(), &device());
    let lists = [
        archive.history(&all, 9),
        archive.leaders(&all, 9),
        archive.attempts(&key),
        archive.best(&key).map(|it| it.into_iter().collect()),
        archive
            .near(&key, 9)
            .map(|it| it.into_iter().map(|it| it.entry).collect()),
    ];
    lists.iter().flatten().flatten().for_each(possible);
    if let (Ok(found), Ok(stats)) = (archive.verify(), archive.stats(&all)) {
        assert!(found.intact <= found.attempts);
        assert!(stats.best_speedup.is_none_or(f64::is_finite));
    }
}

/// Imports into an archive that grows no further than a row or so at a time.
fn import(folder: &Path, data: &[u8]) {
    thread_local! {
        static INTO: RefCell<Option<Archive>> = const { RefCell::new(None) };
    }
    let path = folder.join("export.json");
    if fs::write(&path, data).is_err() {
        return;
    }
    INTO.with_borrow_mut(|into| {
        if into.is_none() {
            *into = Archive::open(&folder.join("into.sqlite"), &options(true)).ok();
        }
        let Some(archive) = into else {
            return;
        };
        if archive.import(&path).is_ok_and(|it| it.added > 0) {
            read(archive);
            // A shader's text may be refused and its row be kept.
            let sound = |it: Verification| it.intact == it.attempts && it.file.is_empty();
            assert!(archive.verify().is_ok_and(sound));
            // The next input starts from nothing.
            *into = None;
            for suffix in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(folder.join(format!("into.sqlite{suffix}")));
            }
        }
    });
}
