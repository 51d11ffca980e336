//! One run of the loop.

use std::{collections::HashSet, fs, path::Path, sync::atomic::Ordering, thread, time::Instant};

use kforge_oracle::Level;
use kforge_planner::{Attempt, Outcome, Plan, budget::Progress, heuristic, propose::Propose};

use super::{Event, OptimizeError, Optimized, Optimizer, candidate};
use crate::measure::{self, MeasuredResult, Refusal, Worker};

impl Optimizer {
    /// Tries plans until a rule of the budget ends it. The best one is measured once
    /// more, with every case and in turns with the default knobs, before it is given.
    pub fn optimize(
        &self,
        planner: &mut dyn Propose,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Optimized, OptimizeError> {
        let start = Instant::now();
        let folder = tempfile::tempdir().map_err(OptimizeError::Folder)?;
        let mut worker = self.worker(false);
        let baseline = heuristic::propose(&self.problem, &self.device);
        let baseline = self
            .try_all(&[baseline], None, &mut worker, folder.path())
            .remove(0);
        let Some(baseline_ms) = baseline.ms() else {
            return Err(no_baseline(&baseline));
        };
        let mut progress = Progress::default();
        let mut attempts = vec![baseline.clone()];
        let mut note = |attempt: &Attempt, progress: &mut Progress| {
            progress.record(&attempt.outcome);
            let (iterations, best_ms) = (progress.iterations, progress.best_ms);
            watch(Event::Tried {
                attempt,
                iterations,
                best_ms,
            });
        };
        note(&baseline, &mut progress);
        let mut seen: HashSet<String> = HashSet::from([baseline.plan.id()]);
        let ended = loop {
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
            let mut plans = planner.propose(&self.problem, &self.device, &attempts, count)?;
            plans.retain(|plan| seen.insert(plan.id()));
            progress.no_more_plans = plans.is_empty();
            for attempt in self.try_all(&plans, Some(baseline_ms), &mut worker, folder.path()) {
                note(&attempt, &mut progress);
                attempts.push(attempt);
            }
        };
        let (baseline, best) = self.accept(&attempts, folder.path(), watch)?;
        Ok(Optimized {
            problem: self.problem.clone(),
            device: self.device.clone(),
            planner: planner.name().to_owned(),
            baseline,
            best,
            attempts,
            ended,
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    fn worker(&self, full: bool) -> Worker {
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

    /// Compiles plans in parallel, measures them one after the other.
    fn try_all(
        &self,
        plans: &[Plan],
        baseline_ms: Option<f64>,
        worker: &mut Worker,
        folder: &Path,
    ) -> Vec<Attempt> {
        thread::scope(|scope| {
            let compiling: Vec<_> = plans
                .iter()
                .map(|plan| {
                    let (source, problem) = (&self.source, &self.problem);
                    scope.spawn(move || candidate(source, problem, plan, folder, Level::Quick))
                })
                .collect();
            let mut attempts = Vec::new();
            for (plan, compiled) in plans.iter().zip(compiling) {
                let crashed = |_| Err(Refusal::new("compile", "the compiler crashed"));
                let outcome = match compiled.join().unwrap_or_else(crashed) {
                    Ok(place) => {
                        let measured = worker.measure(&place);
                        // What was measured is in the attempt; the rest can be made again.
                        let _ = fs::remove_dir_all(place);
                        outcome(measured.result, baseline_ms)
                    }
                    Err(refusal) => refused(refusal),
                };
                attempts.push(Attempt {
                    id: plan.id(),
                    plan: plan.clone(),
                    outcome,
                });
            }
            attempts
        })
    }

    /// The fastest plan that holds with every case, beside the default knobs measured
    /// in turns with it.
    fn accept(
        &self,
        attempts: &[Attempt],
        folder: &Path,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(Attempt, Attempt), OptimizeError> {
        let mut worker = self.worker(true);
        let mut measure = |plan: &Plan, baseline_ms: Option<f64>| {
            let compiled = candidate(&self.source, &self.problem, plan, folder, Level::Full);
            let outcome = match compiled {
                Ok(place) => outcome(worker.measure(&place).result, baseline_ms),
                Err(refusal) => refused(refusal),
            };
            Attempt {
                id: plan.id(),
                plan: plan.clone(),
                outcome,
            }
        };
        let mut order: Vec<&Attempt> = attempts.iter().filter(|it| it.ms().is_some()).collect();
        order.sort_by(|a, b| {
            a.ms()
                .unwrap_or(f64::MAX)
                .total_cmp(&b.ms().unwrap_or(f64::MAX))
        });
        let baseline = measure(&attempts[0].plan, None);
        let Some(baseline_ms) = baseline.ms() else {
            return Err(no_baseline(&baseline));
        };
        for attempt in order {
            if attempt.id == baseline.id {
                break;
            }
            let again = measure(&attempt.plan, Some(baseline_ms));
            match again.ms() {
                // Faster once may have been luck.
                Some(ms) if ms <= baseline_ms => return Ok((baseline, again)),
                Some(_) => {}
                None => watch(Event::Dropped { attempt: &again }),
            }
        }
        Ok((baseline.clone(), baseline))
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

fn refused(Refusal { reason, detail }: Refusal) -> Outcome {
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
