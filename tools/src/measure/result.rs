//! What measuring a candidate gives: one line of JSON.

use std::fmt;

use kforge_runtime::{DeviceDescription, execute::Spread};
use kforge_verify::{ErrorNorms, Failure, Reason, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One candidate on one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The name of its folder: the plan's id.
    pub candidate: String,
    /// Where; absent where no device was reached.
    pub device: Option<DeviceDescription>,
    /// The version of the verifier.
    pub version: String,
    /// What came of it.
    pub result: Result,
}

/// A time exists only beside a passed verdict.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Result {
    /// It passed.
    Verified {
        /// Levels that hold.
        levels: Vec<String>,
        /// Comparisons that agreed.
        comparisons: usize,
        /// Largest error by its bound.
        worst_ratio: f64,
        /// Errors of the whole function; absent in results of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        errors: Option<ErrorNorms>,
        /// Seed of the inputs.
        seed: u64,
        /// Content hash of the package that was verified; absent in results of older
        /// versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        package: Option<String>,
        /// How long one run takes.
        time: Time,
    },
    /// It may not be used.
    Refused(Refusal),
}

impl Result {
    /// Its time, if it passed.
    pub const fn time(&self) -> Option<&Time> {
        match self {
            Self::Verified { time, .. } => Some(time),
            Self::Refused(_) => None,
        }
    }
}

/// Why a candidate may not be used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// In kebab-case: `numeric-mismatch`, `poison`, `timeout`, `crash`, ...
    pub reason: String,
    /// In a sentence.
    pub detail: String,
}

/// The time of one run of the whole function.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Whose clock.
    pub clock: Clock,
    /// Milliseconds.
    pub ms: Spread,
}

/// Whose clock a time was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The sum of the kernels' timestamps.
    Device,
    /// From submission to completion, where the device has no timestamps.
    Host,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.result {
            Result::Verified {
                levels,
                comparisons,
                worst_ratio,
                time,
                ..
            } => write!(
                f,
                "{}  {:.4} ms ({:.4} to {:.4})  verified {}, {comparisons} comparisons, worst error {worst_ratio:.3} of its bound",
                self.candidate,
                time.ms.median,
                time.ms.min,
                time.ms.max,
                levels.join("+")
            ),
            Result::Refused(Refusal { reason, detail }) => {
                write!(f, "{}  refused ({reason}): {detail}", self.candidate)
            }
        }
    }
}

impl Refusal {
    /// A refusal in these words.
    pub fn new(reason: &str, detail: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            detail: detail.into(),
        }
    }

    /// The first failure of a verdict.
    pub(super) fn of_verdict(verdict: &Verdict) -> Self {
        match verdict.failures.first() {
            Some(failure) => Self::of_failure(failure),
            None => Self::new("undecided", "verification showed nothing"),
        }
    }

    pub(crate) fn of_failure(failure: &Failure) -> Self {
        let values = failure
            .values
            .as_deref()
            .map_or_else(String::new, |it| format!(", {it} values"));
        let detail = format!("stage '{}'{values}: {}", failure.stage, failure.detail);
        Self::new(reason(failure.reason), detail)
    }
}

const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Program => "program",
        Reason::NumericMismatch => "numeric-mismatch",
        Reason::Algebraic => "algebraic",
        Reason::OnlyWithinTolerance => "only-within-tolerance",
        Reason::Undecided => "undecided",
        Reason::Poison => "poison",
        Reason::Static => "static",
        Reason::Determinism => "determinism",
        Reason::Implausible => "implausible",
        Reason::TooSlow => "too-slow",
        Reason::Timing => "timing",
        Reason::Execution => "execution",
    }
}
