//! The fastest plans, the refused ones by reason, and the planners beside each other.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

use serde::{Deserialize, Serialize};

use super::{
    Run, Spread,
    number::{factor, known},
    time,
};
use crate::{
    attempt::{Attempt, Outcome},
    plan::{Plan, Step},
};

/// Plans that a report shows in full.
pub const TOP: usize = 10;

/// A verified plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The attempt's id.
    pub id: String,
    /// The how many-th attempt it first was, from 1; `None` if it is none of the run's.
    pub attempt: Option<usize>,
    /// Who proposed it.
    pub planner: String,
    /// Milliseconds.
    pub ms: f64,
    /// Shortest and longest timed run.
    pub spread: Option<Spread>,
    /// As it was measured.
    pub speedup: f64,
    /// The levels of verification that it passed.
    pub levels: Vec<String>,
    /// Its largest error by the bound for it.
    pub worst_ratio: f64,
    /// The chosen passes with their knobs, as pipelines spell them.
    pub chosen: String,
    /// The pipeline.
    pub pipeline: String,
}

/// The plans refused for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusals {
    /// In kebab-case.
    pub reason: String,
    /// How many.
    pub count: usize,
    /// The first one's message.
    pub example: String,
}

/// What one planner's plans came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planner {
    /// Its name; `by hand` for plans without one.
    pub planner: String,
    /// The language model, if one was asked.
    pub model: Option<String>,
    /// Its plans.
    pub plans: usize,
    /// Those that were refused.
    pub refused: usize,
    /// The milliseconds of the best one.
    pub best_ms: Option<f64>,
    /// Its speedup, as it was measured.
    pub speedup: Option<f64>,
    /// The how many-th of its own plans that was, from 1.
    pub found_after: Option<usize>,
}

impl Planner {
    /// What the columns of a table of planners are called.
    pub(super) const HEAD: [&str; 6] = [
        "planner",
        "plans",
        "refused",
        "best ms",
        "speedup",
        "after plans",
    ];

    /// Its row of such a table, as plain text.
    pub(super) fn cells(&self) -> [String; 6] {
        let model = self.model.as_ref().map(|it| format!(" ({it})"));
        [
            self.planner.clone() + &model.unwrap_or_default(),
            self.plans.to_string(),
            self.refused.to_string(),
            known(self.best_ms),
            factor(self.speedup),
            self.found_after
                .map_or_else(|| "-".to_owned(), |it| it.to_string()),
        ]
    }
}

/// An attempt with its place, if it is verified.
pub(super) fn ranked(run: &Run, attempt: &Attempt) -> Option<Ranked> {
    let place = run.attempts.iter().position(|it| it.id == attempt.id);
    at(run, attempt, place.map(|index| index + 1))
}

fn at(run: &Run, attempt: &Attempt, place: Option<usize>) -> Option<Ranked> {
    let ms = time(attempt)?;
    match &attempt.outcome {
        Outcome::Refused { .. } => None,
        Outcome::Verified {
            speedup,
            levels,
            worst_ratio,
            ..
        } => Some(Ranked {
            id: attempt.id.clone(),
            attempt: place,
            planner: planner(attempt),
            ms,
            spread: run.spread.get(&attempt.id).copied(),
            speedup: *speedup,
            levels: levels.clone(),
            worst_ratio: *worst_ratio,
            chosen: chosen(&attempt.plan),
            pipeline: attempt.plan.text(),
        }),
    }
}

/// The fastest plans, each once.
pub(super) fn top(run: &Run) -> Vec<Ranked> {
    let timed = run.attempts.iter().enumerate();
    let mut order: Vec<(usize, &Attempt, f64)> = timed
        .filter_map(|(index, it)| Some((index, it, time(it)?)))
        .collect();
    order.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut seen = HashSet::new();
    order
        .into_iter()
        .filter(|(_, it, _)| seen.insert(&it.id))
        .take(TOP)
        .filter_map(|(index, it, _)| at(run, it, Some(index + 1)))
        .collect()
}

/// Refused attempts by reason, most first.
pub(super) fn refusals(attempts: &[Attempt]) -> Vec<Refusals> {
    let mut by: BTreeMap<&str, Refusals> = BTreeMap::new();
    for attempt in attempts {
        if let Outcome::Refused { reason, detail } = &attempt.outcome {
            let first = || Refusals {
                reason: reason.clone(),
                count: 0,
                example: detail.clone(),
            };
            by.entry(reason).or_insert_with(first).count += 1;
        }
    }
    let mut refusals: Vec<Refusals> = by.into_values().collect();
    refusals.sort_by_key(|it| Reverse(it.count));
    refusals
}

/// Planners by what they proposed, the one with the fastest plan first.
pub(super) fn planners(run: &Run) -> Vec<Planner> {
    let mut by: BTreeMap<(String, Option<&String>), Planner> = BTreeMap::new();
    for attempt in &run.attempts {
        let (name, model) = (planner(attempt), attempt.plan.provenance.model.as_ref());
        let first = || Planner {
            planner: name.clone(),
            model: model.cloned(),
            plans: 0,
            refused: 0,
            best_ms: None,
            speedup: None,
            found_after: None,
        };
        let it = by.entry((name.clone(), model)).or_insert_with(first);
        it.plans += 1;
        it.refused += usize::from(matches!(attempt.outcome, Outcome::Refused { .. }));
        let (Some(ms), Outcome::Verified { speedup, .. }) = (time(attempt), &attempt.outcome)
        else {
            continue;
        };
        if it.speedup.is_none_or(|best| *speedup > best) {
            it.best_ms = Some(ms);
            it.speedup = Some(*speedup);
            it.found_after = Some(it.plans);
        }
    }
    let mut planners: Vec<Planner> = by.into_values().collect();
    let best = |it: &Planner| it.speedup.unwrap_or(0.0);
    planners.sort_by(|a, b| best(b).total_cmp(&best(a)));
    planners
}

fn planner(attempt: &Attempt) -> String {
    match attempt.plan.provenance.planner.as_str() {
        "" => "by hand".to_owned(),
        name => name.to_owned(),
    }
}

/// The passes that a plan chose: `kforge-fuse-attention; up: stages=2 tile-m=32`.
fn chosen(plan: &Plan) -> String {
    let step = |step: &Step| {
        let knobs = step.knobs.iter();
        let knobs: Vec<String> = knobs
            .map(|(knob, value)| format!("{knob}={value}"))
            .collect();
        let of = step.op.as_ref().unwrap_or(&step.pass);
        match knobs.is_empty() {
            true => of.clone(),
            false => format!("{of}: {}", knobs.join(" ")),
        }
    };
    plan.passes.iter().map(step).collect::<Vec<_>>().join("; ")
}
