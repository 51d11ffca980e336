//! Export and import.

use std::fs;

use kforge_planner::archive::{Archive, ArchiveError, Damage, Filter, Import};

use crate::{open, place, record_of, refused, verified};

fn import(archive: &mut Archive, text: &str) -> Result<Import, ArchiveError> {
    let (_folder, path) = place();
    fs::write(&path, text).unwrap();
    archive.import(&path)
}

#[test]
fn merging_two_archives_keeps_the_best_of_both() {
    let (folder, path) = place();
    let (_other_folder, other_path) = place();
    let (mut here, mut there) = (open(&path), open(&other_path));
    here.record(&record_of(64, 1, 1, verified(2.0))).unwrap();
    here.record(&record_of(128, 1, 2, verified(0.3))).unwrap();
    here.record(&record_of(64, 4, 3, refused("poison")))
        .unwrap();
    there.record(&record_of(64, 1, 1, verified(2.0))).unwrap();
    there
        .record(&record_of(64, 2, 4, verified(0.1 + 0.2)))
        .unwrap();
    there.record(&record_of(128, 2, 5, verified(0.7))).unwrap();
    let file = folder.path().join("export.json");
    assert_eq!(there.export(&Filter::default(), &file).unwrap(), 3);
    let expected = Import {
        added: 2,
        known: 1,
        ..Import::default()
    };
    assert_eq!(here.import(&file).unwrap(), expected);
    assert_eq!(here.import(&file).unwrap().added, 0);
    let ms = |archive: &Archive, m| archive.best(&crate::key(m)).unwrap().unwrap().attempt.ms();
    assert_eq!(
        (ms(&here, 64), ms(&here, 128)),
        (Some(0.1 + 0.2), Some(0.3))
    );
    assert_eq!(
        here.show("try-4").unwrap().shaders,
        there.show("try-4").unwrap().shaders
    );
    // And the other way round it is the same archive.
    assert_eq!(here.export(&Filter::default(), &file).unwrap(), 5);
    there.import(&file).unwrap();
    let all = |archive: &Archive| {
        let mut all = archive.history(&Filter::default(), 99).unwrap();
        all.sort_by(|a, b| a.hash.cmp(&b.hash));
        all
    };
    assert_eq!(all(&here), all(&there));
    assert!(here.verify().unwrap().is_sound());
    let second = folder.path().join("again.json");
    there.export(&Filter::default(), &second).unwrap();
    assert_eq!(fs::read(file).unwrap(), fs::read(second).unwrap());
}

#[test]
fn a_filter_selects_what_is_exported() {
    let (folder, path) = place();
    let mut archive = open(&path);
    archive.record(&record_of(64, 1, 1, verified(2.0))).unwrap();
    archive
        .record(&record_of(128, 2, 2, verified(2.0)))
        .unwrap();
    let file = folder.path().join("export.json");
    let filter = Filter {
        kernel: Some("128x64".into()),
        device: None,
    };
    assert_eq!(archive.export(&filter, &file).unwrap(), 1);
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("/* 2 */") && !text.contains("/* 1 */"),
        "{text}"
    );
}

#[test]
fn an_edited_export_is_left_out_row_by_row() {
    let (folder, path) = place();
    let mut archive = open(&path);
    archive.record(&record_of(64, 1, 1, verified(2.0))).unwrap();
    archive.record(&record_of(64, 2, 2, verified(3.0))).unwrap();
    let file = folder.path().join("export.json");
    archive.export(&Filter::default(), &file).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let edited = text
        .replace("\"ms\":3.0", "\"ms\":0.0001")
        .replace("/* 1 */", "/* evil */");
    let (_other_folder, other_path) = place();
    let mut other = open(&other_path);
    let report = import(&mut other, &edited).unwrap();
    assert_eq!((report.added, report.refused_shaders), (1, 1));
    assert_eq!(report.refused, [(Damage::HashMismatch, 1)].into());
    let best = other.best(&crate::key(64)).unwrap().unwrap();
    assert_eq!(best.attempt.ms(), Some(2.0));
    assert!(other.show("try-1").unwrap().shaders.is_empty());
    assert_eq!(other.verify().unwrap().lost_shaders, 1);
    // The true export brings the shader that was lost.
    assert_eq!(other.import(&file).unwrap().added, 1);
    assert!(other.verify().unwrap().is_sound());
}

#[test]
fn what_is_no_export_changes_nothing() {
    let (_folder, path) = place();
    let mut archive = open(&path);
    for (text, what) in [
        ("", "EOF while parsing"),
        ("[]", "invalid length 0"),
        (
            "{\"format\":\"x\\u001b\",\"version\":1,\"rows\":[],\"shaders\":{}}",
            r"format 'x\u{1b}'",
        ),
        (
            "{\"format\":\"kforge-archive\",\"version\":2,\"rows\":[],\"shaders\":{}}",
            "version 2",
        ),
        (&"[".repeat(100_000), "no export"),
    ] {
        let error = import(&mut archive, text).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let deep = format!(
        "{{\"format\":\"kforge-archive\",\"version\":1,\"shaders\":{{}},\"rows\":[{{\"hash\":\"\",\
         \"attempt\":0,\"evidence\":0,\"key\":{}0{}}}]}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let error = import(&mut archive, &deep).unwrap_err().to_string();
    assert!(error.contains("recursion limit"), "{error}");
    let missing = archive.import(&path.with_extension("none")).unwrap_err();
    assert!(matches!(missing, ArchiveError::File { .. }), "{missing}");
    assert_eq!(archive.stats(&Filter::default()).unwrap().attempts, 0);
}
