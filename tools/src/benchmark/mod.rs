//! Times of verified kernels, in figures that can be compared with another day's.
//!
//! A case is compiled under one plan, and then verified and timed in rounds, each round
//! with memory of its own. Rounds of all cases take turns, so that a machine that slows
//! down slows all of them. The latency is the middle of the rounds' medians; their range
//! is what a comparison must leave ([`compare()`]).
//!
//! No figure stands beside a refusal.

mod compare;
mod report;
mod work;

pub use compare::{BaselineError, Change, Compared, compare};
pub use report::{Figures, Measurement, Origin, Outcome, SCHEMA, Suite, schema};
pub use work::Work;

use std::{path::PathBuf, time::Duration};

use kforge_dialect::program::{self, ProgramError};
use kforge_oracle::Level;
use kforge_planner::{Plan, Problem};
use kforge_runtime::DeviceChoice;

use crate::{
    compile::{CompileError, Session, Source},
    measure::{self, Ask, Candidate, MeasuredResult, Refusal, Worker},
    optimize::{Cases, candidate},
};

/// One module under one plan.
#[derive(Clone, Debug)]
pub struct Case {
    /// What reports call it.
    pub name: String,
    /// The module.
    pub source: Source,
    /// Its problem.
    pub problem: Problem,
    /// The plan.
    pub plan: Plan,
    /// Where the plan is from.
    pub origin: Origin,
}

/// How cases are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where.
    pub device: DeviceChoice,
    /// How often each case is verified and timed, at least once.
    pub rounds: u32,
    /// Timed runs per round.
    pub repeats: u32,
    /// Seed of the inputs.
    pub seed: u64,
    /// Longest a round may take.
    pub deadline: Duration,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The module does not parse.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The module's work cannot be counted.
    #[error("'{name}': {source}")]
    Program {
        /// Which module.
        name: String,
        /// Why.
        source: Box<ProgramError>,
    },
    /// There is no folder for packages.
    #[error("no folder for packages: {0}")]
    Folder(std::io::Error),
}

/// Measures every case; `watch` hears of each round: its number, from 0, and the case.
pub fn measure(
    cases: &[Case],
    settings: &Settings,
    watch: &mut dyn FnMut(u32, &str),
) -> Result<Vec<Measurement>, BenchmarkError> {
    let folder = tempfile::tempdir().map_err(BenchmarkError::Folder)?;
    let mut worker = Worker::new(
        Worker::beside(),
        measure::Settings {
            device: settings.device.to_string(),
            repeats: settings.repeats as usize,
            seed: settings.seed,
            // It was compiled here, from a plan that holds nothing but knobs.
            native: true,
            deadline: settings.deadline,
            ..measure::Settings::default()
        },
    );
    let mut compiled: Vec<Result<PathBuf, Refusal>> = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        // Cases may have one plan.
        let folder = folder.path().join(index.to_string());
        let Case {
            source,
            problem,
            plan,
            ..
        } = case;
        compiled.push(candidate(
            source,
            problem,
            plan,
            &folder,
            Cases::Of(Level::Quick),
        ));
    }
    let mut rounds = vec![Vec::new(); cases.len()];
    for round in 0..settings.rounds.max(1) {
        for ((case, place), results) in cases.iter().zip(&compiled).zip(&mut rounds) {
            let is_refused = |it: &MeasuredResult| matches!(it, MeasuredResult::Refused(_));
            // A refusal stands; more rounds would not take it back.
            if results.last().is_some_and(is_refused) {
                continue;
            }
            watch(round, &case.name);
            results.push(match place {
                Ok(folder) => {
                    let candidate = Candidate {
                        folder: folder.clone(),
                        full: false,
                    };
                    worker.measure(candidate, Ask::default()).result
                }
                Err(refusal) => MeasuredResult::Refused(refusal.clone()),
            });
        }
    }
    let measured = cases.iter().zip(rounds);
    measured
        .map(|(case, rounds)| {
            Ok(Measurement {
                name: case.name.clone(),
                workload: case.problem.workload.clone(),
                plan: case.plan.id(),
                origin: case.origin,
                result: Outcome::of(&rounds, work(&case.source)?),
            })
        })
        .collect()
}

/// The work of a module's one function.
fn work(source: &Source) -> Result<Work, BenchmarkError> {
    let session = Session::default();
    let module = session.parse(source)?;
    let program = program::of_function(module.as_operation(), None);
    let program = program.map_err(|error| BenchmarkError::Program {
        name: source.name().into(),
        source: Box::new(error),
    })?;
    Ok(Work::of(&program))
}
