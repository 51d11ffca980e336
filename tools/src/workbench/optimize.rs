//! `kforge optimize`: the closed loop on one module.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kforge_passes::report::write_whole;
use kforge_planner::{
    Attempt, Budget, Outcome,
    archive::default_path,
    llm::ConfigError,
    plan::to_json,
    propose::{Heuristic, Propose},
    report::SizeTime,
    search::{Evolve, Exhaustive, Random},
};
use kforge_runtime::device::Target;

use super::{
    Failure,
    candidates::{self, Candidates},
    device::DeviceArgument,
    progress::{Watch, knobs},
    workload::Workload,
};
use crate::{
    compile::{Session, Source},
    llm,
    optimize::{OptimizeError, Optimized, Optimizer, Peer, Settings},
};

/// Propose plans, verify and time each on the device, and keep the best
///
/// Speedups are relative to the default knobs, measured in the same run. The best plan
/// is verified once more with every kind of values and shapes before it is printed.
///
/// Examples:
///   kforge optimize --kernel matmul --m 512 --n 512 --k 512
///   kforge optimize layer.mlir --planner random --max-seconds 60 --plan-output layer.json
///   kforge optimize --kernel softmax --sizes 512x512,4096x64 --baseline peer.json
///   kforge optimize layer.mlir --emit-candidates DIR --device-description there.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
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
    /// Who proposes: evolve learns a cost model from what was measured, llm asks the
    /// language model that the environment names (KERNELFORGE_LLM_ENDPOINT, _MODEL, _API_KEY)
    #[arg(long, value_name = "PLANNER", default_value = "evolve", value_parser = ["heuristic", "exhaustive", "random", "evolve", "llm"])]
    planner: String,
    #[command(flatten)]
    device: DeviceArgument,
    /// Candidates that may be tried
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    max_iterations: u64,
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
    asking: llm::Asking,
    /// Refused: a key on the command line is seen by everyone on the machine
    #[arg(long, value_name = "VALUE", hide = true)]
    api_key: Option<String>,
    /// Where attempts are kept and earlier ones are learnt from; the user's data folder
    /// if not given
    #[arg(long, value_name = "FILE", conflicts_with = "no_archive")]
    archive: Option<PathBuf>,
    /// Keep nothing, learn from nothing
    #[arg(long)]
    no_archive: bool,
    /// File for the best plan
    #[arg(long, value_name = "FILE.json")]
    plan_output: Option<PathBuf>,
    #[command(flatten)]
    candidates: Candidates,
    /// Print everything that was tried as JSON instead of a summary
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    let mut sources = arguments.workload.sources(&arguments.sizes)?.into_iter();
    let Some(first) = sources.next() else {
        return Ok(());
    };
    let settings = arguments.settings(target)?;
    let mut planner = arguments.planner(&first)?;
    let optimizer = match arguments.candidates.device(target)? {
        Some(device) => Optimizer::described(first, device, settings)?,
        None => Optimizer::new(first, settings)?,
    };
    let optimizer = sources.try_fold(optimizer, Optimizer::also)?;
    if let Some(folder) = &arguments.candidates.emit_candidates {
        return candidates::emit(&optimizer, planner.as_mut(), folder, arguments.json);
    }
    let mut watch = Watch::new(arguments.max_iterations);
    let found = optimizer.optimize(planner.as_mut(), &mut |event| watch.see(&event));
    watch.end();
    let found = found?;
    if let Some(path) = &arguments.plan_output {
        write_whole(path, &to_json(&found.best.plan)).map_err(|source| Failure::Write {
            path: path.clone(),
            source,
        })?;
    }
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&found).map_err(io::Error::from)? + "\n",
        false => summary(&arguments.workload.name(), &found),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

impl Arguments {
    fn planner(&self, source: &Source) -> Result<Box<dyn Propose>, Failure> {
        if self.api_key.is_some() {
            return Err(Failure::Other(ConfigError::KeyArgument.to_string()));
        }
        if let Some(option) = self.asking.needless().filter(|_| self.planner != "llm") {
            return Err(Failure::Other(format!(
                "{option} is for --planner llm, this is --planner {}",
                self.planner
            )));
        }
        let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
        Ok(match self.planner.as_str() {
            "heuristic" => Box::new(Heuristic),
            "exhaustive" => Box::new(Exhaustive::new()),
            "random" => Box::new(Random::new(self.seed)),
            "llm" => {
                let session = Session::default();
                let module = session.parse(source).map_err(|error| other(&error))?;
                let planner = llm::planner(session.context(), &module, &self.asking);
                Box::new(planner.map_err(|error| other(&error))?)
            }
            _ => Box::new(Evolve::new(self.seed)),
        })
    }

    fn settings(&self, target: Option<Target>) -> Result<Settings, Failure> {
        let device = self.device.choice(target)?.unwrap_or_default();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            // The second time, at once.
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        })
        .map_err(|error| Failure::Other(format!("cannot catch Ctrl-C: {error}")))?;
        Ok(Settings {
            device: device.to_string(),
            budget: Budget {
                max_iterations: Some(self.max_iterations),
                max_seconds: self.max_seconds,
                target_speedup: self.target_speedup,
                patience: self.patience,
                llm_tokens: self.asking.tokens,
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
            archive: match (&self.archive, self.no_archive) {
                (_, true) => None,
                (Some(path), _) => Some(path.clone()),
                (None, _) => {
                    Some(default_path().map_err(|error| Failure::Other(error.to_string()))?)
                }
            },
            stop,
            ..Settings::default()
        })
    }
}

fn summary(name: &str, found: &Optimized) -> String {
    let attempts = found.attempts.iter();
    let refused = attempts.filter(|attempt| attempt.ms().is_none()).count();
    let ended = found
        .ended
        .as_ref()
        .map_or_else(|| "stopped by the user".into(), ToString::to_string);
    let timed = |what: &str, attempt: &Attempt| {
        let ms = attempt.ms().unwrap_or(f64::NAN);
        let share = found.roofline_ms.map(|least| 100.0 * least / ms);
        let share = share.map_or_else(String::new, |it| format!("  {it:.1} % of the roofline"));
        format!("{what:8} {ms:.4} ms{share}  {}\n", knobs(&attempt.plan))
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
            "tried    {} plans in {:.0} s by {}, {refused} refused; ended: {ended}\n",
            found.attempts.len(),
            found.seconds,
            found.planner
        ),
        format!("learnt   from {} earlier attempts\n", found.prior),
        timed("default", &found.baseline),
        timed("best", &found.best),
        sizes.collect(),
        format!(
            "best_speedup {:.2}{relative}, {}\n",
            found.best_speedup(),
            levels(&found.best)
        ),
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
