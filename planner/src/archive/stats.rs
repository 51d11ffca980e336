//! Counts over the archive: how much was tried, what passed, what was refused and why.

use std::{collections::BTreeMap, ops::ControlFlow::Continue};

use serde::Serialize;

use super::{Archive, ArchiveError, Filter, select::each};
use crate::attempt::Outcome;

/// What a set of attempts adds up to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Intact attempts.
    pub attempts: u64,
    /// Those that passed.
    pub verified: u64,
    /// Those that did not, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The largest speedup over a baseline; absent if nothing passed.
    pub best_speedup: Option<f64>,
    /// The median speedup of what passed; of an even number the mean of the middle two.
    pub median_speedup: Option<f64>,
    /// Attempts by device.
    pub devices: BTreeMap<String, u64>,
    /// Problems, each on one device with one set of versions.
    pub keys: u64,
    /// Rows that are not believed, and in none of the numbers above.
    pub damaged: u64,
}

impl Archive {
    /// Counts the attempts that `filter` selects. Reads and checks each:
    /// 10 000 attempts at one op take 2 s in a build without optimisation.
    pub fn stats(&self, filter: &Filter) -> Result<Stats, ArchiveError> {
        let mut stats = Stats::default();
        let mut speedups = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        let tail = format!("WHERE {}", Filter::SQL);
        each(&self.connection, &tail, filter.parameters(), |found| {
            let Ok(entry) = found else {
                stats.damaged += 1;
                return Continue(());
            };
            stats.attempts += 1;
            keys.insert(entry.key.digest());
            *stats.devices.entry(entry.key.adapter.name).or_default() += 1;
            match entry.attempt.outcome {
                Outcome::Verified { speedup, .. } => speedups.push(speedup),
                Outcome::Refused { reason, .. } => *stats.refused.entry(reason).or_default() += 1,
            }
            Continue(())
        })
        .map_err(|error| self.failed(error))?;
        speedups.sort_by(f64::total_cmp);
        stats.verified = speedups.len() as u64;
        stats.best_speedup = speedups.last().copied();
        stats.median_speedup = median(&speedups);
        stats.keys = keys.len() as u64;
        Ok(stats)
    }
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    match sorted.len() % 2 {
        1 => Some(upper),
        // Half of each: their sum may be more than a double holds.
        _ => Some(sorted[sorted.len() / 2 - 1] / 2.0 + upper / 2.0),
    }
}
