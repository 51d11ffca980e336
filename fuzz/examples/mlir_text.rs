//! Mutated `.mlir` files through the real tools, each run in a process with limits.
//!
//! `mlir_text BIN_DIR RUNS [SEED]`, where BIN_DIR holds kforge-run and kforge-opt. Seeds are
//! the files under test/. A run may end with results or with a refusal that has a message;
//! a signal, a panic, no message, more than 4 GiB of memory or 60 s of processor time are
//! findings. Their inputs are kept in fuzz/artifacts/mlir_text, and the exit code is 1.

#![allow(
    clippy::expect_used,
    reason = "a tool for developers ends where it cannot go on"
)]

#[path = "mlir_text/judge.rs"]
mod judge;
#[path = "mlir_text/mutate.rs"]
mod mutate;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use fastrand::Rng;
use judge::{Outcome, run};

/// What a tool is asked to do with a file. `kforge-run` on the CPU, for a search of
/// drivers takes longer than most runs.
const COMMANDS: &[&[&str]] = &[
    &["kforge-run", "FILE", "--device", "cpu", "--arg", "zeros"],
    &[
        "kforge-run",
        "FILE",
        "--device",
        "cpu",
        "--arg",
        "random",
        "--cases",
        "full",
    ],
    &["kforge-opt", "FILE"],
    &["kforge-opt", "FILE", "--canonicalize", "--cse"],
    &[
        "kforge-opt",
        "FILE",
        "--pass-pipeline=builtin.module(kforge-default-pipeline)",
    ],
    &[
        "kforge-opt",
        "FILE",
        "--pass-pipeline=builtin.module(kforge-fold-constants,kforge-fuse-attention,kforge-fuse-matmul-activation,kforge-fuse-mlp-block,kforge-eliminate-dead-ops)",
    ],
    &[
        "kforge-opt",
        "FILE",
        "--kforge-planner=heuristic",
        "--kforge-planner-device=cpu",
    ],
    &["kforge-opt", "FILE", "--emit-bytecode"],
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(tools), Some(runs)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: mlir_text BIN_DIR RUNS [SEED]");
        return ExitCode::FAILURE;
    };
    let runs: u64 = runs.parse().expect("RUNS is a number");
    let seed: u64 = arguments
        .next()
        .map_or(0, |it| it.parse().expect("SEED is a number"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = seeds(&root.join("../test"));
    assert!(!seeds.is_empty(), "no .mlir file under test/");
    let artifacts = root.join("artifacts/mlir_text");
    fs::create_dir_all(&artifacts).expect("a folder for findings");
    let folder = tempfile::tempdir().expect("a folder for inputs");
    let file = folder.path().join("input.mlir");
    let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
    for index in 0..runs {
        // Each run by its own number, so that one can be repeated alone.
        let mut rng = Rng::with_seed(seed.wrapping_mul(1 << 32).wrapping_add(index));
        let text = mutate::mutated(&seeds, &mut rng);
        fs::write(&file, &text).expect("the input can be written");
        let command = COMMANDS[rng.usize(..COMMANDS.len())];
        let outcome = run(Path::new(&tools), command, &file);
        if outcome.is_finding() {
            let kept = artifacts.join(format!("{seed}-{index}.mlir"));
            fs::write(&kept, &text).expect("a finding can be kept");
            println!("{outcome}: {} {}", command.join(" "), kept.display());
        }
        *counts.entry(outcome).or_default() += 1;
        if (index + 1) % 500 == 0 {
            println!("{} runs", index + 1);
        }
    }
    println!("{runs} runs, seed {seed}, {} seeds", seeds.len());
    for (outcome, count) in &counts {
        println!("{count:>8} {outcome}");
    }
    match counts.keys().any(Outcome::is_finding) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// The parts of every .mlir file below a folder, in a fixed order.
fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let texts = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    let parts = texts.flat_map(|text| {
        let parts = text
            .split("// -----")
            .map(|part| part.trim().as_bytes().to_vec());
        parts.collect::<Vec<_>>()
    });
    parts.filter(|part| !part.is_empty()).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|it| it == "mlir") {
            files.push(path);
        }
    }
}
