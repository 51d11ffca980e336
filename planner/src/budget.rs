//! When a run of a planner ends, and which rule ended it.
//!
//! A pure function of what was spent and reached; who counts seconds and tokens is
//! the caller. Rules that are not stated never end a run. Goals come before limits:
//! a run that reached its target with the last candidate has reached its target.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attempt::Outcome;

/// The rules of one run; `None` states none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Candidates that may be tried.
    pub max_iterations: Option<u64>,
    /// Wall-clock time, in seconds.
    pub max_seconds: Option<f64>,
    /// Tokens of a language model, prompts and replies together.
    pub llm_tokens: Option<u64>,
    /// Speedup over the baseline that is enough.
    pub target_speedup: Option<f64>,
    /// Candidates in a row without a new best.
    pub patience: Option<u64>,
    /// Share of the roofline that is enough, above 0 and at most 1.
    pub roofline_share: Option<f64>,
}

/// What a run has spent and reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Candidates tried, refused ones included.
    pub iterations: u64,
    /// Wall-clock time, in seconds.
    pub seconds: f64,
    /// Tokens used.
    pub llm_tokens: u64,
    /// The best verified candidate's speedup.
    pub best_speedup: Option<f64>,
    /// The best verified candidate's time, in milliseconds.
    pub best_ms: Option<f64>,
    /// Candidates since the best one.
    pub since_best: u64,
    /// The least time that arithmetic and memory allow, in milliseconds, if known.
    pub roofline_ms: Option<f64>,
    /// The next request takes more tokens than are left.
    pub out_of_tokens: bool,
    /// The planner has no further plan.
    pub no_more_plans: bool,
}

/// The rule that ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Ended {
    /// The wanted speedup was reached.
    TargetSpeedup {
        /// What was reached.
        reached: f64,
        /// What was wanted.
        wanted: f64,
    },
    /// The wanted share of the roofline was reached.
    RooflineShare {
        /// What was reached.
        reached: f64,
        /// What was wanted.
        wanted: f64,
    },
    /// The planner has no further plan.
    NoMorePlans,
    /// No new best for so many candidates.
    Patience {
        /// The limit.
        limit: u64,
    },
    /// Every candidate of the budget was tried.
    MaxIterations {
        /// The limit.
        limit: u64,
    },
    /// The time is over.
    MaxSeconds {
        /// The limit.
        limit: f64,
    },
    /// The tokens are used up, or fewer are left than the next request may take.
    LlmTokens {
        /// The limit.
        limit: u64,
    },
    /// The user stopped it.
    Interrupted,
}

/// A rule that no run can follow.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("--{rule} is {value}, expected {expected}")]
pub struct BudgetError {
    /// The option.
    pub rule: &'static str,
    /// Its value.
    pub value: f64,
    /// What it may be.
    pub expected: &'static str,
}

impl Budget {
    /// Refuses numbers that no run can reach or keep.
    pub fn validate(&self) -> Result<(), BudgetError> {
        type Rule = (&'static str, Option<f64>, fn(f64) -> bool, &'static str);
        let rules: [Rule; 3] = [
            (
                "max-seconds",
                self.max_seconds,
                |it| it >= 0.0,
                "seconds from 0 on",
            ),
            (
                "target-speedup",
                self.target_speedup,
                |it| it > 0.0,
                "a factor above 0",
            ),
            (
                "roofline-share",
                self.roofline_share,
                |it| it > 0.0 && it <= 1.0,
                "a share above 0 and at most 1",
            ),
        ];
        for (rule, value, fits, expected) in rules {
            if let Some(value) = value.filter(|it| !(it.is_finite() && fits(*it))) {
                return Err(BudgetError {
                    rule,
                    value,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// The first rule that ends the run here, goals first; `None`: it goes on.
    pub fn ended(&self, progress: &Progress) -> Option<Ended> {
        let reached = |reached: Option<f64>, wanted: Option<f64>| {
            let (reached, wanted) = (reached?, wanted?);
            (reached >= wanted).then_some((reached, wanted))
        };
        if let Some((reached, wanted)) = reached(progress.best_speedup, self.target_speedup) {
            return Some(Ended::TargetSpeedup { reached, wanted });
        }
        if let Some((reached, wanted)) = reached(progress.roofline_share(), self.roofline_share) {
            return Some(Ended::RooflineShare { reached, wanted });
        }
        if let Some(limit) = self.llm_tokens.filter(|_| progress.out_of_tokens) {
            return Some(Ended::LlmTokens { limit });
        }
        if progress.no_more_plans {
            return Some(Ended::NoMorePlans);
        }
        let used = |used: u64, limit: Option<u64>| limit.filter(|limit| used >= *limit);
        if let Some(limit) = used(progress.since_best, self.patience) {
            return Some(Ended::Patience { limit });
        }
        if let Some(limit) = used(progress.iterations, self.max_iterations) {
            return Some(Ended::MaxIterations { limit });
        }
        if let Some(limit) = self.max_seconds.filter(|limit| progress.seconds >= *limit) {
            return Some(Ended::MaxSeconds { limit });
        }
        let limit = used(progress.llm_tokens, self.llm_tokens)?;
        Some(Ended::LlmTokens { limit })
    }

    /// How many of `wanted` candidates may still be tried.
    pub fn candidates_left(&self, progress: &Progress, wanted: usize) -> usize {
        let left = self
            .max_iterations
            .map_or(u64::MAX, |limit| limit.saturating_sub(progress.iterations));
        wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
    }
}

impl Progress {
    /// Counts one candidate.
    pub fn record(&mut self, outcome: &Outcome) {
        self.iterations += 1;
        self.since_best += 1;
        let Outcome::Verified { ms, speedup, .. } = *outcome else {
            return;
        };
        if self.best_speedup.is_none_or(|best| speedup > best) {
            self.best_ms = Some(ms);
            self.best_speedup = Some(speedup);
            self.since_best = 0;
        }
    }

    /// The roofline's time by the best one's.
    pub fn roofline_share(&self) -> Option<f64> {
        Some(self.roofline_ms? / self.best_ms?)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Ended::TargetSpeedup { reached, wanted } => write!(
                f,
                "speedup {reached:.2} reached, {wanted:.2} wanted (target-speedup)"
            ),
            Ended::RooflineShare { reached, wanted } => write!(
                f,
                "{:.1} % of the roofline reached, {:.1} % wanted (roofline-share)",
                reached * 100.0,
                wanted * 100.0
            ),
            Ended::NoMorePlans => write!(f, "the planner has no further plan"),
            Ended::Patience { limit } => {
                write!(f, "no new best for {limit} candidates (patience)")
            }
            Ended::MaxIterations { limit } => {
                write!(f, "all {limit} candidates tried (max-iterations)")
            }
            Ended::MaxSeconds { limit } => write!(f, "{limit} s are over (max-seconds)"),
            Ended::Interrupted => write!(f, "stopped by the user (Ctrl-C)"),
            Ended::LlmTokens { limit } => write!(
                f,
                "of {limit} tokens fewer are left than the next request may take (llm-tokens)"
            ),
        }
    }
}
