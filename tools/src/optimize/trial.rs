//! Plans at every declared size: compiled, verified, timed, scored.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use kforge_planner::{
    Attempt, Outcome, Plan, Problem,
    archive::Shader,
    report::{SizeTime, Spread},
};

use super::{Cases, Optimizer, Size, candidate, geometric_mean, memory::shaders, score};
use crate::measure::{self, Ask, Candidate, MeasuredResult, Refusal, Worker};

/// How much slower than the fastest so far a candidate may be. Beyond it, it is refused as
/// too slow after its first verified runs: what it lacks is no detail.
const SLOWEST: f64 = 4.0;
/// Milliseconds that are never too slow: below, a first run says too little, and trying it to
/// the end costs nothing.
const NEVER_SLOW: f64 = 20.0;
/// Timed runs of a candidate end after so long, if there were four.
const ENOUGH: Duration = Duration::from_millis(200);

/// A plan at one size.
pub(super) struct Part {
    /// With the time of this size.
    pub attempt: Attempt,
    /// The range of the times by their median.
    pub spread: Option<f64>,
    pub shaders: Vec<Shader>,
}

/// A plan at every size.
pub(super) struct Trial {
    /// With the score of all sizes.
    pub attempt: Attempt,
    /// One per size until the first refusal.
    pub parts: Vec<Part>,
    /// Shortest and longest run, where there is one size.
    pub range: Option<Spread>,
    /// Whether it was verified with every case at every shape.
    pub every_case: bool,
}

impl Trial {
    /// The time and speedup at each size, where there are several.
    pub fn sizes(&self) -> Vec<SizeTime> {
        let several = self.parts.len() > 1;
        let parts = self.parts.iter().filter(|_| several);
        parts.filter_map(|part| size_time(&part.attempt)).collect()
    }
}

pub(super) fn size_time(attempt: &Attempt) -> Option<SizeTime> {
    let workload = attempt.plan.problem.as_ref()?.workload.clone();
    match attempt.outcome {
        Outcome::Verified { ms, speedup, .. } => Some(SizeTime {
            workload,
            ms,
            speedup,
        }),
        Outcome::Refused { .. } => None,
    }
}

/// Where plans are tried.
pub(super) struct Bench<'o> {
    optimizer: &'o Optimizer,
    worker: Worker,
    folder: &'o Path,
    /// What speedups are relative to, per size; the first trial's own times if absent.
    pub reference_ms: Option<Vec<f64>>,
    /// The shortest time so far, per size.
    fastest_ms: Vec<Option<f64>>,
}

impl<'o> Bench<'o> {
    pub fn new(optimizer: &'o Optimizer, folder: &'o Path, reference_ms: Option<Vec<f64>>) -> Self {
        Self {
            optimizer,
            worker: optimizer.worker(),
            folder,
            reference_ms,
            fastest_ms: vec![None; optimizer.sizes.len()],
        }
    }

    /// Compiles plans in parallel, then measures one after the other, until `tried` ends it
    /// with a value: on a CPU and its software adapters a compiler beside them would be in
    /// the times.
    pub fn try_each<T>(
        &mut self,
        plans: &[Vec<Plan>],
        mut tried: impl FnMut(&mut Self, Trial) -> ControlFlow<T>,
    ) -> ControlFlow<T> {
        let compiled = self.optimizer.compile_all(plans, self.folder);
        for (plans, places) in plans.iter().zip(compiled) {
            let trial = self.trial(plans, places);
            tried(self, trial)?;
        }
        ControlFlow::Continue(())
    }

    fn trial(&mut self, plans: &[Plan], places: Vec<Result<PathBuf, Refusal>>) -> Trial {
        let (mut parts, mut range) = (Vec::new(), None);
        for (index, (plan, place)) in plans.iter().zip(&places).enumerate() {
            let kernels = place.as_ref().map_or_else(|_| Vec::new(), |it| shaders(it));
            let result = match place {
                Ok(place) => {
                    let ask = Ask {
                        most_ms: self.fastest_ms[index].map(|ms| NEVER_SLOW.max(ms * SLOWEST)),
                        enough: Some(ENOUGH),
                    };
                    let candidate = Candidate {
                        folder: place.clone(),
                        full: false,
                    };
                    self.worker.measure(candidate, ask).result
                }
                Err(refusal) => MeasuredResult::Refused(refusal.clone()),
            };
            let time = result.time().map(|time| time.ms);
            let several = plans.len() > 1;
            range = time.filter(|_| !several).map(|ms| Spread {
                min: ms.min,
                max: ms.max,
            });
            let reference = self.reference_ms.as_ref().map(|times| times[index]);
            let outcome = outcome(result, reference);
            let fastest = &mut self.fastest_ms[index];
            if let Outcome::Verified { ms, .. } = outcome {
                *fastest = Some(fastest.map_or(ms, |fastest| fastest.min(ms)));
            }
            let refused = matches!(outcome, Outcome::Refused { .. });
            let attempt = attempt(plan, outcome);
            parts.push(Part {
                attempt,
                spread: time.map(|ms| ms.range()),
                shaders: kernels,
            });
            if refused {
                break;
            }
        }
        // What was measured is in the attempts; the rest can be made again.
        for place in places.iter().flatten() {
            let _ = fs::remove_dir_all(place);
        }
        let attempts: Vec<&Attempt> = parts.iter().map(|part| &part.attempt).collect();
        Trial {
            attempt: attempt(&plans[0], together(&attempts)),
            parts,
            range,
            every_case: false,
        }
    }
}

pub(super) fn attempt(plan: &Plan, outcome: Outcome) -> Attempt {
    Attempt {
        id: plan.id(),
        plan: plan.clone(),
        outcome,
    }
}

/// How the detail of a refusal begins where there are several sizes.
pub(super) fn at_size(problem: &Problem) -> String {
    format!("{}: ", problem.workload)
}

/// What attempts at every size come to: the first refusal, or the geometric mean of the
/// times, the score of the speedups, and the levels that hold everywhere.
pub(super) fn together(attempts: &[&Attempt]) -> Outcome {
    let (mut times, mut speedups, mut worst, mut common) = (Vec::new(), Vec::new(), 0.0, None);
    for attempt in attempts {
        match &attempt.outcome {
            Outcome::Refused { reason, detail } => {
                let problem = attempt.plan.problem.as_ref().filter(|_| attempts.len() > 1);
                let at = problem.map_or_else(String::new, at_size);
                return refused(Refusal::new(reason, at + detail));
            }
            Outcome::Verified {
                ms,
                speedup,
                levels,
                worst_ratio,
            } => {
                times.push(*ms);
                speedups.push(*speedup);
                worst = f64::max(worst, *worst_ratio);
                let held: &mut Vec<String> = common.get_or_insert_with(|| levels.clone());
                held.retain(|level| levels.contains(level));
            }
        }
    }
    match score(&speedups) {
        Some(speedup) => Outcome::Verified {
            ms: geometric_mean(&times),
            speedup,
            levels: common.unwrap_or_default(),
            worst_ratio: worst,
        },
        None => refused(Refusal::new("no-time", "there is no time to compare")),
    }
}

impl Optimizer {
    pub(super) fn worker(&self) -> Worker {
        let settings = measure::Settings {
            device: self.settings.device.clone(),
            repeats: self.settings.repeats,
            seed: self.settings.seed,
            // It was compiled here, from a plan that holds nothing but knobs.
            native: true,
            deadline: self.settings.deadline,
            corpus: self.settings.corpus.clone(),
        };
        Worker::new(self.settings.runner.clone(), settings)
    }

    /// Compiles plans, each at every size, in parallel. A refusal that precedes the
    /// compiler's comes back in its place.
    pub(super) fn compile_all(
        &self,
        plans: &[Vec<Plan>],
        folder: &Path,
    ) -> Vec<Vec<Result<PathBuf, Refusal>>> {
        let one = |size: &Size, plan: &Plan| {
            let place = folder.join(&size.problem.module);
            fs::create_dir_all(&place)
                .map_err(|error| Refusal::new("package", error.to_string()))?;
            candidate(&size.source, &size.problem, plan, &place, Cases::OwnShape)
        };
        thread::scope(|scope| {
            let compiling = plans.iter().map(|plans| {
                let sizes = self.sizes.iter().zip(plans);
                let threads = sizes.map(|(size, plan)| scope.spawn(move || one(size, plan)));
                threads.collect::<Vec<_>>()
            });
            let compiling: Vec<_> = compiling.collect();
            let crashed = |_| Err(Refusal::new("compile", "the compiler crashed"));
            let joined = compiling.into_iter().map(|threads| {
                let results = threads.into_iter();
                results
                    .map(|it| it.join().unwrap_or_else(crashed))
                    .collect()
            });
            joined.collect()
        })
    }
}

/// A measured result with its speedup over `reference_ms`; 1 without one.
pub(super) fn outcome(result: MeasuredResult, reference_ms: Option<f64>) -> Outcome {
    match result {
        MeasuredResult::Verified {
            levels,
            worst_ratio,
            time,
            ..
        } => {
            let ms = time.ms.median;
            Outcome::Verified {
                ms,
                speedup: reference_ms.unwrap_or(ms) / ms,
                levels,
                worst_ratio,
            }
        }
        MeasuredResult::Refused(refusal) => refused(refusal),
    }
}

pub(super) fn refused(Refusal { reason, detail }: Refusal) -> Outcome {
    Outcome::Refused { reason, detail }
}
