//! Faults while the archive is written: killed or refused at a step, many at once.

use std::{fs, process::Command, thread, time::Duration};

use crate::{
    base::{Writer, disturbed, keeps, rows},
    child::{At, Ended, Started, Who, finish},
    kind::{Broken, Flaw, Happened, Kind, Run, demand, happened},
};

const NAMES: [&str; 6] = [
    "a.sqlite",
    "a.sqlite.lock",
    "a.sqlite-wal",
    "a.sqlite-shm",
    "more.json",
    "e.json",
];

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "archive-import-killed",
        injected: "kill -9 before a step of `archive import`",
        cheap: true,
        at_once: 2,
        run: |run| disturbed(run, &IMPORT, At::Kill),
    },
    Kind {
        name: "archive-import-no-space",
        injected: "ENOSPC at a step of `archive import`",
        cheap: true,
        at_once: 2,
        run: |run| disturbed(run, &IMPORT, At::Error("ENOSPC")),
    },
    Kind {
        name: "archive-import-io-error",
        injected: "EIO at a step of `archive import`",
        cheap: true,
        at_once: 2,
        run: |run| disturbed(run, &IMPORT, At::Error("EIO")),
    },
    Kind {
        name: "archive-begun-killed",
        injected: "kill -9 before a step of the import that begins an archive",
        cheap: true,
        at_once: 2,
        run: |run| disturbed(run, &BEGIN, At::Kill),
    },
    Kind {
        name: "archive-begun-no-space",
        injected: "ENOSPC at a step of the import that begins an archive",
        cheap: false,
        at_once: 2,
        run: |run| disturbed(run, &BEGIN, At::Error("ENOSPC")),
    },
    Kind {
        name: "archive-gc-killed",
        injected: "kill -9 before a step of `archive gc`",
        cheap: true,
        at_once: 2,
        run: |run| disturbed(run, &GC, At::Kill),
    },
    Kind {
        name: "archive-gc-no-space",
        injected: "ENOSPC at a step of `archive gc`",
        cheap: true,
        at_once: 2,
        run: |run| disturbed(run, &GC, At::Error("ENOSPC")),
    },
    Kind {
        name: "archive-export-killed",
        injected: "kill -9 before a step of `archive export` over an older file",
        cheap: true,
        at_once: 2,
        run: |run| disturbed(run, &EXPORT, At::Kill),
    },
    Kind {
        name: "archive-export-no-space",
        injected: "ENOSPC at a step of `archive export` over an older file",
        cheap: true,
        at_once: 2,
        run: |run| disturbed(run, &EXPORT, At::Error("ENOSPC")),
    },
    Kind {
        name: "archive-eight-writers",
        injected: "8 imports into one archive at once",
        cheap: true,
        at_once: 1,
        run: |run| eight(run, false),
    },
    Kind {
        name: "archive-eight-writers-killed",
        injected: "8 imports at once, half of them killed at any time",
        cheap: true,
        at_once: 1,
        run: |run| eight(run, true),
    },
    Kind {
        name: "archive-held-by-another",
        injected: "another process holds the archive for 1.5 s",
        cheap: false,
        at_once: 8,
        run: held,
    },
];

const IMPORT: Writer = Writer {
    key: "import",
    who: Who::Main,
    prepare: fresh,
    command: importing,
    check: |run, ended| imported(run, ended, &rows(&run.base.path("archive.sqlite"))?),
    leaves: &NAMES,
};

const BEGIN: Writer = Writer {
    key: "begin",
    prepare: remove,
    check: |run, ended| imported(run, ended, &[]),
    ..IMPORT
};

const GC: Writer = Writer {
    key: "gc",
    command: |run| run.kforge(&["archive", "gc", "--keep", "1", "--archive", "a.sqlite"]),
    check: collected,
    ..IMPORT
};

const EXPORT: Writer = Writer {
    key: "export",
    prepare: |run| {
        fresh(run)?;
        run.copy_as("more.json", "e.json")?;
        Ok(())
    },
    command: |run| run.kforge(&["archive", "export", "e.json", "--archive", "a.sqlite"]),
    check: exported,
    ..IMPORT
};

/// The archive of the base with nothing beside it.
fn fresh(run: &Run) -> Result<(), Broken> {
    remove(run)?;
    run.copy_as("archive.sqlite", "a.sqlite")?;
    Ok(())
}

fn remove(run: &Run) -> Result<(), Broken> {
    for name in NAMES {
        let _ = fs::remove_file(run.path(name));
    }
    run.copy("more.json")?;
    Ok(())
}

fn importing(run: &Run) -> Command {
    run.kforge(&["archive", "import", "more.json", "--archive", "a.sqlite"])
}

/// All of an import is there or nothing.
fn imported(run: &Run, ended: &Ended, before: &[String]) -> Result<(), Broken> {
    let more = rows(&run.base.path("more.sqlite"))?;
    let more = more.iter().filter(|it| !before.contains(it)).count();
    let added = keeps(&run.path("a.sqlite"), before)?;
    let said = ended.code() == Some(0);
    demand(added == more || (added == 0 && !said), Flaw::Lost, || {
        format!("{added} of {more} rows of an import are there")
    })
}

/// Either all or nothing was removed.
fn collected(run: &Run, ended: &Ended) -> Result<(), Broken> {
    let before = rows(&run.base.path("archive.sqlite"))?;
    let after = rows(&run.path("a.sqlite"))?;
    let known = after.iter().all(|it| before.contains(it));
    // Of two problems the fastest and the last refused one.
    let few = (2..=4).contains(&after.len()) && after.len() < before.len();
    let all = after.len() == before.len() && ended.code() != Some(0);
    demand(known && (few || all), Flaw::Lost, || {
        format!("{} of {} rows", after.len(), before.len())
    })
}

/// The file is the older one or the new one.
fn exported(run: &Run, ended: &Ended) -> Result<(), Broken> {
    let found = fs::read(run.path("e.json"))?;
    let old = found == fs::read(run.path("more.json"))? && ended.code() != Some(0);
    let new = found == fs::read(run.base.path("export.json"))?;
    demand(old || new, Flaw::Lost, || {
        "neither the older nor the new export".into()
    })?;
    keeps(
        &run.path("a.sqlite"),
        &rows(&run.base.path("archive.sqlite"))?,
    )?;
    Ok(())
}

fn eight(run: &mut Run, kill: bool) -> Result<Happened, Broken> {
    remove(run)?;
    run.copy("export.json")?;
    let files = ["more.json", "export.json"];
    let sources = ["more.sqlite", "archive.sqlite"];
    let mut writers = Vec::new();
    for index in 0..8 {
        let mut command = run.kforge(&[
            "archive",
            "import",
            files[index % 2],
            "--archive",
            "a.sqlite",
        ]);
        writers.push(Started::new(&mut command)?);
    }
    let mut killed = 0;
    if kill {
        thread::sleep(Duration::from_micros(run.rng.u64(0..60_000)));
        for writer in &mut writers[4..] {
            writer.kill()?;
        }
    }
    let mut expected = Vec::new();
    for (index, writer) in writers.into_iter().enumerate() {
        let ended = writer.finish(crate::child::LIMIT)?;
        if ended.is_killed() {
            killed += 1;
            continue;
        }
        demand(ended.code() == Some(0), Flaw::Other, || ended.err.clone())?;
        expected.extend(rows(&run.base.path(sources[index % 2]))?);
    }
    if kill && killed == 0 {
        return Ok(Happened::NotInjected);
    }
    expected.sort();
    expected.dedup();
    keeps(&run.path("a.sqlite"), &expected)?;
    finish(&mut importing(run))?.succeeds()?;
    happened(match kill {
        true => "all that was reported is there, the others are killed".to_owned(),
        false => "all rows of all writers are there".into(),
    })
}

fn held(run: &mut Run) -> Result<Happened, Broken> {
    fresh(run)?;
    let before = rows(&run.path("a.sqlite"))?;
    let other = rusqlite::Connection::open(run.path("a.sqlite"))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    let mut writer = Started::new(&mut importing(run))?;
    thread::sleep(Duration::from_millis(1500));
    demand(!writer.has_ended()?, Flaw::Other, || {
        "it did not wait".into()
    })?;
    other.execute_batch("ROLLBACK")?;
    drop(other);
    writer.finish(crate::child::LIMIT)?.succeeds()?;
    keeps(&run.path("a.sqlite"), &before)?;
    happened("waited, then went on")
}
