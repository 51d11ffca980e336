//! What a benchmark writes, as plain data with a published schema.

use kforge_runtime::{DeviceDescription, execute::Spread};
use kforge_verify::ErrorNorms;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Work;
use crate::measure::{Clock, MeasuredResult, Refusal};

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// What `kforge benchmark-suite --output` writes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Version of this format: 1.
    pub schema: u32,
    /// The version of the program that measured.
    pub version: String,
    /// Where.
    pub device: DeviceDescription,
    /// How often each case was verified and timed.
    pub rounds: u32,
    /// Timed runs per round.
    pub repeats: u32,
    /// Seed of the inputs.
    pub seed: u64,
    /// The cases, in order.
    pub cases: Vec<Measurement>,
}

/// One case.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// What it is called.
    pub name: String,
    /// Ops and sizes; M x N x K for a matmul.
    pub workload: String,
    /// The hash of the plan.
    pub plan: String,
    /// Where the plan is from.
    pub origin: Origin,
    /// What came of it.
    pub result: Outcome,
}

/// Where a plan is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The best one that an earlier run has verified.
    Archive,
    /// Made from shapes and limits.
    Heuristic,
    /// Given by the user.
    Given,
}

/// Figures exist only beside a passed verdict.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// Every round passed.
    Verified(Figures),
    /// A round did not.
    Refused(Refusal),
}

/// What a verified case takes, and how exact it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Levels that hold.
    pub levels: Vec<String>,
    /// Comparisons that agreed, in one round.
    pub comparisons: usize,
    /// Largest error by its bound.
    pub worst_ratio: f64,
    /// Errors of the whole function on ordinary values.
    pub errors: Option<ErrorNorms>,
    /// Whose clock.
    pub clock: Clock,
    /// Milliseconds of one run of the function: middle, least and greatest of the rounds'
    /// medians; of the runs where there was one round.
    pub latency_ms: Spread,
    /// 10⁹ floating point operations of matrix products per second of the latency; absent
    /// where there are no products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// 10⁹ bytes of arguments and results per second of the latency.
    pub gb_per_s: f64,
    /// Floating point operations of matrix products per byte of arguments and results.
    pub intensity: f64,
}

impl Outcome {
    /// What rounds say together: the first refusal, or figures.
    pub(super) fn of(rounds: &[MeasuredResult], work: Work) -> Self {
        let mut medians = Vec::new();
        let mut found = None;
        for round in rounds {
            match round {
                MeasuredResult::Refused(refusal) => return Self::Refused(refusal.clone()),
                MeasuredResult::Verified {
                    levels,
                    comparisons,
                    worst_ratio,
                    errors,
                    time,
                    ..
                } => {
                    medians.push(time.ms.median);
                    found = Some((levels, *comparisons, *worst_ratio, *errors, time));
                }
            }
        }
        let spread = Spread::of(medians);
        let (Some((levels, comparisons, worst_ratio, errors, time)), Some(spread)) =
            (found, spread)
        else {
            return Self::Refused(Refusal::new("no-time", "there was no round"));
        };
        let latency_ms = match rounds.len() {
            1 => time.ms,
            _ => spread,
        };
        // 10⁹ per second are 10⁶ per millisecond.
        let rate = |amount: u64| amount as f64 / latency_ms.median / 1e6;
        Self::Verified(Figures {
            levels: levels.clone(),
            comparisons,
            worst_ratio,
            errors,
            clock: time.clock,
            latency_ms,
            gflops: (work.flops > 0).then(|| rate(work.flops)),
            gb_per_s: rate(work.bytes),
            intensity: work.intensity(),
        })
    }

    /// The figures, if it passed.
    pub const fn figures(&self) -> Option<&Figures> {
        match self {
            Self::Verified(figures) => Some(figures),
            Self::Refused(_) => None,
        }
    }
}

/// The published JSON Schema of [`Suite`].
pub fn schema() -> String {
    let schema = schemars::schema_for!(Suite);
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    format!("{text}\n")
}
