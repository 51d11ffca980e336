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
//! Several sizes of one kernel are declared by [`Optimizer::also`]: plans are then tried at
//! each and compared by one score ([`score()`]).
//!
//! A planner's plan is data until it has passed `check`, and nothing until the gate has
//! passed its kernels on the device: only then is it timed, kept or shown as a time.

mod accept;
mod audit;
mod candidate;
mod check;
mod decide;
mod emit;
mod error;
mod memory;
mod peer;
mod run;
mod score;
mod size;
mod trial;

pub use audit::{Audit, Proposal, Unread, audit_schema};
pub use candidate::{Cases, candidate};
pub use check::{Checked, Checks, check_plan};
pub use decide::{DecideError, Decision, Proposer, Stage};
pub use emit::Emitted;
pub use error::OptimizeError;
pub use memory::known;
pub(crate) use memory::shaders;
pub use peer::{Peer, PeerError};
pub(crate) use score::geometric_mean;
pub use score::score;
use size::Size;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use kforge_planner::{
    Attempt, Budget, Plan, Problem,
    budget::{Ended, Progress},
    plan::Knobs,
    report::{SizeTime, Spread},
};
use kforge_runtime::{Device, DeviceChoice, DeviceDescription, Roofline, RunError};
use serde::Serialize;

use crate::{compile::Source, measure::Worker};

/// How plans are tried.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As `--device`: auto, vulkan, metal, dx12, gl or cpu.
    pub device: String,
    /// When to stop.
    pub budget: Budget,
    /// What speedups are relative to instead of the default knobs.
    pub peer: Option<Peer>,
    /// Timed runs per candidate, at most: from the fourth on, 0.2 s are enough.
    pub repeats: usize,
    /// Seed of the inputs; planners never see it.
    pub seed: u64,
    /// Plans asked for at a time; they are compiled in parallel.
    pub batch: usize,
    /// Longest a candidate may take to be verified and timed.
    pub deadline: Duration,
    /// The kforge-run that measures.
    pub runner: PathBuf,
    /// The regression corpus, whose cases run first and to which those of refused plans are
    /// added; `None`: none.
    pub corpus: Option<PathBuf>,
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
            peer: None,
            repeats: 10,
            seed: 0,
            batch: 4,
            deadline: Duration::from_secs(120),
            runner: Worker::beside(),
            corpus: None,
            archive: None,
            stop: Arc::default(),
        }
    }
}

/// One kernel on one device, ready to be optimised.
#[derive(Debug)]
pub struct Optimizer {
    /// The sizes it is optimised for; planners see the first.
    sizes: Vec<Size>,
    device: DeviceDescription,
    /// The peer's time at every size.
    peer_ms: Option<Vec<f64>>,
    settings: Settings,
}

/// What was tried, and the best of it.
#[derive(Clone, Debug, Serialize)]
pub struct Optimized {
    /// The module and its ops; with several sizes, the first.
    pub problem: Problem,
    /// Where it was measured.
    pub device: DeviceDescription,
    /// Who proposed.
    pub planner: String,
    /// What speedups are relative to, if not to the default knobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The default knobs of every size, from the last comparison.
    pub baseline: Attempt,
    /// The fastest verified plan, from the last comparison, with every case.
    pub best: Attempt,
    /// Plans of earlier runs that the planner learnt from.
    pub prior: usize,
    /// Shortest and longest of an attempt's timed runs, by its id.
    pub spread: BTreeMap<String, Spread>,
    /// Time and speedup at each size by an attempt's id, where there are several sizes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sizes: BTreeMap<String, Vec<SizeTime>>,
    /// The least milliseconds that arithmetic and memory of this device allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roofline_ms: Option<f64>,
    /// Every plan, in order.
    pub attempts: Vec<Attempt>,
    /// The rule that ended the run.
    pub ended: Ended,
    /// Wall-clock seconds in which the attempts were tried.
    pub seconds: f64,
    /// Wall-clock seconds of the last comparison, with every case.
    pub acceptance_seconds: f64,
}

impl Optimized {
    /// The baseline's time by the best one's, from the last comparison; with several
    /// sizes their score.
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
        /// What was spent and reached so far.
        progress: &'a Progress,
    },
    /// A language model is asked, which may take minutes.
    Asking {
        /// The planner.
        planner: &'a str,
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
        let mut optimizer = Self {
            sizes: vec![Size::read(source)?],
            device,
            peer_ms: None,
            settings,
        };
        optimizer.compare_with_peer()?;
        Ok(optimizer)
    }

    /// Declares another size of the same kernel.
    ///
    /// # Errors
    /// A module with other ops, or one that the peer has no time for.
    pub fn also(mut self, source: Source) -> Result<Self, OptimizeError> {
        let size = Size::read(source)?;
        let first = self.problem();
        let ops = |problem: &Problem| {
            let ops = problem.ops.iter();
            let ops = ops.map(|op| format!("{} {}", op.shape.kind(), op.name));
            ops.collect::<Vec<_>>().join(", ")
        };
        if ops(first) != ops(&size.problem) {
            return Err(OptimizeError::OtherOps {
                first: first.workload.clone(),
                other: size.problem.workload.clone(),
                first_ops: ops(first),
                other_ops: ops(&size.problem),
            });
        }
        if self.sizes.iter().all(|it| it.problem != size.problem) {
            self.sizes.push(size);
        }
        self.compare_with_peer()?;
        Ok(self)
    }

    fn compare_with_peer(&mut self) -> Result<(), OptimizeError> {
        let Some(peer) = &self.settings.peer else {
            return Ok(());
        };
        let sizes = self.sizes.iter();
        let times = sizes.map(|size| peer.ms(&size.problem, &self.device));
        self.peer_ms = Some(times.collect::<Result<_, _>>()?);
        Ok(())
    }

    /// Where attempts are kept, if anywhere.
    pub fn archive(&self) -> Option<&Path> {
        self.settings.archive.as_deref()
    }

    /// The problem; with several sizes, the first.
    pub fn problem(&self) -> &Problem {
        &self.sizes[0].problem
    }

    /// The problems of all sizes.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.sizes.iter().map(|size| &size.problem)
    }

    /// The device.
    pub fn device(&self) -> &DeviceDescription {
        &self.device
    }

    /// A plan's knobs at every size.
    fn at_sizes(&self, plan: &Plan) -> Vec<Plan> {
        let at = |problem: &Problem| Plan {
            problem: Some(problem.clone()),
            ..plan.clone()
        };
        self.problems().map(at).collect()
    }

    /// A refused plan with the module of the size at which it was refused, which the detail of
    /// the refusal names where there are several.
    pub(crate) fn refused_at(&self, plan: &Plan, detail: &str) -> (&Source, Plan) {
        let named = |size: &&Size| detail.starts_with(&trial::at_size(&size.problem));
        let size = self.sizes.iter().find(named).unwrap_or(&self.sizes[0]);
        let plan = Plan {
            problem: Some(size.problem.clone()),
            ..plan.clone()
        };
        (&size.source, plan)
    }

    /// What arithmetic and memory allow here: the geometric mean over the sizes.
    fn roofline_ms(&self) -> Result<Option<f64>, RunError> {
        let choice = self.settings.device.parse::<DeviceChoice>();
        let device = choice.and_then(Device::open);
        let Some(roofline) = device.map_or(Ok(None), |it| Roofline::measure(&it))? else {
            return Ok(None);
        };
        let problems = self.problems();
        let times: Vec<f64> = problems.map(|it| it.roofline_ms(&roofline)).collect();
        Ok(Some(geometric_mean(&times)))
    }
}
