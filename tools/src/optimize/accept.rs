//! The last comparisons: the fastest few once more in turns with the default knobs, since
//! one of them may have been lucky, then what is still fastest with every case, at every size,
//! beside the default knobs.

use std::path::Path;

use kforge_oracle::Level;
use kforge_planner::{
    Attempt, Outcome, Plan,
    report::{SizeTime, Spread},
};

use super::{
    Cases, Event, OptimizeError, Optimizer,
    memory::{Memory, shaders},
    trial::{Part, Trial, attempt, outcome, size_time, together},
};
use crate::measure::{Ask, MeasuredResult, Refusal, Worker};

/// Plans that are timed once more; those behind them were slower.
const MOST: usize = 4;

/// The default knobs and the accepted plan, from one comparison.
pub(super) struct Accepted {
    pub baseline: Attempt,
    pub best: Attempt,
    /// Shortest and longest run of both, where there is one size.
    pub ranges: Vec<(String, Spread)>,
    /// What the archive is to know of the accepted plan.
    trial: Trial,
    /// The accepted plan's time and speedup at each size, where there are several.
    pub sizes: Vec<SizeTime>,
}

impl Optimizer {
    /// The fastest plan that holds with every case at every size. It and the default
    /// knobs are timed in turns, so that a device that slows down slows both.
    ///
    /// Where none is faster than the default knobs, those are what is accepted.
    pub(super) fn accept(
        &self,
        attempts: &[Attempt],
        defaults: &[Plan],
        memory: &mut Option<Memory>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Accepted, OptimizeError> {
        let folder = tempfile::tempdir().map_err(OptimizeError::Folder)?;
        let mut worker = self.worker();
        let speedup = |attempt: &Attempt| match attempt.outcome {
            Outcome::Verified { speedup, .. } => speedup,
            Outcome::Refused { .. } => 0.0,
        };
        let faster = |it: &&Attempt| speedup(it) > speedup(&attempts[0]);
        let mut order: Vec<&Attempt> = attempts.iter().filter(faster).collect();
        order.sort_by(|a, b| speedup(b).total_cmp(&speedup(a)));
        order.truncate(MOST);
        let plans = order.iter().map(|it| self.at_sizes(&it.plan)).collect();
        for plans in self.still_faster(defaults, plans, &mut worker, folder.path()) {
            let [defaults, plans] = [defaults, &plans];
            let found = self.compare(defaults, plans, &mut worker, folder.path())?;
            match found.best.ms() {
                // Faster once may have been luck.
                Some(_) if speedup(&found.best) >= speedup(&found.baseline) => {
                    self.remember(memory, &found, watch);
                    return Ok(found);
                }
                Some(_) => {}
                None => {
                    // Its earlier verdict was of fewer cases, and must not be what the next
                    // run finds.
                    self.remember(memory, &found, watch);
                    watch(Event::Dropped {
                        attempt: &found.best,
                    });
                }
            }
        }
        let found = self.compare(defaults, defaults, &mut worker, folder.path())?;
        match found.best.ms() {
            Some(_) => {
                self.remember(memory, &found, watch);
                Ok(found)
            }
            None => Err(no_baseline(&found.best)),
        }
    }

    /// Keeps what became of a plan with every case.
    fn remember(
        &self,
        memory: &mut Option<Memory>,
        found: &Accepted,
        watch: &mut dyn FnMut(Event<'_>),
    ) {
        let Some(memory) = memory else {
            return;
        };
        if let Err(error) = memory.record(&found.trial, self.settings.seed) {
            watch(Event::Warning(format!("an attempt is not kept: {error}")));
        }
    }

    /// The plans that are faster than the default knobs when all are timed in turns, the
    /// fastest first. Nothing is accepted here, so their own shapes are enough.
    fn still_faster(
        &self,
        defaults: &[Plan],
        plans: Vec<Vec<Plan>>,
        worker: &mut Worker,
        folder: &Path,
    ) -> Vec<Vec<Plan>> {
        if plans.is_empty() {
            return plans;
        }
        let mut found = vec![Vec::new(); plans.len()];
        for (index, size) in self.sizes.iter().enumerate() {
            let each = std::iter::once(&defaults[index]).chain(plans.iter().map(|it| &it[index]));
            let each: Vec<_> = each.map(|plan| (plan, Cases::OwnShape)).collect();
            let results = size.measure(&each, Ask::default(), worker, folder);
            let mut results = results.into_iter();
            let reference = results.next();
            let reference = reference.and_then(|it| it.time().map(|time| time.ms.median));
            for ((found, plans), result) in found.iter_mut().zip(&plans).zip(results) {
                found.push(attempt(&plans[index], outcome(result, reference)));
            }
        }
        let speedup = |parts: &Vec<Attempt>| match together(&parts.iter().collect::<Vec<_>>()) {
            Outcome::Verified { speedup, .. } => speedup,
            Outcome::Refused { .. } => 0.0,
        };
        let mut order: Vec<_> = found.iter().map(speedup).zip(plans).collect();
        order.retain(|(speedup, _)| *speedup > 1.0);
        order.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        order.into_iter().map(|(_, plans)| plans).collect()
    }

    /// Both plans at every size.
    fn compare(
        &self,
        defaults: &[Plan],
        plans: &[Plan],
        worker: &mut Worker,
        folder: &Path,
    ) -> Result<Accepted, OptimizeError> {
        let (mut before, mut after, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut ranges = Vec::new();
        for (index, size) in self.sizes.iter().enumerate() {
            let [default, plan] = [&defaults[index], &plans[index]];
            let same = default.id() == plan.id();
            let pair = [(default, Cases::OwnShape), (plan, Cases::Of(Level::Full))];
            let pair = if same { &pair[1..] } else { &pair };
            let results = size.measure(pair, Ask::default(), worker, folder);
            let mut results = results.into_iter();
            let mut next = || {
                let missing = || MeasuredResult::Refused(Refusal::new("crash", "no result"));
                results.next().unwrap_or_else(missing)
            };
            let first = next();
            let second = if same { first.clone() } else { next() };
            let MeasuredResult::Verified { time, .. } = &first else {
                return Err(no_baseline(&attempt(default, outcome(first, None))));
            };
            if self.sizes.len() == 1 {
                let timed = [(default, &first), (plan, &second)].into_iter();
                ranges.extend(timed.filter_map(|(plan, result)| {
                    let ms = result.time()?.ms;
                    let (min, max) = (ms.min, ms.max);
                    Some((plan.id(), Spread { min, max }))
                }));
            }
            let peer = self.peer_ms.as_ref().map(|times| times[index]);
            let reference = Some(peer.unwrap_or(time.ms.median));
            before.push(attempt(default, outcome(first, reference)));
            let spread = second.time().map(|time| time.ms.range());
            let second = attempt(plan, outcome(second, reference));
            parts.push(Part {
                attempt: second.clone(),
                spread,
                shaders: shaders(&folder.join(plan.id())),
            });
            after.push(second);
        }
        let whole = |parts: &[Attempt]| {
            let all: Vec<&Attempt> = parts.iter().collect();
            attempt(&parts[0].plan, together(&all))
        };
        let several = after.iter().filter(|_| self.sizes.len() > 1);
        Ok(Accepted {
            baseline: whole(&before),
            best: whole(&after),
            sizes: several.filter_map(size_time).collect(),
            ranges,
            trial: Trial {
                attempt: whole(&after),
                parts,
                range: None,
                every_case: true,
            },
        })
    }
}

pub(super) fn no_baseline(attempt: &Attempt) -> OptimizeError {
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
