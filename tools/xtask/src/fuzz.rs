//! `cargo xtask fuzz`: every fuzz target for a number of executions, and a table of what came
//! of it.
//!
//! Works on the stable toolchain: the code is safe Rust, so no sanitizer is used, but checks
//! of overflow and debug assertions are on. cargo-fuzz is installed when it is missing. A
//! corpus grows in fuzz/corpus, logs are in target/fuzz.

use crate::error::{Error, Result};
use crate::llvm;
use crate::shell;
use crate::workspace;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What cargo-fuzz is told for every target.
const BUILD: [&str; 4] = ["--sanitizer", "none", "--features", "libfuzzer"];

/// What became of one target.
struct Row {
    target: String,
    counts: Counts,
    time: Duration,
    passed: bool,
}

/// What libFuzzer prints of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    executions: u64,
    /// Edges, features (edges with how often they are taken), inputs kept.
    edges: u64,
    features: u64,
    corpus: u64,
}

/// Runs `only`, or all targets, for `runs` executions and at most `seconds` each; `false`
/// when an input was found that breaks a promise.
pub fn fuzz(only: &[String], runs: u64, seconds: u64) -> Result<bool> {
    install()?;
    let targets = targets(&workspace::root().join("fuzz/fuzz_targets"))?;
    if let Some(unknown) = only.iter().find(|it| !targets.contains(it)) {
        return Err(Error::Missing {
            what: format!("fuzz target '{unknown}'"),
            mend: format!("there are {}", targets.join(", ")),
        });
    }
    shell::run(workspace::cargo().args(["fuzz", "build"]).args(BUILD))?;
    let mut rows = Vec::new();
    for target in targets {
        if only.is_empty() || only.contains(&target) {
            rows.push(run(target, runs, seconds)?);
        }
    }
    print!("{}", table(&rows));
    Ok(rows.iter().all(|row| row.passed))
}

fn install() -> Result<()> {
    let known = shell::capture(workspace::cargo().args(["fuzz", "--version"]));
    match known {
        Ok(_) => Ok(()),
        Err(_) => shell::run(workspace::cargo().args(["install", "cargo-fuzz", "--locked"])),
    }
}

/// The targets: names of the files in their folder.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let fault = |source| Error::File {
        path: folder.to_path_buf(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        names.extend(path.file_stem().map(|it| it.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn run(target: String, runs: u64, seconds: u64) -> Result<Row> {
    let root = workspace::root();
    let fuzz = root.join("fuzz");
    let corpus = fuzz.join("corpus").join(&target);
    shell::run(
        workspace::cargo()
            .args([
                "run",
                "--package=kforge-fuzz",
                "--example=seeds",
                "--",
                &target,
            ])
            .arg(&corpus),
    )?;
    let log = log(&target)?;
    let fault = |source| Error::File {
        path: log.clone(),
        source,
    };
    let output = fs::File::create(&log).map_err(fault)?;
    let mut command = workspace::cargo();
    command
        .args(["fuzz", "run"])
        .args(BUILD)
        .arg(&target)
        .arg(&corpus)
        // The seeds that are kept, where there are some; new inputs go to the corpus.
        .args(Some(fuzz.join("seeds").join(&target)).filter(|it| it.exists()))
        .arg("--")
        .arg(format!(
            "-dict={}",
            fuzz.join("dictionaries")
                .join(format!("{target}.dict"))
                .display()
        ))
        .arg(format!("-runs={runs}"))
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    // cargo-fuzz's flags take the place of those that say where the library is.
    if let Some(llvm) = llvm::find() {
        command.env("LD_LIBRARY_PATH", llvm.prefix.join("lib"));
    }
    println!("+ {} > {}", shell::line(&command), log.display());
    let start = Instant::now();
    let passed = status(command.stderr(output).stdin(Stdio::null()))?;
    let text = String::from_utf8_lossy(&fs::read(&log).map_err(fault)?).into_owned();
    if !passed {
        println!("{target}: a promise is broken, see {}", log.display());
    }
    Ok(Row {
        counts: counts(&text),
        time: start.elapsed(),
        passed,
        target,
    })
}

fn status(command: &mut Command) -> Result<bool> {
    let status = command.status().map_err(|source| Error::Start {
        command: shell::line(command),
        source,
    })?;
    Ok(status.success())
}

fn log(target: &str) -> Result<PathBuf> {
    let folder = workspace::target_dir(&workspace::metadata(false)?).join("fuzz");
    fs::create_dir_all(&folder).map_err(|source| Error::File {
        path: folder.clone(),
        source,
    })?;
    Ok(folder.join(format!("{target}.log")))
}

/// The last figures in libFuzzer's log.
fn counts(log: &str) -> Counts {
    let number = |text: &str| -> u64 {
        let digits = text
            .trim_start()
            .split(|c: char| !c.is_ascii_digit())
            .next();
        digits.and_then(|it| it.parse().ok()).unwrap_or(0)
    };
    let after = |key: &str| log.rsplit_once(key).map_or(0, |(_, rest)| number(rest));
    Counts {
        executions: after("stat::number_of_executed_units:"),
        edges: after(" cov:"),
        features: after(" ft:"),
        corpus: after(" corp:"),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "\ntarget             executions  seconds   edges  features  corpus  outcome\n",
    );
    for row in rows {
        let Counts {
            executions,
            edges,
            features,
            corpus,
        } = row.counts;
        let outcome = if row.passed { "passed" } else { "FAILED" };
        let (target, seconds) = (&row.target, row.time.as_secs());
        text += &format!(
            "{target:<18} {executions:>10} {seconds:>8} {edges:>7} {features:>9} {corpus:>7}  {outcome}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_the_last_of_a_log() {
        let log = "#2\tINITED cov: 12 ft: 13 corp: 1/4b exec/s: 0\n\
                   #500\tREDUCE cov: 120 ft: 431 corp: 38/1200b lim: 8 exec/s: 0\n\
                   Done 500 runs in 1 second(s)\nstat::number_of_executed_units: 500\n";
        let expected = Counts {
            executions: 500,
            edges: 120,
            features: 431,
            corpus: 38,
        };
        assert_eq!(counts(log), expected);
        assert_eq!(counts("cannot run"), Counts::default());
    }

    #[test]
    fn every_target_has_a_dictionary() {
        let fuzz = workspace::root().join("fuzz");
        let targets = targets(&fuzz.join("fuzz_targets")).unwrap();
        assert!(targets.len() > 8, "{targets:?}");
        for target in targets {
            let dictionary = fuzz.join(format!("dictionaries/{target}.dict"));
            assert!(dictionary.exists(), "{}", dictionary.display());
        }
    }
}
