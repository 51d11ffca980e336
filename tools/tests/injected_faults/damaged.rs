//! Files that are read after something happened to them: cut off, a bit flipped, a block of
//! zeros. What is read is what was written, or it is refused; never something else.

use std::{fs, path::Path};

use kforge_planner::archive::{Archive, Filter, Options};

use crate::{
    base::{keeps, rows},
    child::{Ended, KFORGE_RUN, finish},
    kind::{Broken, Flaw, Happened, Kind, Run, copy_all, demand, files, happened},
};

/// What happens to a file.
#[derive(Clone, Copy)]
enum Damage {
    Cut,
    Flipped,
    Zeroed,
}

macro_rules! kinds {
    ($($name:literal, $what:literal, $damage:ident, $cheap:literal, $check:expr;)*) => {
        &[$(Kind {
            name: $name,
            injected: $what,
            cheap: $cheap,
            at_once: 2,
            run: |run| $check(run, Damage::$damage),
        },)*]
    };
}

pub(crate) const KINDS: &[Kind] = kinds![
    "archive-cut", "an archive is cut off anywhere", Cut, true, archive;
    "archive-bit-flipped", "a bit of an archive is flipped", Flipped, true, archive;
    "archive-block-zeroed", "512 bytes of an archive are zeros", Zeroed, true, archive;
    "archive-log-cut", "the log of a killed writer is cut off anywhere", Cut, true, log;
    "archive-log-bit-flipped", "a bit of a killed writer's log is flipped", Flipped, true, log;
    "archive-log-zeroed", "512 bytes of a killed writer's log are zeros", Zeroed, false, log;
    "archive-eight-find-it-corrupt", "8 imports at once into an archive whose header is zeros", Zeroed, false, eight;
    "export-cut", "an export is cut off, then imported", Cut, true, export;
    "export-bit-flipped", "a bit of an export is flipped, then imported", Flipped, true, export;
    "package-cut", "a file of a package is cut off", Cut, true, package;
    "package-bit-flipped", "a bit of a package's file is flipped", Flipped, true, package;
    "package-zeroed", "up to 512 bytes of a package's file are zeros", Zeroed, false, package;
    "candidate-cut", "a file of a candidate is cut off, then measured", Cut, false, candidate;
    "candidate-bit-flipped", "a bit of a candidate's file is flipped, then measured", Flipped, false, candidate;
    "results-cut", "measured results are cut off, then imported", Cut, true, results;
    "results-bit-flipped", "a bit of measured results is flipped, then imported", Flipped, true, results;
    "plan-cut", "a plan is cut off", Cut, true, plan;
    "plan-bit-flipped", "a bit of a plan is flipped", Flipped, true, plan;
    "run-cut", "a run is cut off, then reported", Cut, true, report;
    "run-bit-flipped", "a bit of a run is flipped, then reported", Flipped, true, report;
    "array-cut", "an input array is cut off", Cut, true, array;
    "array-bit-flipped", "a bit of an input array is flipped", Flipped, true, array;
    "module-cut", "a module is cut off", Cut, true, module;
    "module-bit-flipped", "a bit of a module is flipped", Flipped, true, module;
    "corpus-cut", "a regression corpus is cut off", Cut, false, corpus;
    "corpus-bit-flipped", "a bit of a regression corpus is flipped", Flipped, false, corpus;
];

/// Damages a file and gives what it became; `None` where that is what it was.
fn damage(run: &mut Run, path: &Path, damage: Damage) -> Result<Option<Vec<u8>>, Broken> {
    let old = fs::read(path)?;
    let mut new = old.clone();
    let at = run.rng.usize(0..old.len().max(1));
    match damage {
        Damage::Cut => new.truncate(at),
        Damage::Flipped => new[at] ^= 1 << run.rng.u8(0..8),
        Damage::Zeroed => {
            let start = at / 512 * 512;
            let end = old.len().min(start + 512);
            new[start..end].fill(0);
        }
    }
    fs::write(path, &new)?;
    Ok((new != old).then_some(new))
}

fn says(ended: &Ended) -> Result<Happened, Broken> {
    ended.is_calm()?;
    happened(match ended.code() {
        Some(0) => "read, as far as it is what it was",
        _ => "refused",
    })
}

fn archive(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let path = run.copy_as("archive.sqlite", "a.sqlite")?;
    let before = rows(&path)?;
    let Some(damaged) = damage(run, &path, what)? else {
        return Ok(Happened::NotInjected);
    };
    let ended = finish(&mut run.kforge(&["archive", "stats", "--archive", "a.sqlite"]))?;
    ended.is_calm()?;
    let what = match set_aside(run)? {
        Some(aside) => {
            demand(aside == damaged, Flaw::Lost, || {
                "set aside is another file".into()
            })?;
            demand(ended.err.contains("it is kept as"), Flaw::Other, || {
                ended.err.clone()
            })?;
            "set aside whole, with a warning"
        }
        None if ended.code() == Some(0) => {
            believed(&path, &before)?;
            "used; what is believed is what was stored"
        }
        None => {
            demand(fs::read(&path)? == damaged, Flaw::Lost, || {
                "it was changed".into()
            })?;
            "refused and not touched"
        }
    };
    next_import(run)?;
    happened(what)
}

/// The archive that was set aside.
fn set_aside(run: &Run) -> Result<Option<Vec<u8>>, Broken> {
    for path in files(run.folder())? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("a.sqlite.corrupt-")
            && !name.ends_with("-wal")
            && !name.ends_with("-shm")
        {
            return Ok(Some(fs::read(path)?));
        }
    }
    Ok(None)
}

/// Rows that are believed are rows that were stored.
fn believed(path: &Path, stored: &[String]) -> Result<usize, Broken> {
    let options = Options {
        set_aside: false,
        ..Options::default()
    };
    let archive = Archive::open(path, &options)?;
    let entries = archive.history(&Filter::default(), usize::MAX)?;
    let strange = entries
        .iter()
        .filter(|it| !stored.contains(&it.hash))
        .count();
    demand(strange == 0, Flaw::FalseVerdict, || {
        format!("{strange} rows that nobody stored")
    })?;
    Ok(entries.len())
}

/// Work goes on: an import has all its rows. A foreign file may stand in the way.
fn next_import(run: &Run) -> Result<(), Broken> {
    run.copy("more.json")?;
    let line = ["archive", "import", "more.json", "--archive", "a.sqlite"];
    let ended = finish(&mut run.kforge(&line))?;
    if ended.why().contains("but no kforge archive") {
        return Ok(());
    }
    ended.succeeds()?;
    let options = Options::default();
    let archive = Archive::open(&run.path("a.sqlite"), &options)?;
    let entries = archive.history(&Filter::default(), usize::MAX)?;
    let more = rows(&run.base.path("more.sqlite"))?;
    let there = more
        .iter()
        .all(|it| entries.iter().any(|entry| entry.hash == *it));
    demand(there, Flaw::Lost, || "the next import is not there".into())
}

/// An archive as a killed writer leaves it: an import is in the log alone.
fn with_log(run: &Run) -> Result<Vec<String>, Broken> {
    let path = run.copy_as("archive.sqlite", "open.sqlite")?;
    let mut archive = Archive::open(&path, &Options::default())?;
    archive.import(&run.base.path("more.json"))?;
    for suffix in ["", "-wal"] {
        let from = run.path(&format!("open.sqlite{suffix}"));
        copy_all(&from, &run.path(&format!("a.sqlite{suffix}")))?;
    }
    rows(&path)
}

fn log(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let all = with_log(run)?;
    let before = rows(&run.base.path("archive.sqlite"))?;
    let log = run.path("a.sqlite-wal");
    demand(fs::metadata(&log)?.len() > 0, Flaw::Other, || {
        "there is no log".into()
    })?;
    if damage(run, &log, what)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    let ended = finish(&mut run.kforge(&["archive", "stats", "--archive", "a.sqlite"]))?;
    ended.succeeds()?;
    demand(set_aside(run)?.is_none(), Flaw::Lost, || {
        "the archive is set aside".into()
    })?;
    let more = keeps(&run.path("a.sqlite"), &before)?;
    let whole = before.len() + more == all.len();
    demand(whole || more == 0, Flaw::Lost, || {
        format!("{more} rows of one import")
    })?;
    next_import(run)?;
    happened(match whole {
        true => "all of the import is there",
        false => "none of the damaged import is there, all else is",
    })
}

fn eight(run: &mut Run, _: Damage) -> Result<Happened, Broken> {
    let path = run.copy_as("archive.sqlite", "a.sqlite")?;
    let mut bytes = fs::read(&path)?;
    bytes[..100].fill(0);
    fs::write(&path, &bytes)?;
    run.copy("more.json")?;
    let line = ["archive", "import", "more.json", "--archive", "a.sqlite"];
    let mut writers = Vec::new();
    for _ in 0..8 {
        writers.push(crate::child::Started::new(&mut run.kforge(&line))?);
    }
    for writer in writers {
        writer.finish(crate::child::LIMIT)?.succeeds()?;
    }
    let names = files(run.folder())?;
    let aside = names
        .iter()
        .filter(|it| it.to_string_lossy().contains(".corrupt-"))
        .count();
    demand(aside == 1, Flaw::Lost, || {
        format!("{aside} files are set aside")
    })?;
    demand(set_aside(run)? == Some(bytes), Flaw::Lost, || {
        "another file is set aside".into()
    })?;
    next_import(run)?;
    happened("set aside once and whole; all rows are there")
}

fn export(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let archive = run.copy_as("archive.sqlite", "a.sqlite")?;
    let before = rows(&archive)?;
    let path = run.copy("more.json")?;
    if damage(run, &path, what)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    let line = ["archive", "import", "more.json", "--archive", "a.sqlite"];
    let ended = finish(&mut run.kforge(&line))?;
    keeps_known(run, &before)?;
    next_import(run)?;
    says(&ended)
}

/// All that was there is, and nothing that neither archive of the base has.
fn keeps_known(run: &Run, before: &[String]) -> Result<(), Broken> {
    let path = run.path("a.sqlite");
    let options = Options::default();
    let archive = Archive::open(&path, &options)?;
    let entries = archive.history(&Filter::default(), usize::MAX)?;
    let there = before
        .iter()
        .all(|it| entries.iter().any(|entry| entry.hash == *it));
    demand(there, Flaw::Lost, || "rows are gone".into())?;
    let mut known = rows(&run.base.path("more.sqlite"))?;
    known.extend_from_slice(before);
    believed(&path, &known)?;
    Ok(())
}

fn package(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let folder = run.copy("package")?;
    run.copy("x.npy")?;
    let all = files(&folder)?;
    let path = all[run.rng.usize(0..all.len())].clone();
    if damage(run, &path, what)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    let line = ["package", "--arg", "0=x.npy", "--out-dir", "out"];
    let ended = finish(&mut run.tool(KFORGE_RUN, &line))?;
    if ended.code() == Some(0) {
        let own = fs::read(run.path("out/result.0.npy"))?;
        let right = own == fs::read(run.base.path("out/result.0.npy"))?;
        demand(
            right && ended.out.contains("verified: L"),
            Flaw::FalseVerdict,
            || ended.out.clone(),
        )?;
    }
    says(&ended)
}

fn candidate(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let folder = run.copy("candidates")?;
    let all = files(&folder)?;
    let path = all[run.rng.usize(0..all.len())].clone();
    if damage(run, &path, what)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    let line = ["--measure", "candidates", "--time", "2", "--json"];
    let ended = finish(&mut run.tool(KFORGE_RUN, &line))?;
    ended.succeeds()?;
    let lines: Vec<&str> = ended.out.lines().collect();
    let refused = lines.iter().filter(|it| it.contains("\"refused\"")).count();
    let all = fs::read_dir(&folder)?.count();
    demand(lines.len() == all && refused <= 1, Flaw::Other, || {
        ended.out.clone()
    })?;
    happened(match refused {
        0 => "nothing of it is used, or it is what it was: all verified",
        _ => "that candidate is refused, the others are verified",
    })
}

fn results(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let archive = run.copy_as("archive.sqlite", "a.sqlite")?;
    let before = rows(&archive)?;
    run.copy("candidates")?;
    let path = run.copy("results.jsonl")?;
    if damage(run, &path, what)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    let line = "archive import results.jsonl --candidates candidates --archive a.sqlite";
    let line: Vec<&str> = line.split(' ').collect();
    let ended = finish(&mut run.kforge(&line))?;
    keeps(&archive, &before)?;
    says(&ended)
}

fn plan(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let path = run.copy("plan.json")?;
    run.copy("p.mlir")?;
    if damage(run, &path, what)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    let line = ["verify-plan", "p.mlir", "--plan", "plan.json"];
    says(&finish(&mut run.kforge(&line))?)
}

fn report(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let path = run.copy("run.json")?;
    if damage(run, &path, what)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    let line = ["report", "run.json", "--format", "html", "-o", "out.html"];
    says(&finish(&mut run.kforge(&line))?)
}

fn array(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    run.copy("package")?;
    let path = run.copy("x.npy")?;
    let Some(damaged) = damage(run, &path, what)? else {
        return Ok(Happened::NotInjected);
    };
    let line = ["package", "--arg", "0=x.npy", "--check"];
    let ended = finish(&mut run.tool(KFORGE_RUN, &line))?;
    let cut = damaged.len() < fs::read(run.base.path("x.npy"))?.len();
    demand(!cut || ended.code() != Some(0), Flaw::FalseVerdict, || {
        "half an array is read".into()
    })?;
    says(&ended)
}

fn module(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let path = run.copy("p.mlir")?;
    if damage(run, &path, what)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    says(&finish(&mut run.kforge(&["verify", "p.mlir"]))?)
}

fn corpus(run: &mut Run, what: Damage) -> Result<Happened, Broken> {
    let path = run.copy("corpus.json")?;
    let Some(damaged) = damage(run, &path, what)? else {
        return Ok(Happened::NotInjected);
    };
    let line = "mutate-and-test --kernel softmax --place kernel --limit 1 --kind exp_exp2 --corpus corpus.json";
    let line: Vec<&str> = line.split(' ').collect();
    let ended = finish(&mut run.kforge(&line))?;
    ended.succeeds()?;
    let names = files(run.folder())?;
    let aside = names
        .iter()
        .find(|it| it.to_string_lossy().contains(".corrupt-"));
    let Some(aside) = aside else {
        return happened("used, and added to");
    };
    demand(fs::read(aside)? == damaged, Flaw::Lost, || {
        "set aside is another file".into()
    })?;
    happened("set aside whole, a new one begun")
}
