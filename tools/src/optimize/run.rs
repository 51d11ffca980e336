//! One run of the loop.

use std::{
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
    sync::atomic::Ordering,
    time::Instant,
};

use kforge_planner::{
    Attempt, Plan,
    budget::{Ended, Progress},
    heuristic,
    propose::{Propose, ProposeError},
};

use super::{
    Event, OptimizeError, Optimized, Optimizer, Settings,
    accept::{Accepted, no_baseline},
    memory::Memory,
    trial::Bench,
};

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
        let mut bench = Bench::new(self, folder.path(), self.peer_ms.clone());
        let mut memory = self.memory(watch)?;
        let mut history = memory.as_ref().map_or(Ok(Vec::new()), Memory::prior)?;
        let prior = history.len();
        let defaults: Vec<Plan> = self
            .problems()
            .map(|problem| heuristic::propose(problem, &self.device))
            .collect();
        let known = memory.as_ref().map_or(Ok(None), Memory::best)?;
        let mut seen: HashSet<String> = HashSet::from([defaults[0].id()]);
        let (mut spread, mut sizes) = (BTreeMap::new(), BTreeMap::new());
        let mut progress = Progress {
            roofline_ms: self.roofline_ms().unwrap_or_else(|error| {
                watch(Event::Warning(format!("there is no roofline: {error}")));
                None
            }),
            ..Progress::default()
        };
        let mut attempts: Vec<Attempt> = Vec::new();
        // First the default knobs, then what was best in an earlier run, then what one
        // size's default knobs are for the others.
        let mut plans = vec![defaults.clone()];
        let next = known.into_iter().chain(defaults[1..].iter().cloned());
        let mut next: Vec<Plan> = next.filter(|plan| seen.insert(plan.id())).collect();
        let ended = loop {
            let flow = bench.try_each(&plans, |bench, trial| {
                let attempt = &trial.attempt;
                if attempts.is_empty() {
                    let times = trial.parts.iter().map(|part| part.attempt.ms());
                    let times: Option<Vec<f64>> = times.collect();
                    match times {
                        Some(times) => bench.reference_ms.get_or_insert(times),
                        None => return ControlFlow::Break(Err(no_baseline(attempt))),
                    };
                }
                let id = || attempt.id.clone();
                spread.extend(trial.range.map(|range| (id(), range)));
                let times = trial.sizes();
                sizes.extend((times.len() == self.sizes.len()).then(|| (id(), times)));
                let kept = memory
                    .as_mut()
                    .map(|it| it.record(&trial, self.settings.seed));
                if let Some(Err(error)) = kept {
                    watch(Event::Warning(format!("an attempt is not kept: {error}")));
                }
                progress.record(&attempt.outcome);
                progress.seconds = start.elapsed().as_secs_f64();
                watch(Event::Tried {
                    attempt,
                    progress: &progress,
                });
                history.push(attempt.clone());
                attempts.push(trial.attempt);
                let over = self.over(&progress).map(Ok);
                over.map_or(ControlFlow::Continue(()), ControlFlow::Break)
            });
            if let ControlFlow::Break(ended) = flow {
                break ended?;
            }
            if next.is_empty() {
                next = self.proposed(planner, &history, &mut progress, watch);
                next.retain(|plan| seen.insert(plan.id()));
                progress.llm_tokens = planner.tokens();
                progress.no_more_plans = next.is_empty();
                progress.seconds = start.elapsed().as_secs_f64();
                if let Some(ended) = self.over(&progress) {
                    break ended;
                }
            }
            plans = next.drain(..).map(|plan| self.at_sizes(&plan)).collect();
        };
        let tried = Instant::now();
        let Accepted {
            baseline,
            best,
            sizes: accepted,
            ranges,
            ..
        } = self.accept(&attempts, &defaults, &mut memory, watch)?;
        spread.extend(ranges);
        if !accepted.is_empty() {
            sizes.insert(best.id.clone(), accepted);
        }
        Ok(Optimized {
            problem: self.problem().clone(),
            device: self.device.clone(),
            planner: planner.name().to_owned(),
            peer: self.settings.peer.as_ref().map(|peer| peer.name.clone()),
            baseline,
            best,
            prior,
            spread,
            sizes,
            roofline_ms: progress.roofline_ms,
            attempts,
            ended,
            seconds: (tried - start).as_secs_f64(),
            acceptance_seconds: tried.elapsed().as_secs_f64(),
        })
    }

    /// By which rule the run ends here, if it does.
    fn over(&self, progress: &Progress) -> Option<Ended> {
        match self.settings.stop.load(Ordering::Relaxed) {
            true => Some(Ended::Interrupted),
            false => self.settings.budget.ended(progress),
        }
    }

    /// What the planner proposes next.
    fn proposed(
        &self,
        planner: &mut dyn Propose,
        history: &[Attempt],
        progress: &mut Progress,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Vec<Plan> {
        let Settings { budget, batch, .. } = &self.settings;
        let count = budget.candidates_left(progress, *batch);
        if planner.asks_a_model() {
            watch(Event::Asking {
                planner: planner.name(),
            });
        }
        let proposed = planner.propose(self.problem(), &self.device, history, count);
        // What was found so far is worth more than an error.
        let plans = proposed.unwrap_or_else(|error| {
            progress.out_of_tokens =
                matches!(error, ProposeError::Exhausted { what: "tokens", .. });
            watch(Event::Warning(error.to_string()));
            Vec::new()
        });
        let warnings = planner.take_warnings().into_iter();
        warnings.for_each(|it| watch(Event::Warning(it)));
        plans
    }

    pub(super) fn memory(
        &self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<Memory>, OptimizeError> {
        let Some(path) = &self.settings.archive else {
            return Ok(None);
        };
        let (memory, warnings) = Memory::open(path, self.problems(), &self.device)?;
        let warnings = warnings.into_iter();
        warnings.for_each(|it| watch(Event::Warning(it)));
        Ok(Some(memory))
    }
}
