//! One run of the loop.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    sync::atomic::Ordering,
    thread,
    time::Instant,
};

use kforge_oracle::Level;
use kforge_planner::{
    Attempt, Outcome, Plan, archive::Shader, budget::Progress, heuristic, propose::Propose,
    report::Spread,
};

use super::{
    Event, OptimizeError, Optimized, Optimizer, candidate,
    memory::{Memory, shaders},
};
use crate::measure::{self, MeasuredResult, Refusal, Worker};

/// An attempt with the kernels it was compiled to.
struct Tried {
    attempt: Attempt,
    shaders: Vec<Shader>,
    range: Option<Spread>,
}

impl Optimizer {
    /// Tries plans until a rule of the budget ends it. The best one is measured once
    /// more, with every case and beside the default knobs, before it is given.
    pub fn optimize(
        &self,
        planner: &mut dyn Propose,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Optimized, OptimizeError> {
        let start = Instant::now();
        let folder = tempfile::tempdir().map_err(OptimizeError::Folder)?;
        let mut worker = self.worker(false);
        let mut memory = self.memory(watch)?;
        let mut history = memory.as_ref().map_or(Ok(Vec::new()), Memory::prior)?;
        let prior = history.len();
        let baseline = heuristic::propose(&self.problem, &self.device);
        let known = memory.as_ref().map_or(Ok(None), Memory::best)?;
        let mut seen: HashSet<String> = HashSet::from([baseline.id()]);
        let mut spread = BTreeMap::new();
        let mut progress = Progress::default();
        let mut attempts: Vec<Attempt> = Vec::new();
        // First the default knobs, then what was best in an earlier run.
        let mut plans = vec![baseline];
        plans.extend(known.filter(|plan| seen.insert(plan.id())));
        let ended = loop {
            let baseline_ms = attempts.first().and_then(Attempt::ms);
            for tried in self.try_all(&plans, baseline_ms, &mut worker, folder.path()) {
                let Tried {
                    attempt,
                    shaders,
                    range,
                } = tried;
                spread.extend(range.map(|range| (attempt.id.clone(), range)));
                if attempts.is_empty() && attempt.ms().is_none() {
                    return Err(no_baseline(&attempt));
                }
                let kept = memory
                    .as_mut()
                    .map(|it| it.record(&attempt, self.settings.seed, shaders));
                if let Some(Err(error)) = kept {
                    watch(Event::Warning(format!("an attempt is not kept: {error}")));
                }
                progress.record(&attempt.outcome);
                let (iterations, best_ms) = (progress.iterations, progress.best_ms);
                watch(Event::Tried {
                    attempt: &attempt,
                    iterations,
                    best_ms,
                });
                history.push(attempt.clone());
                attempts.push(attempt);
            }
            if self.settings.stop.load(Ordering::Relaxed) {
                break None;
            }
            progress.seconds = start.elapsed().as_secs_f64();
            if let Some(rule) = self.settings.budget.ended(&progress) {
                break Some(rule);
            }
            let count = self
                .settings
                .budget
                .candidates_left(&progress, self.settings.batch);
            let proposed = planner.propose(&self.problem, &self.device, &history, count);
            // What was found so far is worth more than an error.
            plans = proposed.unwrap_or_else(|error| {
                watch(Event::Warning(error.to_string()));
                Vec::new()
            });
            plans.retain(|plan| seen.insert(plan.id()));
            progress.llm_tokens = planner.tokens();
            planner
                .take_warnings()
                .into_iter()
                .for_each(|it| watch(Event::Warning(it)));
            progress.no_more_plans = plans.is_empty();
        };
        let (baseline, best) = self.accept(&attempts, folder.path(), watch)?;
        Ok(Optimized {
            problem: self.problem.clone(),
            device: self.device.clone(),
            planner: planner.name().to_owned(),
            baseline,
            best,
            prior,
            spread,
            attempts,
            ended,
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    pub(super) fn memory(
        &self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<Memory>, OptimizeError> {
        let Some(path) = &self.settings.archive else {
            return Ok(None);
        };
        let (memory, warnings) = Memory::open(path, &self.problem, &self.device)?;
        warnings
            .into_iter()
            .for_each(|it| watch(Event::Warning(it)));
        Ok(Some(memory))
    }

    pub(super) fn worker(&self, full: bool) -> Worker {
        let settings = measure::Settings {
            device: self.settings.device.clone(),
            repeats: self.settings.repeats,
            full,
            seed: self.settings.seed,
            // It was compiled here, from a plan that holds nothing but knobs.
            native: true,
            deadline: self.settings.deadline,
        };
        Worker::new(self.settings.runner.clone(), settings)
    }

    /// Compiles one plan and measures it.
    pub(super) fn measured(
        &self,
        plan: &Plan,
        cases: Level,
        worker: &mut Worker,
        folder: &Path,
    ) -> MeasuredResult {
        match candidate(&self.source, &self.problem, plan, folder, cases) {
            Ok(place) => worker.measure(&place).result,
            Err(refusal) => MeasuredResult::Refused(refusal),
        }
    }

    /// Compiles plans in parallel, measures them one after the other.
    fn try_all(
        &self,
        plans: &[Plan],
        baseline_ms: Option<f64>,
        worker: &mut Worker,
        folder: &Path,
    ) -> Vec<Tried> {
        thread::scope(|scope| {
            let compiling: Vec<_> = plans
                .iter()
                .map(|plan| {
                    let (source, problem) = (&self.source, &self.problem);
                    scope.spawn(move || candidate(source, problem, plan, folder, Level::Quick))
                })
                .collect();
            let mut tried = Vec::new();
            for (plan, compiled) in plans.iter().zip(compiling) {
                let crashed = |_| Err(Refusal::new("compile", "the compiler crashed"));
                let (mut kernels, mut range) = (Vec::new(), None);
                let outcome = match compiled.join().unwrap_or_else(crashed) {
                    Ok(place) => {
                        kernels = shaders(&place);
                        let measured = worker.measure(&place);
                        // What was measured is in the attempt; the rest can be made again.
                        let _ = fs::remove_dir_all(place);
                        range = spread_of(&measured.result);
                        outcome(measured.result, baseline_ms)
                    }
                    Err(refusal) => refused(refusal),
                };
                let attempt = Attempt {
                    id: plan.id(),
                    plan: plan.clone(),
                    outcome,
                };
                tried.push(Tried {
                    attempt,
                    shaders: kernels,
                    range,
                });
            }
            tried
        })
    }

    /// The fastest plan that holds with every case, beside the default knobs measured
    /// once more, too.
    fn accept(
        &self,
        attempts: &[Attempt],
        folder: &Path,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(Attempt, Attempt), OptimizeError> {
        let (mut quick, mut full) = (self.worker(false), self.worker(true));
        let measure = |worker: &mut Worker, plan: &Plan, cases, baseline_ms| {
            let outcome = outcome(self.measured(plan, cases, worker, folder), baseline_ms);
            let (id, plan) = (plan.id(), plan.clone());
            Attempt { id, plan, outcome }
        };
        let mut order: Vec<&Attempt> = attempts.iter().filter(|it| it.ms().is_some()).collect();
        let ms = |attempt: &Attempt| attempt.ms().unwrap_or(f64::MAX);
        order.sort_by(|a, b| ms(a).total_cmp(&ms(b)));
        let default = &attempts[0].plan;
        let baseline = measure(&mut quick, default, Level::Quick, None);
        let Some(baseline_ms) = baseline.ms() else {
            return Err(no_baseline(&baseline));
        };
        for attempt in order {
            if attempt.id == baseline.id {
                break;
            }
            let again = measure(&mut full, &attempt.plan, Level::Full, Some(baseline_ms));
            match again.ms() {
                // Faster once may have been luck.
                Some(ms) if ms <= baseline_ms => return Ok((baseline, again)),
                Some(_) => {}
                None => watch(Event::Dropped { attempt: &again }),
            }
        }
        let best = measure(&mut full, default, Level::Full, Some(baseline_ms));
        match best.ms() {
            Some(_) => Ok((baseline, best)),
            None => Err(no_baseline(&best)),
        }
    }
}

fn spread_of(result: &MeasuredResult) -> Option<Spread> {
    match result {
        MeasuredResult::Verified { time, .. } => Some(Spread {
            min: time.ms.min,
            max: time.ms.max,
        }),
        MeasuredResult::Refused(_) => None,
    }
}

fn outcome(result: MeasuredResult, baseline_ms: Option<f64>) -> Outcome {
    match result {
        MeasuredResult::Verified {
            levels,
            worst_ratio,
            time,
            ..
        } => {
            let ms = time.ms.median;
            let speedup = baseline_ms.unwrap_or(ms) / ms;
            Outcome::Verified {
                ms,
                speedup,
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

fn no_baseline(attempt: &Attempt) -> OptimizeError {
    match &attempt.outcome {
        Outcome::Refused { reason, detail } => OptimizeError::Baseline {
            reason: reason.clone(),
            detail: detail.clone(),
        },
        Outcome::Verified { .. } => OptimizeError::Baseline {
            reason: "no-time".into(),
            detail: "it was verified without a time".into(),
        },
    }
}
