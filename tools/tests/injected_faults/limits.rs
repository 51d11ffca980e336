//! What the system refuses: space, writing, memory, open files, a reader of what is printed;
//! and clocks that are wrong.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use crate::{
    base::{keeps, rows},
    child::{Ended, KFORGE_RUN, finish},
    kind::{Broken, Flaw, Happened, Kind, Run, demand, happened},
    outputs,
};

macro_rules! kinds {
    ($($name:literal, $what:literal, $cheap:literal, $check:expr;)*) => {
        &[$(Kind { name: $name, injected: $what, cheap: $cheap, at_once: 2, run: $check },)*]
    };
}

pub(crate) const KINDS: &[Kind] = kinds![
    "disk-full-archive", "a file system with little space left, `archive import`", true, full_archive;
    "disk-full-compile", "a file system with little space left, `compile-transformer`", false, full_compile;
    "disk-full-temporary", "TMPDIR with little space, `compile-transformer`", false, |run| temporary(run, "mount -t tmpfs -o size=16k,nr_inodes=12 tmpfs tmp");
    "temporary-missing", "TMPDIR is not there, `compile-transformer`", true, |run| temporary(run, "export TMPDIR=none");
    "temporary-read-only", "TMPDIR is read-only, `compile-transformer`", false, |run| temporary(run, "mount --bind tmp tmp; mount -o remount,bind,ro tmp");
    "read-only-archive", "the archive's folder is read-only, `archive import`", true, read_only_archive;
    "read-only-compile", "the folder of all files is read-only, `compile-transformer`", false, read_only_compile;
    "read-only-array", "the folder for results is read-only, `kforge-run`", true, read_only_array;
    "file-size-limited", "a limit on the size of files (SIGXFSZ), `archive import`", true, file_size;
    "memory-limited-compile", "a limit on address space, `compile-transformer`", false, |run| limited(run, "ulimit -v", 300_000..1_000_000);
    "memory-limited-run", "a limit on address space, `kforge-run`", false, |run| limited_run(run, "ulimit -v", 150_000..900_000);
    "files-limited-compile", "a limit on open files, `compile-transformer`", false, |run| limited(run, "ulimit -n", 3..24);
    "files-limited-run", "a limit on open files, `kforge-run`", false, |run| limited_run(run, "ulimit -n", 3..4);
    "output-full", "standard output is full (/dev/full)", true, |run| unread(run, ">/dev/full");
    "output-closed", "nobody reads standard output", true, |run| unread(run, "| true");
    "errors-closed", "standard error is closed", true, |run| unread(run, "2>&-");
    "clock-before-1970", "the clock says 1955", false, |run| clock(run, "@1955-11-05 06:15:00");
    "clock-far-ahead", "the clock says 2155", false, |run| clock(run, "@2155-01-01 00:00:00");
    "clock-jumps", "the clock goes 100,000 times too fast", false, |run| clock(run, "@2026-01-01 00:00:00 x100000");
    "clock-back", "the clock goes back by ten years between two runs", false, |run| clock(run, "-3650d");
    "results-from-the-future", "measured results are dated after the year 9999, or before 1970", true, dated;
];

/// Whether a shell may have mounts of its own.
fn may_mount() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]);
    let quiet = probe.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A command after `before` and before `behind` in a shell; with mounts of its own if asked.
fn shell(run: &Run, before: &str, command: &Command, behind: &str, mounts: bool) -> Command {
    let script = format!("{before}; \"$@\" {behind}");
    let script: &[&str] = match mounts {
        true => &["-rm", "sh", "-c", &script, "sh"],
        false => &["-c", &script, "sh"],
    };
    let mut shell = run.tool(if mounts { "unshare" } else { "sh" }, script);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

fn no_mounts() -> Result<Happened, Broken> {
    Ok(Happened::Skipped("this user may not mount".into()))
}

fn answered(ended: &Ended) -> Result<Happened, Broken> {
    ended.is_calm()?;
    happened(match ended.code() {
        Some(0) => "went on, nothing lost",
        _ => "ended with an error",
    })
}

fn importing(run: &Run) -> Command {
    run.kforge(&["archive", "import", "more.json", "--archive", "a.sqlite"])
}

/// All or nothing of an import is there, and the next one has all.
fn imported(run: &Run, ended: &Ended) -> Result<(), Broken> {
    let before = rows(&run.base.path("archive.sqlite"))?;
    let more = rows(&run.base.path("more.sqlite"))?;
    let more = more.iter().filter(|it| !before.contains(it)).count();
    let added = keeps(&run.path("a.sqlite"), &before)?;
    let said = ended.code() == Some(0);
    demand(added == more || (added == 0 && !said), Flaw::Lost, || {
        format!("{added} of {more} rows: {}{}", ended.out, ended.err)
    })?;
    finish(&mut importing(run))?.succeeds()?;
    demand(
        keeps(&run.path("a.sqlite"), &before)? == more,
        Flaw::Lost,
        || "the next import is not there".into(),
    )
}

fn full_archive(run: &mut Run) -> Result<Happened, Broken> {
    if !may_mount() {
        return no_mounts();
    }
    run.copy_as("archive.sqlite", "a.sqlite")?;
    run.copy("more.json")?;
    let size = fs::metadata(run.path("a.sqlite"))?.len() / 1024 + run.rng.u64(8..160);
    let before = format!(
        "mkdir full; mount -t tmpfs -o size={size}k tmpfs full; cp a.sqlite more.json full; cd full"
    );
    let behind = "; code=$?; cp a.sqlite* ..; exit $code";
    let ended = finish(&mut shell(run, &before, &importing(run), behind, true))?;
    if ended.code() == Some(0) {
        return Ok(Happened::NotInjected);
    }
    // Where its shared memory does not fit, SQLite says no more than that a write failed.
    ended.is_calm()?;
    imported(run, &ended)?;
    answered(&ended)
}

fn compiling(run: &Run) -> Command {
    let line = "compile-transformer p.mlir --archive a.sqlite --plan-output plan.json --audit-output audit.json --corpus corpus.json -o out";
    run.kforge(&line.split(' ').collect::<Vec<_>>())
}

fn prepared(run: &Run) -> Result<(), Broken> {
    run.copy("p.mlir")?;
    run.copy_as("archive.sqlite", "a.sqlite")?;
    Ok(())
}

/// What holds after a disturbed compilation, and that the next one succeeds.
fn compiled(run: &Run, ended: &Ended) -> Result<(), Broken> {
    outputs::compiled(run, ended)?;
    let next = finish(&mut compiling(run))?;
    next.succeeds()?;
    outputs::compiled(run, &next)
}

fn full_compile(run: &mut Run) -> Result<Happened, Broken> {
    if !may_mount() {
        return no_mounts();
    }
    prepared(run)?;
    let size = fs::metadata(run.path("a.sqlite"))?.len() / 1024 + run.rng.u64(4..40);
    let before = format!(
        "mkdir full; mount -t tmpfs -o size={size}k tmpfs full; cp a.sqlite p.mlir full; cd full"
    );
    let behind = "; code=$?; cp -r * ..; exit $code";
    let ended = finish(&mut shell(run, &before, &compiling(run), behind, true))?;
    if ended.code() == Some(0) && !ended.err.contains("no space") {
        return Ok(Happened::NotInjected);
    }
    compiled(run, &ended)?;
    answered(&ended)
}

fn temporary(run: &mut Run, before: &str) -> Result<Happened, Broken> {
    let mounts = before.starts_with("mount");
    if mounts && !may_mount() {
        return no_mounts();
    }
    prepared(run)?;
    let ended = finish(&mut shell(run, before, &compiling(run), "", mounts))?;
    demand(ended.code() != Some(0), Flaw::Other, || {
        "there was no need of it".into()
    })?;
    compiled(run, &ended)?;
    answered(&ended)
}

fn read_only(run: &Run, folder: &str, command: &Command) -> Result<Ended, Broken> {
    let before =
        format!("mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}; cd $PWD");
    finish(&mut shell(run, &before, command, "", true))
}

fn read_only_archive(run: &mut Run) -> Result<Happened, Broken> {
    if !may_mount() {
        return no_mounts();
    }
    run.copy_as("archive.sqlite", "a.sqlite")?;
    run.copy("more.json")?;
    let stats = run.kforge(&["archive", "stats", "--archive", "a.sqlite"]);
    read_only(run, ".", &stats)?.succeeds()?;
    let ended = read_only(run, ".", &importing(run))?;
    demand(ended.why().contains("read-only"), Flaw::Other, || {
        ended.err.clone()
    })?;
    imported(run, &ended)?;
    answered(&ended)
}

fn read_only_compile(run: &mut Run) -> Result<Happened, Broken> {
    if !may_mount() {
        return no_mounts();
    }
    prepared(run)?;
    let mut command = compiling(run);
    command.env("TMPDIR", std::env::temp_dir());
    let ended = read_only(run, ".", &command)?;
    demand(ended.code() != Some(0), Flaw::Other, || {
        "it cannot have written".into()
    })?;
    compiled(run, &ended)?;
    answered(&ended)
}

fn read_only_array(run: &mut Run) -> Result<Happened, Broken> {
    if !may_mount() {
        return no_mounts();
    }
    run.copy("package")?;
    run.copy("x.npy")?;
    fs::create_dir(run.path("out"))?;
    run.copy_as("x.npy", "out/result.0.npy")?;
    let line = ["package", "--arg", "0=x.npy", "--out-dir", "out"];
    let ended = read_only(run, "out", &run.tool(KFORGE_RUN, &line))?;
    demand(ended.code() == Some(1), Flaw::Other, || ended.err.clone())?;
    let same = fs::read(run.path("out/result.0.npy"))? == fs::read(run.path("x.npy"))?;
    demand(same, Flaw::Lost, || "the older file is another".into())?;
    answered(&ended)
}

fn file_size(run: &mut Run) -> Result<Happened, Broken> {
    run.copy_as("archive.sqlite", "a.sqlite")?;
    run.copy("more.json")?;
    // In blocks of 512 bytes.
    let blocks = run
        .rng
        .u64(1..fs::metadata(run.path("a.sqlite"))?.len() / 512 + 200);
    let before = format!("ulimit -f {blocks}");
    let ended = finish(&mut shell(run, &before, &importing(run), "", false))?;
    if ended.code() == Some(0) {
        return Ok(Happened::NotInjected);
    }
    imported(run, &ended)?;
    happened("ended by the limit's own signal, or with an error")
}

/// Without memory, libraries end the process by themselves; what counts is what is left.
fn out_of_memory(ended: &Ended) -> Result<Happened, Broken> {
    match ended.code() {
        Some(0) => Ok(Happened::NotInjected),
        Some(1..=3) => answered(ended),
        _ => happened("ended by a library or the loader"),
    }
}

fn limited(run: &mut Run, limit: &str, of: std::ops::Range<u64>) -> Result<Happened, Broken> {
    prepared(run)?;
    let before = format!("{limit} {}", run.rng.u64(of));
    let ended = finish(&mut shell(run, &before, &compiling(run), "", false))?;
    compiled(run, &ended)?;
    out_of_memory(&ended)
}

fn limited_run(run: &mut Run, limit: &str, of: std::ops::Range<u64>) -> Result<Happened, Broken> {
    run.copy("package")?;
    run.copy("x.npy")?;
    let before = format!("{limit} {}", run.rng.u64(of));
    let line = ["package", "--arg", "0=x.npy", "--out-dir", "out"];
    let command = run.tool(KFORGE_RUN, &line);
    let ended = finish(&mut shell(run, &before, &command, "", false))?;
    let result = run.path("out/result.0.npy");
    demand(
        !result.exists() || right(run, &result)?,
        Flaw::FalseVerdict,
        || "another result".into(),
    )?;
    finish(&mut run.tool(KFORGE_RUN, &line))?.succeeds()?;
    demand(right(run, &result)?, Flaw::Lost, || {
        "the next result is another".into()
    })?;
    out_of_memory(&ended)
}

fn right(run: &Run, result: &Path) -> Result<bool, Broken> {
    Ok(fs::read(result)? == fs::read(run.base.path("out/result.0.npy"))?)
}

fn unread(run: &mut Run, behind: &str) -> Result<Happened, Broken> {
    prepared(run)?;
    let ended = finish(&mut shell(run, ":", &compiling(run), behind, false))?;
    // What is written before the end of the steps is whole; nothing else is asked.
    outputs::compiled(
        run,
        &Ended {
            status: std::os::unix::process::ExitStatusExt::from_raw(256),
            ..ended
        },
    )?;
    let next = finish(&mut compiling(run))?;
    next.succeeds()?;
    outputs::compiled(run, &next)?;
    happened("what is there is whole, the next run succeeds")
}

/// libfaketime, which has no fixed place.
fn faketime() -> Option<String> {
    let mut places = vec![
        "/usr/lib/faketime".to_owned(),
        "/usr/local/lib/faketime".into(),
    ];
    let entries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    places.extend(entries.map(|it| it.path().join("faketime").display().to_string()));
    let mut libraries = places.iter().map(|it| format!("{it}/libfaketimeMT.so.1"));
    libraries.find(|it| Path::new(it).exists())
}

fn clock(run: &mut Run, time: &str) -> Result<Happened, Broken> {
    let Some(library) = faketime() else {
        return Ok(Happened::Skipped("libfaketime is not installed".into()));
    };
    prepared(run)?;
    let mut compile = compiling(run);
    compile
        .env("LD_PRELOAD", library)
        .env("FAKETIME", time)
        .env("DONT_FAKE_MONOTONIC", "1");
    let ended = finish(&mut compile)?;
    compiled(run, &ended)?;
    let best = finish(&mut run.kforge(&["archive", "history", "--archive", "a.sqlite"]))?;
    best.succeeds()?;
    answered(&ended)
}

fn dated(run: &mut Run) -> Result<Happened, Broken> {
    let archive = run.copy_as("archive.sqlite", "a.sqlite")?;
    let before = rows(&archive)?;
    run.copy("candidates")?;
    let file = run.copy("results.jsonl")?;
    let years = Duration::from_secs(365 * 24 * 3600);
    let time = match run.rng.bool() {
        true => SystemTime::now() + years * run.rng.u32(1..300),
        false => SystemTime::UNIX_EPOCH - Duration::from_secs(run.rng.u64(1..1_000_000)),
    };
    fs::File::options()
        .write(true)
        .open(&file)?
        .set_modified(time)?;
    let line = "archive import results.jsonl --candidates candidates --archive a.sqlite";
    let ended = finish(&mut run.kforge(&line.split(' ').collect::<Vec<_>>()))?;
    keeps(&archive, &before)?;
    compiled_after(run)?;
    answered(&ended)
}

/// A compilation still begins from what is there.
fn compiled_after(run: &Run) -> Result<(), Broken> {
    run.copy("p.mlir")?;
    let next = finish(&mut compiling(run))?;
    next.succeeds()?;
    outputs::compiled(run, &next)
}
