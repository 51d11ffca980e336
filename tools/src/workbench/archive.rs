//! `kforge archive`: what was tried, here and on every machine whose results came here.
//!
//! Reading makes no archive; only `import` begins one. `verify` ends with exit code 1
//! when a row or the file is not what was stored, `import` when nothing of it is kept.

mod measured;
mod print;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use kforge_planner::archive::{Archive, ArchiveError, Filter, Options, default_path};
use kforge_runtime::whole_file::write_whole;
use serde::Serialize;
use serde_json::json;

use super::Failure;

/// Look into the archive of tried plans, and keep it in order
///
/// Examples:
///   kforge archive best --kernel matmul
///   kforge archive history --limit 50 --device nvidia --json
///   kforge archive show 1f9c2ab04d51e6c7
///   kforge archive export lab.json --kernel attention
///   kforge archive import lab.json
///   kforge archive import results.jsonl --candidates candidates
///   kforge archive gc --keep 100
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The archive; the one in the user's data folder if not given
    #[arg(long, value_name = "FILE", global = true)]
    archive: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The best verified plan of every problem and device: accepted ones before others
    ///
    /// Examples:
    ///   kforge archive best --kernel matmul
    ///   kforge archive best --device nvidia --limit 5 --json
    #[command(verbatim_doc_comment)]
    Best {
        #[command(flatten)]
        select: Select,
        /// Most lines, from 1
        #[arg(long, value_name = "N", default_value = "20", value_parser = at_least_one)]
        limit: usize,
    },
    /// What was tried last, refused plans too
    ///
    /// Examples:
    ///   kforge archive history --limit 50
    ///   kforge archive history --kernel softmax --json
    #[command(verbatim_doc_comment)]
    History {
        #[command(flatten)]
        select: Select,
        /// Most lines, from 1
        #[arg(long, value_name = "N", default_value = "20", value_parser = at_least_one)]
        limit: usize,
    },
    /// How much was tried, what passed, what was refused and why
    ///
    /// Examples:
    ///   kforge archive stats
    ///   kforge archive stats --device llvmpipe --json
    #[command(verbatim_doc_comment)]
    Stats {
        #[command(flatten)]
        select: Select,
    },
    /// One attempt with its plan and shaders
    ///
    /// Examples:
    ///   kforge archive show 1f9c2ab04d51e6c7
    ///   kforge archive show 1f9c2ab04d51e6c7 --json
    #[command(verbatim_doc_comment)]
    Show {
        /// Its id, or at least 6 digits of its row's hash
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Write attempts and their shaders to a file for other machines
    ///
    /// Examples:
    ///   kforge archive export lab.json
    ///   kforge archive export lab.json --kernel attention
    #[command(verbatim_doc_comment)]
    Export {
        /// The file, which appears whole or not at all
        #[arg(value_name = "FILE.json")]
        file: PathBuf,
        #[command(flatten)]
        select: Select,
    },
    /// Write the fastest schedule of every op that was tried alone, as the defaults of a device
    ///
    /// Of problems of one op, where the best verified plan is faster than the default one. The
    /// files in `planner/defaults` are made so; a build takes them in.
    ///
    /// Examples:
    ///   kforge archive defaults planner/defaults/nvidia-h200.json --device H200
    #[command(verbatim_doc_comment)]
    Defaults {
        /// The file, which appears whole or not at all
        #[arg(value_name = "FILE.json")]
        file: PathBuf,
        #[command(flatten)]
        select: Select,
    },
    /// Merge an export, or what kforge-run measured elsewhere
    ///
    /// Plans that come from elsewhere are proposals: they are verified on this machine's
    /// device before they are used.
    ///
    /// Examples:
    ///   kforge archive import lab.json
    ///   kforge archive import results.jsonl --candidates candidates
    #[command(verbatim_doc_comment)]
    Import {
        /// An export, or the lines of `kforge-run --measure DIR --json`
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The folder that was measured, for the plans and shaders of the lines
        #[arg(long, value_name = "DIR")]
        candidates: Option<PathBuf>,
    },
    /// Read all of it and say what cannot be believed
    ///
    /// Examples:
    ///   kforge archive verify
    ///   kforge archive verify --archive lab.sqlite --json
    #[command(verbatim_doc_comment)]
    Verify,
    /// Remove what cannot be believed and what nothing names, and give space back
    ///
    /// Examples:
    ///   kforge archive gc
    ///   kforge archive gc --keep 100
    #[command(verbatim_doc_comment)]
    Gc {
        /// Keep this many fastest verified and latest refused attempts of each problem
        /// and device; all if not given
        #[arg(long, value_name = "N")]
        keep: Option<u32>,
    },
}

/// A number of lines that says something.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected 1 or more".into()),
        Ok(lines) => Ok(lines),
        Err(error) => Err(format!("{error}")),
    }
}

/// Which attempts.
#[derive(Debug, clap::Args)]
struct Select {
    /// A kind of op (matmul, attention, ...), or a part of the workload's name
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// A part of the device's name
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
}

impl Select {
    fn filter(&self) -> Filter {
        Filter {
            kernel: self.kernel.clone(),
            device: self.device.clone(),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let path = match &arguments.archive {
        Some(path) => path.clone(),
        None => default_path().map_err(failed)?,
    };
    let mut archive = open(&path, matches!(arguments.action, Action::Import { .. }))?;
    let json = arguments.json;
    match &arguments.action {
        Action::Best { select, limit } => {
            let best = archive.leaders(&select.filter(), *limit).map_err(failed)?;
            answer(json, &best, |it| print::best(it))
        }
        Action::History { select, limit } => {
            let entries = archive.history(&select.filter(), *limit).map_err(failed)?;
            answer(json, &entries, |it| print::history(it))
        }
        Action::Stats { select } => {
            let stats = archive.stats(&select.filter()).map_err(failed)?;
            answer(json, &stats, print::stats)
        }
        Action::Show { id } => {
            let shown = archive.show(id).map_err(failed)?;
            answer(json, &shown, print::shown)
        }
        Action::Export { file, select } => {
            let count = archive.export(&select.filter(), file).map_err(failed)?;
            answer(json, &json!({ "exported": count }), |_| {
                format!("{count} attempts in '{}'\n", file.display())
            })
        }
        Action::Defaults { file, select } => {
            let defaults = archive.defaults(&select.filter()).map_err(failed)?;
            let count = defaults.rows.len();
            if count == 0 {
                return Err(Failure::Reported(
                    "no op was tried alone and became faster than by its default plan; `kforge \
                     optimize --kernel ...` tries one",
                ));
            }
            write_whole(file, |out| {
                serde_json::to_writer_pretty(&mut *out, &defaults)?;
                out.write_all(b"\n")
            })?;
            answer(json, &json!({ "schedules": count }), |_| {
                let device = &defaults.device;
                format!("{count} schedules for '{device}' in '{}'\n", file.display())
            })
        }
        Action::Import { file, candidates } => {
            import(&mut archive, file, candidates.as_deref(), json)
        }
        Action::Verify => {
            let report = archive.verify().map_err(failed)?;
            answer(json, &report, print::verification)?;
            match report.is_sound() {
                true => Ok(()),
                false => Err(Failure::Reported(
                    "the archive is not all as it was stored; `kforge archive gc` removes \
                     the rows that are not believed",
                )),
            }
        }
        Action::Gc { keep } => {
            let collected = archive.gc(*keep).map_err(failed)?;
            answer(json, &collected, print::collected)
        }
    }
}

fn open(path: &Path, create: bool) -> Result<Archive, Failure> {
    let options = Options {
        create,
        ..Options::default()
    };
    let archive = Archive::open(path, &options).map_err(failed)?;
    for warning in archive.warnings() {
        warn(&warning.to_string());
    }
    Ok(archive)
}

fn import(
    archive: &mut Archive,
    file: &Path,
    candidates: Option<&Path>,
    json: bool,
) -> Result<(), Failure> {
    let (kept, refused) = match candidates {
        Some(folder) => {
            let import = measured::import(archive, file, folder)?;
            answer(json, &import, print::measured)?;
            (import.added + import.known, import.refused.values().sum())
        }
        None => {
            let import = archive.import(file).map_err(|error| {
                match measured::is_measured(file) {
                    true => Failure::Other(format!(
                        "'{}' holds what kforge-run measured; name the folder that was measured with --candidates",
                        file.display()
                    )),
                    false => failed(error),
                }
            })?;
            answer(json, &import, print::import)?;
            let refused: u64 = import.refused.values().sum();
            (import.added + import.known, refused)
        }
    };
    match (kept, refused) {
        (_, 0) => Ok(()),
        (0, _) => Err(Failure::Reported(
            "nothing of it is believed, so nothing is kept",
        )),
        (_, refused) => {
            warn(&format!("{refused} attempts are not believed and left out"));
            Ok(())
        }
    }
}

/// Prints a result as JSON or in words.
fn answer<T: Serialize>(
    json: bool,
    value: &T,
    words: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    let text = match json {
        true => serde_json::to_string_pretty(value).map_err(io::Error::from)? + "\n",
        false => words(value),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn warn(text: &str) {
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "warning: {text}");
}

/// An error with what it comes from.
fn failed(error: ArchiveError) -> Failure {
    Failure::Other(super::with_causes(&error))
}
