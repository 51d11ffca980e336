//! What the gate refused of a plan, shrunk by itself, next to the report.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::Args;

use super::{Failure, interrupt, reduce_failure};
use crate::reduce::{Case, Limits, Probe, ReduceError, reduce};

/// Time after which no verification of a plan that shrinks begins.
const TIME: Duration = Duration::from_secs(60);
/// Verifications of one plan.
const PROBES: usize = 200;
/// Seconds that the kernels of one probe may take.
const DEADLINE: u64 = 10;
/// Plans of one run; others for the same reason are not shrunk.
const PLANS: usize = 3;

/// Whether what is refused shrinks.
#[derive(Debug, Args)]
pub(super) struct Shrinking {
    /// Do not shrink a refused plan; otherwise the smallest module and pipeline that are
    /// refused alike are written next to the report, by what is verified within a minute
    #[arg(long)]
    no_reduce: bool,
}

/// A plan whose kernels were refused.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// Of the plan, for its folder.
    pub name: String,
    pub module: String,
    /// The default one if there is none.
    pub pipeline: Option<String>,
    /// As in reports.
    pub reason: String,
    /// As `--cases`.
    pub cases: String,
}

/// How they were refused.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub device: String,
    pub seed: u64,
}

/// The folder next to a report: `audit.json` has `audit.reduced`.
pub(super) fn beside(report: &Path) -> PathBuf {
    report.with_extension("reduced")
}

impl Shrinking {
    /// Shrinks plans that were refused for what their kernels do, one of every reason, into
    /// folders in `folder`. What cannot be shrunk is a warning: the refusals stand anyway.
    pub(super) fn shrink(
        &self,
        refused: impl IntoIterator<Item = Refused>,
        gate: &Gate,
        folder: &Path,
        stop: Option<Arc<AtomicBool>>,
    ) -> Result<(), Failure> {
        let mut reasons = BTreeSet::new();
        let plans = refused
            .into_iter()
            .filter(|plan| is_of_kernels(&plan.reason) && reasons.insert(plan.reason.clone()));
        let plans: Vec<Refused> = plans.take(PLANS).collect();
        if self.no_reduce || plans.is_empty() {
            return Ok(());
        }
        let program = std::env::current_exe()?;
        let stop = stop.map_or_else(|| interrupt::flag(reduce_failure::STOPPING), Ok)?;
        for plan in plans {
            if !stop.load(Ordering::Relaxed) {
                let probe = Probe {
                    program: program.clone(),
                    device: gate.device.clone(),
                    cases: plan.cases.clone(),
                    seed: gate.seed,
                    deadline: DEADLINE,
                };
                let limits = Limits {
                    stop: Arc::clone(&stop),
                    ..Limits::probes(PROBES).within(TIME)
                };
                tell(&one(&plan, &probe, &limits, &folder.join(&plan.name)));
            }
        }
        Ok(())
    }
}

/// Shrinks one; what is to be said of it.
fn one(plan: &Refused, probe: &Probe, limits: &Limits, folder: &Path) -> String {
    let (name, reason) = (&plan.name, &plan.reason);
    tell(&format!(
        "shrinking {name}, which was refused ({reason}), by what is verified within {} s",
        TIME.as_secs()
    ));
    let case = Case {
        text: plan.module.clone(),
        pipeline: plan.pipeline.clone(),
        kernels: Vec::new(),
    };
    let reduced = reduce(name, case, probe, limits, Some(reason));
    match reduced.and_then(|it| it.write(folder, probe).map(|_| it)) {
        Ok(reduced) => format!(
            "what is left of it is refused ({}) by {}: {}",
            reduced.reason,
            folder.join("reproduce.sh").display(),
            reduced.detail
        ),
        Err(ReduceError::Passes(_)) => format!(
            "warning: {name} was refused ({reason}), and is verified when it is tried again with \
             seed {}: another seed of the regression corpus shows it, or the device is not the \
             same each time",
            probe.seed
        ),
        Err(error) => format!("warning: {name} does not shrink: {error}"),
    }
}

/// Whether a refusal is about what kernels do, not about time, size or the machine.
fn is_of_kernels(reason: &str) -> bool {
    const REASONS: [&str; 7] = [
        "program",
        "numeric-mismatch",
        "only-within-tolerance",
        "algebraic",
        "poison",
        "static",
        "determinism",
    ];
    REASONS.contains(&reason)
}

fn tell(line: &str) {
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
