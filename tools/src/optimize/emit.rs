//! Candidates for another machine: proposed and compiled here, measured there.
//!
//! The other machine needs no LLVM: `kforge-run --measure DIR --json` verifies and times
//! each candidate, and `kforge archive import` brings the results back, from which the
//! next candidates are learnt.

use std::{collections::HashSet, path::Path, sync::atomic::Ordering, thread, time::Instant};

use kforge_oracle::Level;
use kforge_planner::{Attempt, Plan, budget::Progress, heuristic, propose::Propose};
use serde::Serialize;

use super::{
    Cases, Event, OptimizeError, Optimizer, Size, candidate, memory::Memory, trial::refused,
};
use crate::measure::Refusal;

/// What was written, and what was not.
#[derive(Clone, Debug, Serialize)]
pub struct Emitted {
    /// The default knobs, written first: what speedups will be relative to.
    pub baseline: String,
    /// Every candidate by its folder's name, the baseline too.
    pub candidates: Vec<String>,
    /// Plans that do not compile.
    pub refused: Vec<Attempt>,
    /// Attempts of earlier runs that the planner learnt from.
    pub prior: usize,
}

impl Optimizer {
    /// Writes as many candidates as the budget's `max_iterations` into `folder`: the
    /// default knobs, then what the planner proposes. Nothing is run, so of the budget's
    /// other rules only those of seconds and tokens can end it.
    pub fn emit(
        &self,
        planner: &mut dyn Propose,
        folder: &Path,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Emitted, OptimizeError> {
        let [size] = &self.sizes[..] else {
            return Err(OptimizeError::SeveralSizes(self.sizes.len()));
        };
        std::fs::create_dir_all(folder).map_err(OptimizeError::Folder)?;
        let start = Instant::now();
        let mut progress = Progress::default();
        let memory = self.memory(watch)?;
        let mut history = memory.as_ref().map_or(Ok(Vec::new()), Memory::prior)?;
        let baseline = heuristic::propose(&size.problem, &self.device);
        let limit = self.settings.budget.max_iterations.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut seen = HashSet::from([baseline.id()]);
        let mut emitted = Emitted {
            baseline: baseline.id(),
            candidates: Vec::new(),
            refused: Vec::new(),
            prior: history.len(),
        };
        let mut plans = vec![baseline];
        loop {
            for batch in plans.chunks(self.settings.batch.max(1)) {
                if self.settings.stop.load(Ordering::Relaxed) {
                    return Ok(emitted);
                }
                for (plan, refusal) in batch.iter().zip(write_all(size, batch, folder)) {
                    match refusal {
                        None => emitted.candidates.push(plan.id()),
                        Some(refusal) => {
                            let text = format!("plan {} is refused: {}", plan.id(), refusal.detail);
                            watch(Event::Warning(text));
                            let attempt = Attempt {
                                id: plan.id(),
                                plan: plan.clone(),
                                outcome: refused(refusal),
                            };
                            history.push(attempt.clone());
                            emitted.refused.push(attempt);
                        }
                    }
                }
            }
            let left = limit.saturating_sub(emitted.candidates.len());
            progress.seconds = start.elapsed().as_secs_f64();
            progress.llm_tokens = planner.tokens();
            if left == 0 || self.settings.budget.ended(&progress).is_some() {
                return Ok(emitted);
            }
            // In one call, for within a call no planner repeats itself; more calls only
            // make up for plans that did not compile.
            // Those that are written already may come again, and do not count.
            let count = left.saturating_add(seen.len());
            let proposed = planner.propose(&size.problem, &self.device, &history, count);
            plans = proposed.unwrap_or_else(|error| {
                watch(Event::Warning(error.to_string()));
                Vec::new()
            });
            plans.retain(|plan| seen.insert(plan.id()));
            plans.truncate(left);
            let warnings = planner.take_warnings();
            warnings
                .into_iter()
                .for_each(|it| watch(Event::Warning(it)));
            if plans.is_empty() {
                let text = format!("the planner has no further plan, {left} more were asked for");
                watch(Event::Warning(text));
                return Ok(emitted);
            }
        }
    }
}

/// Compiles plans in parallel; a refusal for each that cannot be measured.
fn write_all(size: &Size, plans: &[Plan], folder: &Path) -> Vec<Option<Refusal>> {
    let Size { source, problem } = size;
    thread::scope(|scope| {
        let compiling = plans.iter().map(|plan| {
            scope.spawn(move || candidate(source, problem, plan, folder, Cases::Of(Level::Quick)))
        });
        let compiling: Vec<_> = compiling.collect();
        let crashed = |_| Err(Refusal::new("compile", "the compiler crashed"));
        let joined = compiling
            .into_iter()
            .map(|it| it.join().unwrap_or_else(crashed));
        joined.map(Result::err).collect()
    })
}
