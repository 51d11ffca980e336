//! What is kept of every mutant, and what it adds up to.

use std::collections::BTreeMap;

use kforge_mutate::{Fate, Instance, Judged, Purpose};
use schemars::JsonSchema;
use serde::Serialize;

/// One mutant and its fate.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Record {
    /// The program it is a mutant of.
    pub program: String,
    /// `gpu` or `cpu`.
    pub target: String,
    /// What was changed.
    #[serde(flatten)]
    pub instance: Instance,
    /// What the gate must do.
    pub purpose: Purpose,
    /// What it did.
    #[serde(flatten)]
    pub judged: Judged,
}

/// Instances by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Totals {
    /// Mutants that were applied, built and run and are not equivalent: killed and escaped.
    pub mutants: usize,
    /// Refused, as they must be.
    pub killed: usize,
    /// Accepted, and wrong as far as is known.
    pub escaped: usize,
    /// Accepted, and shown to be no other function.
    pub equivalent: usize,
    /// Not run: what they would be does not build.
    pub not_built: usize,
    /// Not run: nothing was changed.
    pub not_applied: usize,
    /// Harmless changes that were accepted.
    pub controls_passed: usize,
    /// Harmless changes that were refused.
    pub controls_refused: usize,
    /// Harmless changes of which nothing is known: no verdict in time.
    pub controls_late: usize,
}

impl Totals {
    /// Adds records up.
    pub fn of<'r>(records: impl IntoIterator<Item = &'r Record>) -> Self {
        let mut totals = Self::default();
        for record in records {
            let slot = match (record.purpose, &record.judged.fate) {
                (_, Fate::NotBuilt { .. }) => &mut totals.not_built,
                (_, Fate::NotApplied) => &mut totals.not_applied,
                (Purpose::Control, Fate::Refused(kill)) if kill.is_late() => {
                    &mut totals.controls_late
                }
                (Purpose::Control, Fate::Refused(_)) => &mut totals.controls_refused,
                (Purpose::Control, _) => &mut totals.controls_passed,
                (Purpose::Mutant, Fate::Refused(_)) => &mut totals.killed,
                (Purpose::Mutant, Fate::Equivalent { .. }) => &mut totals.equivalent,
                (Purpose::Mutant, Fate::Accepted { .. }) => &mut totals.escaped,
            };
            *slot += 1;
        }
        totals.mutants = totals.killed + totals.escaped;
        totals
    }

    /// The rate of escapes that N mutants without one exclude with 95 %; of the rate seen
    /// where there were escapes.
    pub fn escape_bound(&self) -> Option<f64> {
        (self.mutants > 0 && self.escaped == 0)
            .then(|| 1.0 - 0.05_f64.powf(1.0 / self.mutants as f64))
    }
}

/// Kills by kind and check.
pub(super) fn matrix(records: &[Record]) -> BTreeMap<(String, String), BTreeMap<String, usize>> {
    let mut matrix: BTreeMap<(String, String), BTreeMap<String, usize>> = BTreeMap::new();
    for record in records {
        if record.purpose != Purpose::Mutant {
            continue;
        }
        let key = (
            record.instance.place.name().to_owned(),
            record.instance.kind.clone(),
        );
        let column = match &record.judged.fate {
            Fate::Refused(kill) => kill.reason.clone(),
            Fate::Accepted { .. } => "escaped".into(),
            Fate::Equivalent { .. } => "equivalent".into(),
            Fate::NotBuilt { .. } => "not built".into(),
            Fate::NotApplied => continue,
        };
        *matrix.entry(key).or_default().entry(column).or_default() += 1;
    }
    matrix
}
