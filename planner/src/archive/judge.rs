//! What must hold of every attempt, on its way into the archive and on its way out.

use std::fmt;

use serde::Serialize;

use super::record::Entry;
use crate::{
    attempt::Outcome,
    plan::{Violation, check},
    problem::Problem,
};

/// The end of the year 9999, in seconds since 1970.
const MAX_TIME: u64 = 253_402_300_799;

/// Why a row is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// The hash is not that of the texts.
    HashMismatch,
    /// A text is missing, too long or not what it should be.
    Unreadable,
    /// A column that searches use disagrees with the texts.
    ColumnMismatch,
    /// The outcome cannot be: a time that is not positive, a level that is none.
    ImpossibleVerdict,
    /// The plan passes no check: it was never run, whatever the row says.
    ImpossiblePlan,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Damage::HashMismatch => "hash-mismatch",
            Damage::Unreadable => "unreadable",
            Damage::ColumnMismatch => "column-mismatch",
            Damage::ImpossibleVerdict => "impossible-verdict",
            Damage::ImpossiblePlan => "impossible-plan",
        })
    }
}

/// Below every device's time for the work of the ops that stay: a quarter of it, since masks
/// may leave out half of an attention, at 10^16 operations per second (the fastest matrix
/// units of 2025 have a half of that); and never below a nanosecond.
fn least_ms(problem: &Problem) -> f64 {
    (problem.flops() / 4.0 / 1e16 * 1e3).max(1e-6)
}

/// Refuses what no run can have found.
pub(super) fn judge(entry: &Entry) -> Result<(), (Damage, String)> {
    let impossible = |message: String| Err((Damage::ImpossibleVerdict, message));
    let Entry {
        key,
        attempt,
        evidence,
        ..
    } = entry;
    let plain = |text: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (1..=64).contains(&text.len()) && text.chars().all(allowed)
    };
    if !plain(&attempt.id) {
        return impossible("its id is not 1 to 64 letters, digits, '.', '_' and '-'".into());
    }
    if evidence.created > MAX_TIME {
        return impossible(format!("created at {}, after {MAX_TIME}", evidence.created));
    }
    if let Some(message) = attempt.outcome.impossible() {
        return impossible(message);
    }
    match &attempt.outcome {
        Outcome::Refused { reason, .. } => {
            if !plain(reason) {
                return impossible("the reason of its refusal is not kebab-case".into());
            }
            if evidence.spread.is_some() {
                return impossible("it was refused, and has a spread of times".into());
            }
            // What was refused may break every rule: that can be why.
            Ok(())
        }
        Outcome::Verified { ms, .. } => {
            let least = least_ms(&key.problem);
            if *ms < least {
                return impossible(format!("{ms:e} ms, no device takes less than {least:e} ms"));
            }
            if let Some(spread) = evidence.spread
                && !(spread.is_finite() && spread >= 0.0)
            {
                return impossible(format!("spread is {spread}, expected 0 or more"));
            }
            if attempt.plan.target != key.adapter.target {
                let message = "its plan is for another target than its key".into();
                return Err((Damage::ImpossiblePlan, message));
            }
            check(&attempt.plan, Some(&key.problem))
                .map_err(|violations| (Damage::ImpossiblePlan, Violation::list(&violations)))
        }
    }
}
