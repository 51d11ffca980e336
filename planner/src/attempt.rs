//! What became of a plan: the history that planners learn from.
//!
//! A time stands beside a passing verdict alone: a refused plan has none.

use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// One plan that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Names it in reports and in the provenance of plans derived from it.
    pub id: String,
    /// What was tried.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
}

/// The verdict on a plan, with its time if it passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It passed.
    Verified {
        /// Median time of one run, in milliseconds.
        ms: f64,
        /// The baseline's time by its own.
        speedup: f64,
        /// The levels of verification that it passed.
        levels: Vec<String>,
        /// Its largest error by the bound for it; at most 1.
        worst_ratio: f64,
    },
    /// It was refused.
    Refused {
        /// At what, in kebab-case: `validation`, `compile`, `numeric-mismatch`,
        /// `poison`, `determinism`, `timeout`, `device-lost`.
        reason: String,
        /// The message that says it.
        detail: String,
    },
}

/// The levels that a verdict can list.
const LEVELS: [&str; 5] = ["L0", "L1", "L2", "L3", "L4"];

impl Outcome {
    /// What of it no run can have found; `None` if it can be.
    pub fn impossible(&self) -> Option<String> {
        let Self::Verified {
            ms,
            speedup,
            levels,
            worst_ratio,
        } = self
        else {
            return None;
        };
        for (name, value) in [("ms", *ms), ("speedup", *speedup)] {
            if !(value.is_finite() && value > 0.0) {
                return Some(format!("{name} is {value}, expected more than 0"));
            }
        }
        if !(0.0..=1.0).contains(worst_ratio) {
            return Some(format!(
                "passed with worst_ratio {worst_ratio}, expected 0 to 1"
            ));
        }
        let known = |level: &String| LEVELS.contains(&level.as_str());
        if levels.is_empty() || !levels.iter().all(known) {
            return Some(format!("levels {levels:?}, expected some of {LEVELS:?}"));
        }
        None
    }
}

impl Attempt {
    /// Its time in milliseconds, if it passed.
    pub fn ms(&self) -> Option<f64> {
        match self.outcome {
            Outcome::Verified { ms, .. } => Some(ms),
            Outcome::Refused { .. } => None,
        }
    }
}
