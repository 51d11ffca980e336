//! Any bytes of the file may change: what is then returned was still stored once.

use std::fs;

use kforge_planner::archive::{Archive, ArchiveError, Entry, Filter, Options};
use proptest::prelude::*;

use crate::{open, place, record_of, refused, verified};

/// A file with three attempts and what it holds.
fn stored() -> (Vec<u8>, Vec<Entry>) {
    let (_folder, path) = place();
    let mut archive = open(&path);
    let records = [
        record_of(64, 1, 1, verified(2.0)),
        record_of(64, 2, 2, verified(1.0)),
        record_of(128, 4, 3, refused("poison")),
    ];
    archive.record_all(&records).unwrap();
    let entries = archive.history(&Filter::default(), 9).unwrap();
    drop(archive);
    (fs::read(&path).unwrap(), entries)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_make_no_evidence(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..40),
        header in any::<bool>(),
    ) {
        thread_local! {
            static STORED: (Vec<u8>, Vec<Entry>) = stored();
        }
        let (mut bytes, entries) = STORED.with(Clone::clone);
        // SQLite refuses most files with a changed header, so half of the cases keep it.
        let from = if header { 0 } else { 100 };
        let length = bytes.len() - from;
        for (index, flip) in changes {
            bytes[from + index.index(length)] ^= flip;
        }
        let (_folder, path) = place();
        fs::write(&path, &bytes).unwrap();
        match Archive::open(&path, &Options::default()) {
            Ok(archive) => {
                if let [warning] = archive.warnings() {
                    prop_assert_eq!(fs::read(&warning.to).unwrap(), bytes);
                }
                // A page may turn out corrupt only now; that is an error, no answer.
                for found in archive.history(&Filter::default(), 9).into_iter().flatten() {
                    prop_assert!(entries.contains(&found), "{:?}", found);
                }
                if let Ok(Some(best)) = archive.best(&crate::key(64)) {
                    prop_assert!(entries.contains(&best), "{:?}", best);
                }
                let _ = archive.verify();
                let _ = archive.stats(&Filter::default());
            }
            Err(ArchiveError::Foreign { .. }) => {
                prop_assert_eq!(fs::read(&path).unwrap(), bytes);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
