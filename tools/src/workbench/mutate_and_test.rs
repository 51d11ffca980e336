//! `kforge mutate-and-test`: mistakes on purpose, and the gate that must refuse them.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::atomic::Ordering,
    time::Duration,
};

use clap::builder::PossibleValuesParser;
use kforge_mutate::Place;
use kforge_runtime::device::Target;

use super::{
    Failure, device::DeviceArgument, interrupt, kept::RegressionCorpus, workload::stem, write_file,
};
use crate::{
    compile::Source,
    mutate::{self, MutateError, PROGRAMS, Record, Report, Settings},
};

/// Put mistakes into plans, IR, kernels, launches and the gate; each must be refused
///
/// Every mutant is one change of something right. It is built and judged by the real gate at
/// its real bounds, in a child process with a deadline. Harmless changes must be accepted.
/// The report says which check killed which kind of mistake; what was refused is kept in the
/// regression corpus and tried first the next time. Ctrl-C ends it with a report of what was
/// judged. Exit code 2: a mistake was accepted, or a harmless change refused.
///
/// Examples:
///   kforge mutate-and-test
///   kforge mutate-and-test --kernel softmax --place kernel --limit 20
///   kforge mutate-and-test layer.mlir --max-seconds 300 --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Modules to make mistakes in, instead of one small program per kernel family
    #[arg(value_name = "FILE.mlir")]
    files: Vec<PathBuf>,
    /// Some of the built-in programs
    #[arg(long, value_name = "KERNEL", num_args = 1.., value_parser = kernels(), conflicts_with = "files")]
    kernel: Vec<String>,
    /// Where to put mistakes; everywhere if not given
    #[arg(long, value_name = "PLACE", num_args = 1.., value_parser = PossibleValuesParser::new(Place::ALL.map(Place::name)))]
    place: Vec<String>,
    /// Kinds of mistakes by their name; all if not given
    #[arg(long, value_name = "KIND", num_args = 1..)]
    kind: Vec<String>,
    #[command(flatten)]
    device: DeviceArgument,
    /// Instances of each kind in each program, at most
    #[arg(long, value_name = "N", default_value_t = 4)]
    limit: usize,
    /// Seed of the inputs and of the instances drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Begin no mutant after so long
    #[arg(long, value_name = "SECONDS")]
    max_seconds: Option<u64>,
    /// Deadline of one submission of a mutant; what must be accepted has twenty times as long
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
    /// Mutants at a time; one per processor if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: Option<u32>,
    /// Folder for the reports
    #[arg(short, long, value_name = "DIR", default_value = "reports")]
    output: PathBuf,
    #[command(flatten)]
    corpus: RegressionCorpus,
    /// List every kind and judge nothing
    #[arg(long)]
    list: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

fn kernels() -> PossibleValuesParser {
    PossibleValuesParser::new(PROGRAMS.iter().map(|program| program.name))
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    if arguments.list {
        return arguments.print_kinds();
    }
    let device = arguments.device.choice(target)?.unwrap_or_default();
    let settings = arguments.settings(device.to_string())?;
    let sources = arguments.sources()?;
    let mut done = 0;
    let mut seen = |_: &Record| {
        done += 1;
        if done % 100 == 0 {
            // Progress is a courtesy: nothing depends on it.
            let _ = writeln!(io::stderr(), "{done} mutants judged");
        }
    };
    let mut warn = |text: &str| {
        let _ = writeln!(io::stderr(), "warning: {text}");
    };
    let report = mutate::run(&sources, &settings, &mut seen, &mut warn).map_err(failure)?;
    let whole = settings.most.is_none() && !settings.stop.load(Ordering::Relaxed);
    if whole && report.records.is_empty() && report.skipped.is_empty() {
        return Err(arguments.nothing());
    }
    let written = arguments.write(&report)?;
    match arguments.json {
        true => io::stdout().write_all(report.json().map_err(io::Error::from)?.as_bytes())?,
        false => {
            let text = report.text() + &format!("wrote       {}\n", written.join(", "));
            io::stdout().write_all(text.as_bytes())?;
        }
    }
    match report.is_clean() {
        true => Ok(()),
        false => Err(Failure::Escaped {
            escaped: report.totals.escaped,
            refused: report.totals.controls_refused,
            skipped: report.skipped.len(),
        }),
    }
}

impl Arguments {
    fn settings(&self, device: String) -> Result<Settings, Failure> {
        let place = |name: &String| Place::ALL.into_iter().find(|place| place.name() == name);
        let default = Settings::default();
        Ok(Settings {
            device,
            places: self.place.iter().filter_map(place).collect(),
            kinds: self.kind.clone(),
            limit: self.limit.max(1),
            seed: self.seed,
            most: self.max_seconds.map(Duration::from_secs),
            deadline: Duration::from_secs(self.deadline),
            workers: self.jobs.map_or(default.workers, |jobs| jobs as usize),
            corpus: self.corpus.path(),
            runner: default.runner,
            stop: interrupt::flag(
                "stopping after the mutants at hand, then what was found is written; Ctrl-C once \
                 more ends it at once, without a report",
            )?,
        })
    }

    /// No kind was tried at any place.
    fn nothing(&self) -> Failure {
        let places = match self.place.is_empty() {
            true => "every place".to_owned(),
            false => format!("the place {}", self.place.join(", ")),
        };
        let verifier = self.place.iter().any(|it| it == Place::Verifier.name());
        let faults = match verifier && !cfg!(feature = "faults") {
            true => " (those of the place verifier need a build with the cargo feature faults)",
            false => "",
        };
        Failure::Usage(format!(
            "nothing was tried: none of these kinds applies to these programs at {places}{faults}; \
             --list shows the kinds of each place"
        ))
    }

    fn sources(&self) -> Result<Vec<(String, Source)>, Failure> {
        if !self.files.is_empty() {
            let read = |file: &PathBuf| Ok((stem(file), Source::read(file)?));
            return self.files.iter().map(read).collect();
        }
        let wanted = |name: &str| self.kernel.is_empty() || self.kernel.iter().any(|it| it == name);
        let programs = PROGRAMS.iter().filter(|program| wanted(program.name));
        Ok(programs
            .map(|program| (program.name.to_owned(), program.source()))
            .collect())
    }

    /// Writes the report's files; their names.
    fn write(&self, report: &Report) -> Result<Vec<String>, Failure> {
        fs::create_dir_all(&self.output).map_err(|source| Failure::Write {
            path: self.output.clone(),
            source,
        })?;
        let json = self.output.join("mutation_report.json");
        write_file(&json, &report.json().map_err(io::Error::from)?)?;
        let page = self.output.join("mutation_report.html");
        write_file(&page, &report.page())?;
        Ok(vec![json.display().to_string(), page.display().to_string()])
    }

    fn print_kinds(&self) -> Result<(), Failure> {
        let mut out = String::new();
        let kinds = mutate::all_kinds();
        if self.json {
            let rows = kinds.iter().map(|kind| {
                serde_json::json!({
                    "place": kind.place, "kind": kind.name, "purpose": kind.purpose, "what": kind.what,
                })
            });
            let rows: Vec<_> = rows.collect();
            out = serde_json::to_string_pretty(&rows).map_err(io::Error::from)? + "\n";
        } else {
            for kind in &kinds {
                let control = match kind.purpose {
                    kforge_mutate::Purpose::Control => " (control)",
                    kforge_mutate::Purpose::Mutant => "",
                };
                out += &format!(
                    "{:<9} {:<30} {}{control}\n",
                    kind.place.name(),
                    kind.name,
                    kind.what
                );
            }
        }
        io::stdout().write_all(out.as_bytes())?;
        Ok(())
    }
}

fn failure(error: MutateError) -> Failure {
    match error {
        MutateError::Kind { .. } => Failure::Usage(error.to_string()),
        other => Failure::Other(other.to_string()),
    }
}
