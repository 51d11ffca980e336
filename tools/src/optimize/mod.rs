//! The closed loop: propose, check, compile, verify, time, and propose again.
//!
//! ```no_run
//! use kforge_planner::{Budget, search::Evolve};
//! use kforge_tools::{compile::Source, optimize::{Optimizer, Settings}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let source = Source::read("matmul.mlir".as_ref())?;
//! let budget = Budget { max_iterations: Some(40), ..Budget::default() };
//! let optimizer = Optimizer::new(source, Settings { budget, ..Settings::default() })?;
//! let found = optimizer.optimize(&mut Evolve::new(0), &mut |_| ())?;
//! println!("{:.2}x with {}", found.best_speedup(), found.best.plan.text());
//! # Ok(())
//! # }
//! ```
//!
//! A planner's plan is data until it has passed `check`, and nothing until the gate has
//! passed its kernels on the device: only then is it timed, kept or shown as a time.

mod candidate;
mod check;
mod emit;
mod memory;
mod run;

pub use candidate::candidate;
pub use check::{Checked, Checks, check_plan};
pub use emit::Emitted;
pub(crate) use memory::shaders;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use kforge_planner::{
    Attempt, Budget, Problem,
    archive::ArchiveError,
    budget::{BudgetError, Ended},
    plan::Knobs,
    problem::{ExtractError, of_module},
    report::Spread,
};
use kforge_runtime::{Device, DeviceChoice, DeviceDescription, DeviceError};
use serde::Serialize;

use crate::{
    compile::{CompileError, Session, Source},
    measure::{CandidateError, Worker},
};

/// How plans are tried.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As `--device`: auto, vulkan, metal, dx12, gl or cpu.
    pub device: String,
    /// When to stop.
    pub budget: Budget,
    /// Timed runs per candidate.
    pub repeats: usize,
    /// Seed of the inputs; planners never see it.
    pub seed: u64,
    /// Plans asked for at a time; they are compiled in parallel.
    pub batch: usize,
    /// Longest a candidate may take to be verified and timed.
    pub deadline: Duration,
    /// The kforge-run that measures.
    pub runner: PathBuf,
    /// Where attempts are kept and earlier ones are found; `None`: nowhere.
    pub archive: Option<PathBuf>,
    /// Set to stop after the candidate at hand.
    pub stop: Arc<AtomicBool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            device: "auto".into(),
            budget: Budget {
                max_iterations: Some(20),
                ..Budget::default()
            },
            repeats: 10,
            seed: 0,
            batch: 4,
            deadline: Duration::from_secs(120),
            runner: Worker::beside(),
            archive: None,
            stop: Arc::default(),
        }
    }
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum OptimizeError {
    /// The module does not parse.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The module cannot be planned.
    #[error("'{name}': {source}")]
    Problem {
        /// Which module.
        name: String,
        /// Why.
        source: ExtractError,
    },
    /// No device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A rule of the budget cannot be followed.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Candidates cannot be written.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// There is no folder for candidates.
    #[error("no folder for candidates: {0}")]
    Folder(std::io::Error),
    /// The default knobs are refused, so there is nothing to compare with.
    #[error("the default plan is refused ({reason}): {detail}")]
    Baseline {
        /// In kebab-case.
        reason: String,
        /// In a sentence.
        detail: String,
    },
}

/// One module on one device, ready to be optimised.
#[derive(Debug)]
pub struct Optimizer {
    source: Source,
    problem: Problem,
    device: DeviceDescription,
    settings: Settings,
}

/// What was tried, and the best of it.
#[derive(Clone, Debug, Serialize)]
pub struct Optimized {
    /// The module and its ops.
    pub problem: Problem,
    /// Where it was measured.
    pub device: DeviceDescription,
    /// Who proposed.
    pub planner: String,
    /// The default knobs, measured in the same run: what speedups are relative to.
    pub baseline: Attempt,
    /// The fastest verified plan, verified once more with every case.
    pub best: Attempt,
    /// Plans of earlier runs that the planner learnt from.
    pub prior: usize,
    /// Shortest and longest of an attempt's timed runs, by its id.
    pub spread: BTreeMap<String, Spread>,
    /// Every plan, in order.
    pub attempts: Vec<Attempt>,
    /// The rule that ended the run; `None` if the user did.
    pub ended: Option<Ended>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Optimized {
    /// The baseline's time by the best one's, both from the last comparison.
    pub fn best_speedup(&self) -> f64 {
        match self.best.outcome {
            kforge_planner::Outcome::Verified { speedup, .. } => speedup,
            kforge_planner::Outcome::Refused { .. } => 0.0,
        }
    }

    /// Knobs of the best plan, by op or, for all ops, by pass.
    pub fn best_params(&self) -> Vec<(String, Knobs)> {
        let steps = self
            .best
            .plan
            .passes
            .iter()
            .filter(|step| !step.knobs.is_empty());
        let name = |op: &Option<String>, pass: &str| op.clone().unwrap_or_else(|| pass.to_owned());
        steps
            .map(|step| (name(&step.op, &step.pass), step.knobs.clone()))
            .collect()
    }
}

/// What happens on the way, for whoever watches.
#[derive(Debug)]
pub enum Event<'a> {
    /// A candidate was measured or refused.
    Tried {
        /// It.
        attempt: &'a Attempt,
        /// How many so far.
        iterations: u64,
        /// The best time so far.
        best_ms: Option<f64>,
    },
    /// Something that the user should know.
    Warning(String),
    /// The best plan does not hold with every case; the next one is tried.
    Dropped {
        /// It.
        attempt: &'a Attempt,
    },
}

impl Optimizer {
    /// Reads the problem of a module and the device it is for.
    pub fn new(source: Source, settings: Settings) -> Result<Self, OptimizeError> {
        settings.budget.validate()?;
        let choice: DeviceChoice = settings.device.parse()?;
        let device = Device::open(choice)?.description().clone();
        Self::described(source, device, settings)
    }

    /// Reads the problem of a module for a device that may be elsewhere.
    pub fn described(
        source: Source,
        device: DeviceDescription,
        settings: Settings,
    ) -> Result<Self, OptimizeError> {
        settings.budget.validate()?;
        let session = Session::default();
        let module = session.parse(&source)?;
        let problem =
            of_module(session.context(), &module).map_err(|error| OptimizeError::Problem {
                name: source.name().to_owned(),
                source: error,
            })?;
        Ok(Self {
            source,
            problem,
            device,
            settings,
        })
    }

    /// The problem.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The device.
    pub fn device(&self) -> &DeviceDescription {
        &self.device
    }
}
