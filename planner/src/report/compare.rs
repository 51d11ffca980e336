//! Runs of several planners on one problem and device, at equal budget.

use serde::{Deserialize, Serialize};

use super::{
    Run,
    number::{factor, known},
    time,
};
use crate::attempt::Outcome;

/// The share of the best speedup of all runs that counts as found.
const FOUND: f64 = 0.95;

/// Several runs, each counted up to the number of plans that the shortest tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Plans of each run that count.
    pub budget: usize,
    /// The runs, the best first.
    pub runs: Vec<Compared>,
}

/// One run within the budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Who proposed.
    pub planner: String,
    /// Attempts of earlier runs that it learnt from, if it says so.
    pub prior: usize,
    /// Plans that were refused.
    pub refused: usize,
    /// The least milliseconds.
    pub best_ms: Option<f64>,
    /// The greatest speedup over the run's own baseline, of single measurements.
    pub speedup: Option<f64>,
    /// Plans until 95 % of the greatest speedup of all runs.
    pub plans_to_95: Option<usize>,
    /// The speedup that was accepted after all plans of the run, measured in turns with the
    /// baseline and with every case.
    pub accepted: Option<f64>,
}

/// Why runs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the runs are of other {what}: '{first}' and '{other}'; only one problem on one device, over one baseline, can be compared"
)]
pub struct CompareError {
    /// What differs.
    pub what: &'static str,
    /// Of the first run.
    pub first: String,
    /// Of another.
    pub other: String,
}

impl Compared {
    /// What the columns of a table are called.
    pub(super) const HEAD: [&str; 7] = [
        "planner",
        "learnt from",
        "refused",
        "best ms",
        "speedup",
        "plans to 95 %",
        "accepted",
    ];

    /// Its row of such a table, as plain text.
    pub(super) fn cells(&self) -> [String; 7] {
        [
            self.planner.clone(),
            self.prior.to_string(),
            self.refused.to_string(),
            known(self.best_ms),
            factor(self.speedup),
            self.plans_to_95
                .map_or_else(|| "-".to_owned(), |it| it.to_string()),
            factor(self.accepted),
        ]
    }
}

/// Compares runs; `None` for one alone.
///
/// # Errors
/// Runs of other problems or devices.
pub fn compare(runs: &[Run]) -> Result<Option<Comparison>, CompareError> {
    let [first, others @ ..] = runs else {
        return Ok(None);
    };
    if others.is_empty() {
        return Ok(None);
    }
    for other in others {
        let differs = |what, first: &str, other: &str| CompareError {
            what,
            first: first.to_owned(),
            other: other.to_owned(),
        };
        let [a, b] = [&first.problem, &other.problem];
        if a.module != b.module {
            return Err(differs("problems", &a.workload, &b.workload));
        }
        if first.device != other.device {
            let [a, b] = [&first.device.name, &other.device.name];
            return Err(differs("devices", a, b));
        }
        let [a, b] = [first, other].map(|run| run.peer.as_deref().unwrap_or("default knobs"));
        if a != b {
            return Err(differs("baselines", a, b));
        }
        let [a, b] = [first, other].map(sizes);
        if a != b {
            return Err(differs("sizes", &a, &b));
        }
    }
    let budget = runs.iter().map(|run| run.attempts.len()).min().unwrap_or(0);
    let most = runs
        .iter()
        .filter_map(|run| speedups(run, budget).map(|(_, it)| it).reduce(f64::max))
        .fold(0.0, f64::max);
    let mut rows: Vec<Compared> = runs.iter().map(|run| compared(run, budget, most)).collect();
    let speedup = |it: &Compared| it.accepted.or(it.speedup).unwrap_or(0.0);
    rows.sort_by(|a, b| speedup(b).total_cmp(&speedup(a)));
    Ok(Some(Comparison { budget, runs: rows }))
}

fn compared(run: &Run, budget: usize, most: f64) -> Compared {
    let tried = &run.attempts[..budget];
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused { .. });
    Compared {
        planner: run.planner.clone(),
        prior: run.prior,
        refused: tried.iter().filter(|it| refused(&it.outcome)).count(),
        best_ms: tried.iter().filter_map(time).reduce(f64::min),
        speedup: speedups(run, budget).map(|(_, it)| it).reduce(f64::max),
        plans_to_95: speedups(run, budget)
            .find(|(_, speedup)| *speedup >= FOUND * most)
            .map(|(index, _)| index + 1),
        accepted: run.best.as_ref().and_then(|best| match best.outcome {
            Outcome::Verified { speedup, .. } => Some(speedup),
            Outcome::Refused { .. } => None,
        }),
    }
}

/// The sizes that a run was for, in one line.
fn sizes(run: &Run) -> String {
    let several = run.sizes.values().next().map_or(&[][..], Vec::as_slice);
    match several {
        [] => run.problem.workload.clone(),
        sizes => {
            let names: Vec<&str> = sizes.iter().map(|it| it.workload.as_str()).collect();
            names.join(", ")
        }
    }
}

/// Speedups of the verified attempts within the budget, each with its place.
fn speedups(run: &Run, budget: usize) -> impl Iterator<Item = (usize, f64)> {
    let tried = run.attempts.iter().take(budget).enumerate();
    tried.filter_map(|(index, attempt)| match attempt.outcome {
        Outcome::Verified { speedup, .. } if speedup.is_finite() => Some((index, speedup)),
        _ => None,
    })
}
