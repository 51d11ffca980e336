//! What `kforge benchmark-matmul` and `kforge benchmark-suite` share: where they measure,
//! and which plan a case gets.

pub(super) mod matmul;
pub(super) mod suite;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser};
use kforge_planner::{archive::default_path, heuristic};
use kforge_runtime::{DeviceChoice, DeviceDescription, device::Target};

use super::{
    Failure,
    chosen::Chosen,
    device::{DeviceArgument, open},
    workload::Workload,
};
use crate::{
    benchmark::{self, BenchmarkError, Case, Measurement, Origin, measure},
    compile::Source,
    optimize::{self, Optimizer, known},
};

/// Where and how a benchmark measures.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    device: DeviceArgument,
    /// Timed runs of a round
    #[arg(long, value_name = "RUNS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    time: u32,
    /// Longest a round may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,
    /// Seed of the inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where the best verified plan is looked for; the user's data folder if not given
    #[arg(long, value_name = "FILE", conflicts_with = "no_archive")]
    archive: Option<PathBuf>,
    /// Look for no plan: take the default one
    #[arg(long)]
    no_archive: bool,
}

/// A place that is open.
struct Open {
    settings: benchmark::Settings,
    device: DeviceDescription,
    archive: Option<PathBuf>,
}

impl Place {
    /// Benchmarks are on the CPU where nothing else is said.
    fn open(&self, target: Option<Target>, rounds: u32) -> Result<Open, Failure> {
        let choice = self.device.choice(target)?.unwrap_or(DeviceChoice::Cpu);
        let device = open(choice)?;
        let archive = match (&self.archive, self.no_archive) {
            (_, true) => None,
            (Some(path), _) => Some(path.clone()),
            (None, _) => default_path().ok(),
        };
        Ok(Open {
            settings: benchmark::Settings {
                device: choice,
                rounds,
                repeats: self.time,
                seed: self.seed,
                deadline: Duration::from_secs(self.deadline),
            },
            device: device.description().clone(),
            archive,
        })
    }
}

impl Open {
    /// A case under the plan given, else the archive's best, else the default one.
    fn case(&self, name: &str, source: Source, chosen: Option<&Chosen>) -> Result<Case, Failure> {
        let settings = optimize::Settings::default();
        let optimizer = Optimizer::described(source.clone(), self.device.clone(), settings)?;
        let problem = optimizer.problem().clone();
        let (plan, origin) = match chosen.filter(|it| it.is_given()) {
            Some(chosen) => {
                let plan = chosen.fitting(&problem, &self.device)?;
                (plan, Origin::Given)
            }
            None => {
                let path = self.archive.as_deref();
                let best = path.map_or(Ok(None), |path| known(path, &problem, &self.device));
                let best = best.unwrap_or_else(|error| {
                    // With standard error gone there is nobody left to tell.
                    let _ = writeln!(io::stderr(), "warning: no plan is looked for: {error}");
                    None
                });
                match best {
                    Some(plan) => (plan, Origin::Archive),
                    None => (
                        heuristic::propose(&problem, &self.device),
                        Origin::Heuristic,
                    ),
                }
            }
        };
        Ok(Case {
            name: name.into(),
            source,
            problem,
            plan,
            origin,
        })
    }

    /// Measures cases, with a line of progress per round where there are several.
    fn measure(&self, cases: &[Case]) -> Result<Vec<Measurement>, Failure> {
        let rounds = self.settings.rounds;
        let mut watch = |round: u32, name: &str| {
            if cases.len() > 1 {
                // A progress line nobody can read changes nothing.
                let _ = writeln!(io::stderr(), "[{}/{rounds}] {name}", round + 1);
            }
        };
        Ok(measure(cases, &self.settings, &mut watch)?)
    }
}

impl From<BenchmarkError> for Failure {
    fn from(error: BenchmarkError) -> Self {
        Self::Other(error.to_string())
    }
}

/// The module that the other subcommands make of the same options.
fn source(options: &str) -> Result<Source, Failure> {
    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        workload: Workload,
    }
    let line = Line::try_parse_from(options.split_whitespace());
    let line = line.map_err(|error| Failure::Usage(error.to_string()))?;
    line.workload.source()
}

/// Where a plan is from, in words.
const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Archive => "the archive's best verified plan",
        Origin::Heuristic => "the default plan",
        Origin::Given => "the plan given",
    }
}

/// A number in five characters or more, with three significant digits.
fn figure(value: f64) -> String {
    let digits = match value {
        _ if value >= 100.0 => 0,
        _ if value >= 10.0 => 1,
        _ if value >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_have_three_digits() {
        let shown = [123.4, 12.34, 1.234, 0.1234].map(figure);
        assert_eq!(shown, ["123", "12.3", "1.23", "0.1234"]);
    }
}
