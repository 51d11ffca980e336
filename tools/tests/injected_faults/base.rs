//! What every run starts from: files that the tools themselves made, once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use kforge_planner::archive::{Archive, Filter, Options};
use tempfile::TempDir;

use crate::{
    child::{self, KFORGE, KFORGE_OPT, KFORGE_RUN, command, finish},
    kind::{Broken, Flaw, Happened, Run, demand, happened},
};

/// A program of one op.
pub(crate) const SOFTMAX: &str = "func.func @p(%x: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %y = kforge.softmax %x {kforge.name = \"p\"} : (tensor<3x8xf32>) -> tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}
";

/// The files, and what this machine lets be injected.
pub(crate) struct Base {
    folder: TempDir,
    pub has_strace: bool,
}

impl Base {
    /// Makes the files; `None` where there is no GPU.
    pub fn new() -> Result<Option<Self>, Broken> {
        let folder = tempfile::tempdir()?;
        let at = folder.path();
        fs::create_dir(at.join("tmp"))?;
        fs::write(at.join("p.mlir"), SOFTMAX)?;
        let run = |program: &str, line: &str| {
            let arguments: Vec<&str> = line.split(' ').collect();
            finish(&mut command(at, program, &arguments))
        };
        // Without a case of values there is nothing to hold results against.
        let input: Vec<f32> = (0..24_u8).map(|it| f32::from(it) * 0.25 - 3.0).collect();
        let bytes: Vec<u8> = input.iter().flat_map(|it| it.to_le_bytes()).collect();
        let shape = vec![3, 8];
        let tensor = kforge_runtime::HostTensor::new(kforge_runtime::Dtype::F32, shape, bytes)?;
        tensor.write_npy(at.join("x.npy"))?;
        let first = run(
            KFORGE_RUN,
            "p.mlir --arg 0=x.npy --out-dir out --package-dir package",
        )?;
        if first.code() == Some(3) {
            return Ok(None);
        }
        first.succeeds()?;
        for (program, line) in [
            (
                KFORGE,
                "optimize p.mlir --planner random --max-iterations 4 --time 2 --archive archive.sqlite --no-corpus --plan-output plan.json",
            ),
            (
                KFORGE,
                "optimize --kernel matmul --m 5 --n 6 --k 7 --planner random --max-iterations 4 --time 2 --archive archive.sqlite --no-corpus",
            ),
            (
                KFORGE,
                "archive export export.json --archive archive.sqlite",
            ),
            (
                KFORGE,
                "optimize p.mlir --planner random --seed 7 --max-iterations 4 --time 2 --archive more.sqlite --no-corpus",
            ),
            (KFORGE, "archive export more.json --archive more.sqlite"),
            (
                KFORGE,
                "compile-transformer p.mlir --no-archive --no-corpus --plan-output accepted.json --audit-output audit.json -o compiled",
            ),
            (
                KFORGE,
                "optimize p.mlir --planner random --max-iterations 3 --no-archive --emit-candidates candidates",
            ),
            (
                KFORGE,
                "mutate-and-test --kernel softmax --place kernel --limit 1 --kind exp_exp2 --corpus corpus.json",
            ),
            (
                KFORGE_OPT,
                "p.mlir --kforge-planner=heuristic -o heuristic.mlir",
            ),
        ] {
            run(program, line)?.succeeds()?;
        }
        let measured = run(KFORGE_RUN, "--measure candidates --time 2 --json")?;
        measured.succeeds()?;
        fs::write(at.join("results.jsonl"), measured.out)?;
        let optimized = run(
            KFORGE,
            "optimize p.mlir --planner random --max-iterations 3 --time 2 --no-archive --no-corpus --json",
        )?;
        optimized.succeeds()?;
        fs::write(at.join("run.json"), optimized.out)?;
        run(KFORGE, "report run.json --format html -o run.html")?.succeeds()?;
        let has_strace = child::has_strace();
        Ok(Some(Self { folder, has_strace }))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The rows of an archive by hash, every one of them sound; none where there is no file.
pub(crate) fn rows(path: &Path) -> Result<Vec<String>, Broken> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let options = Options {
        set_aside: false,
        ..Options::default()
    };
    let lost = |error: kforge_planner::archive::ArchiveError| Broken {
        flaw: Flaw::Lost,
        detail: error.to_string(),
    };
    let archive = Archive::open(path, &options).map_err(lost)?;
    let report = archive.verify().map_err(lost)?;
    demand(report.is_sound(), Flaw::Lost, || format!("{report:?}"))?;
    let entries = archive
        .history(&Filter::default(), usize::MAX)
        .map_err(lost)?;
    let mut hashes: Vec<String> = entries.into_iter().map(|it| it.hash).collect();
    hashes.sort();
    Ok(hashes)
}

/// Demands that all of `before` is in the archive at `path`; gives how many more are.
pub(crate) fn keeps(path: &Path, before: &[String]) -> Result<usize, Broken> {
    let after = rows(path)?;
    let gone = before.iter().filter(|it| !after.contains(it)).count();
    demand(gone == 0, Flaw::Lost, || {
        format!("{gone} of {} rows are gone", before.len())
    })?;
    Ok(after.len() - before.len())
}

/// Demands that nothing is in the run's folder but `names`, and nothing temporary is left.
pub(crate) fn only(run: &Run, names: &[&str]) -> Result<(), Broken> {
    for entry in fs::read_dir(run.folder())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let known = names.iter().any(|it| *it == name) || ["tmp", "data"].contains(&&*name);
        demand(known, Flaw::Other, || format!("'{name}' is left behind"))?;
    }
    let left = fs::read_dir(run.path("tmp"))?.count();
    demand(left == 0, Flaw::Other, || {
        format!("{left} temporary files are left behind")
    })
}

/// A command that changes files, with what must hold after it was disturbed.
pub(crate) struct Writer {
    /// Names it; its steps are looked for once.
    pub key: &'static str,
    pub who: child::Who,
    /// Makes the folder what it is before.
    pub prepare: fn(&Run) -> Result<(), Broken>,
    pub command: fn(&Run) -> Command,
    /// What must hold afterwards, whole or not at all.
    pub check: fn(&Run, &child::Ended) -> Result<(), Broken>,
    /// What may be in the folder after an error.
    pub leaves: &'static [&'static str],
}

/// Disturbs a writer at one of its steps, then lets it run.
pub(crate) fn disturbed(run: &mut Run, writer: &Writer, at: child::At) -> Result<Happened, Broken> {
    if !run.base.has_strace {
        return Ok(Happened::Skipped("strace may not be used here".into()));
    }
    (writer.prepare)(run)?;
    let command = (writer.command)(run);
    let mut steps = child::steps(writer.key, run, &command, writer.who)?;
    if let child::At::Error(_) = at {
        // To remove something needs no space.
        steps.retain(|it| it.call != "unlink" && it.call != "unlinkat");
    }
    demand(!steps.is_empty(), Flaw::Other, || {
        "it writes nothing".into()
    })?;
    let step = steps[run.rng.usize(0..steps.len())].clone();
    (writer.prepare)(run)?;
    let Some(ended) = child::inject(run, &command, &step, at, writer.who)? else {
        return Ok(Happened::NotInjected);
    };
    let told = |broken: Broken| Broken {
        detail: format!(
            "{step:?}: {}; it said: {}{}",
            broken.detail, ended.err, ended.out
        ),
        ..broken
    };
    if at != child::At::Kill {
        ended.is_calm().map_err(told)?;
        only(run, writer.leaves).map_err(told)?;
    }
    (writer.check)(run, &ended).map_err(told)?;
    let again = finish(&mut (writer.command)(run))?;
    again.succeeds().map_err(told)?;
    (writer.check)(run, &again).map_err(told)?;
    match ended.code() {
        Some(0) => happened("went on, nothing lost"),
        Some(_) => happened("ended with an error"),
        None => happened("killed"),
    }
}
