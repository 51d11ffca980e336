//! What `optimize` and `optimize-with-llm` share: one run of the closed loop.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use clap::Args;
use kforge_planner::{
    Attempt, Budget, Outcome, Plan, heuristic, plan::to_json, propose::Propose, report::SizeTime,
};
use kforge_runtime::device::Target;

use super::{
    Failure,
    candidates::{self, Candidates},
    device::DeviceArgument,
    interrupt,
    kept::{Kept, RegressionCorpus},
    llm::Llm,
    progress::{Watch, knobs},
    shrink::{Gate, Refused, Shrinking},
    workload::Workload,
    write_file,
};
use crate::{
    compile::Source,
    optimize::{Event, OptimizeError, Optimized, Optimizer, Peer, Settings},
};

/// A run of the loop, but for who proposes how often.
#[derive(Debug, Args)]
pub(super) struct ClosedLoop {
    #[command(flatten)]
    workload: Workload,
    /// Sizes that one plan is for, the first of which planners see: MxNxK,... of a kernel,
    /// POSITIONSxFEATURES,... of a block. Plans are compared by the geometric mean of their
    /// speedups, where no size counts for more than 4 times the others
    #[arg(
        long,
        value_name = "SIZE,...",
        value_delimiter = ',',
        conflicts_with = "emit_candidates"
    )]
    sizes: Vec<String>,
    #[command(flatten)]
    device: DeviceArgument,
    /// Seconds after which no candidate is begun
    #[arg(long, value_name = "SECONDS")]
    max_seconds: Option<f64>,
    /// Speedup that is enough
    #[arg(long, value_name = "FACTOR")]
    target_speedup: Option<f64>,
    /// Share of the roofline that is enough, above 0 and at most 1
    #[arg(long, value_name = "SHARE")]
    roofline_share: Option<f64>,
    /// Candidates in a row without a new best that end the run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    patience: Option<u64>,
    /// A peer's times, which speedups are then relative to: {"name": "cuBLAS", "device":
    /// "...", "ms": {"matmul 512x512x512 f32": 0.1}}
    #[arg(long, value_name = "FILE.json", conflicts_with = "emit_candidates")]
    baseline: Option<PathBuf>,
    /// Timed runs per candidate, at most; of a slow one fewer, but four
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    time: u32,
    /// Longest a candidate may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,
    /// Seed of planners and inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    llm: Llm,
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    corpus: RegressionCorpus,
    #[command(flatten)]
    shrinking: Shrinking,
    /// File for the best plan
    #[arg(long, value_name = "FILE.json")]
    plan_output: Option<PathBuf>,
    #[command(flatten)]
    candidates: Candidates,
    /// Print everything that was tried as JSON instead of a summary
    #[arg(long)]
    json: bool,
}

impl ClosedLoop {
    /// Runs it with the planner that is made for the module.
    pub(super) fn run(
        &self,
        planner: impl FnOnce(&Source, &Llm) -> Result<Box<dyn Propose>, Failure>,
        limit: u64,
        target: Option<Target>,
    ) -> Result<(), Failure> {
        self.llm.refuse_key()?;
        let mut sources = self.workload.sources(&self.sizes)?.into_iter();
        let Some(first) = sources.next() else {
            return Ok(());
        };
        let settings = self.settings(limit, target)?;
        let (device, stop) = (settings.device.clone(), Arc::clone(&settings.stop));
        let mut planner = planner(&first, &self.llm)?;
        let optimizer = match self.candidates.device(target)? {
            Some(device) => Optimizer::described(first, device, settings)?,
            None => Optimizer::new(first, settings)?,
        };
        let optimizer = sources.try_fold(optimizer, Optimizer::also)?;
        if let Some(folder) = &self.candidates.emit_candidates {
            return candidates::emit(&optimizer, planner.as_mut(), folder, self.json);
        }
        let mut watch = Watch::new(limit);
        let mut refused = Vec::new();
        let found = optimizer.optimize(planner.as_mut(), &mut |event| {
            watch.see(&event);
            refused.extend(refused_in(&optimizer, &event));
        });
        watch.end();
        let found = match found {
            Err(error) => {
                refused.extend(refused_default(&optimizer, &error));
                self.shrink(refused, device, stop)?;
                return Err(error.into());
            }
            Ok(found) => found,
        };
        if let Some(path) = &self.plan_output {
            write_file(path, &to_json(&found.best.plan))?;
        }
        let text = match self.json {
            true => json(&found)?,
            false => summary(&self.workload.name(), &found),
        };
        io::stdout().write_all(text.as_bytes())?;
        self.shrink(refused, device, stop)
    }

    /// Shrinks the plans whose kernels were refused.
    fn shrink(
        &self,
        refused: Vec<Refused>,
        device: String,
        stop: Arc<AtomicBool>,
    ) -> Result<(), Failure> {
        let Some(folder) = self.corpus.reduced() else {
            return Ok(());
        };
        let gate = Gate {
            device,
            seed: self.seed,
        };
        self.shrinking.shrink(refused, &gate, &folder, Some(stop))
    }

    /// The seed of planners and inputs.
    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    fn settings(&self, limit: u64, target: Option<Target>) -> Result<Settings, Failure> {
        let device = self.device.choice(target)?.unwrap_or_default();
        let stop = interrupt::flag(
            "stopping after the plan at hand, then the best one is verified with every \
             case; Ctrl-C once more ends it at once, without a plan",
        )?;
        Ok(Settings {
            device: device.to_string(),
            budget: Budget {
                max_iterations: Some(limit),
                max_seconds: self.max_seconds,
                target_speedup: self.target_speedup,
                patience: self.patience,
                llm_tokens: self.llm.tokens(),
                roofline_share: self.roofline_share,
            },
            peer: self
                .baseline
                .as_deref()
                .map(Peer::read)
                .transpose()
                .map_err(OptimizeError::from)?,
            repeats: self.time as usize,
            seed: self.seed,
            deadline: Duration::from_secs(self.deadline),
            corpus: self.corpus.path(),
            archive: self.kept.path()?,
            stop,
            ..Settings::default()
        })
    }
}

/// The plan of an event, if its kernels were refused.
fn refused_in(optimizer: &Optimizer, event: &Event<'_>) -> Option<Refused> {
    let (attempt, cases) = match event {
        Event::Tried { attempt, .. } => (attempt, "quick"),
        Event::Dropped { attempt } => (attempt, "full"),
        Event::Asking { .. } | Event::Warning(_) => return None,
    };
    let Outcome::Refused { reason, detail } = &attempt.outcome else {
        return None;
    };
    let (source, plan) = optimizer.refused_at(&attempt.plan, detail);
    Some(refused(source, &plan, reason, cases))
}

/// The default plan, where the run ended because its kernels were refused.
fn refused_default(optimizer: &Optimizer, error: &OptimizeError) -> Option<Refused> {
    let OptimizeError::Baseline { reason, detail } = error else {
        return None;
    };
    let plan = heuristic::propose(optimizer.problem(), optimizer.device());
    let (source, plan) = optimizer.refused_at(&plan, detail);
    Some(refused(source, &plan, reason, "full"))
}

fn refused(source: &Source, plan: &Plan, reason: &str, cases: &str) -> Refused {
    Refused {
        name: plan.id(),
        module: source.text().to_owned(),
        pipeline: Some(plan.text()),
        reason: reason.to_owned(),
        cases: cases.to_owned(),
    }
}

/// All that was found, the best knobs by op at the top.
fn json(found: &Optimized) -> io::Result<String> {
    let mut value = serde_json::to_value(found)?;
    if let Some(object) = value.as_object_mut() {
        let params: BTreeMap<_, _> = found.best_params().into_iter().collect();
        object.insert("best_speedup".into(), found.best_speedup().into());
        object.insert("best_params".into(), serde_json::to_value(params)?);
    }
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn summary(name: &str, found: &Optimized) -> String {
    let attempts = found.attempts.iter();
    let refused = attempts.filter(|attempt| attempt.ms().is_none()).count();
    let ended = found.ended;
    let timed = |what: &str, attempt: &Attempt| {
        let ms = attempt.ms().unwrap_or(f64::NAN);
        let share = found.roofline_ms.map(|least| 100.0 * least / ms);
        let share = share.map_or_else(String::new, |it| format!(", {it:.1} % of the roofline"));
        format!("{what:8} {ms:.4} ms{share}")
    };
    let sizes = found.sizes.get(&found.best.id).into_iter().flatten();
    let sizes = sizes.map(|size| {
        let SizeTime {
            workload,
            ms,
            speedup,
        } = size;
        format!("size     {workload}: {ms:.4} ms, {speedup:.2}x\n")
    });
    let relative = found.peer.as_ref();
    let relative = relative.map_or_else(String::new, |peer| format!(" over '{peer}'"));
    [
        format!(
            "{name}: {} on '{}'\n",
            found.problem.workload, found.device.name
        ),
        format!(
            "tried    {} plans in {:.0} s by {}, {refused} refused; ended: {ended}; accepted in {:.0} s\n",
            found.attempts.len(),
            found.seconds,
            found.planner,
            found.acceptance_seconds
        ),
        format!("learnt   from {} earlier attempts\n", found.prior),
        format!(
            "{}  {}\n",
            timed("default", &found.baseline),
            knobs(&found.baseline.plan)
        ),
        timed("best", &found.best) + "\n",
        sizes.collect(),
        format!(
            "best_speedup {:.2}{relative}, {}\n",
            found.best_speedup(),
            levels(&found.best)
        ),
        format!("best_params {}\n", knobs(&found.best.plan)),
        format!("pipeline {}\n", found.best.plan.text()),
    ]
    .concat()
}

fn levels(attempt: &Attempt) -> String {
    match &attempt.outcome {
        Outcome::Verified {
            levels,
            worst_ratio,
            ..
        } => {
            format!(
                "verified {} with every case, worst error {worst_ratio:.3} of its bound",
                levels.join("+")
            )
        }
        Outcome::Refused { reason, .. } => format!("refused ({reason})"),
    }
}
