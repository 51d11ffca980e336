//! How plans keep their speedup from size to size.

use serde::{Deserialize, Serialize};

use super::{
    Run, SizeTime,
    number::{digits, factor},
    summary,
};

/// A plan at every size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    /// The attempt's id.
    pub id: String,
    /// The how many-th attempt it was, from 1.
    pub attempt: Option<usize>,
    /// Its time and speedup at each size.
    pub sizes: Vec<SizeTime>,
    /// The least speedup.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Stability {
    /// What the columns of a table are called.
    pub(super) const HEAD: [&str; 4] = ["attempt", "least", "most", "speedup (ms) by size"];

    /// Its row of such a table, as plain text.
    pub(super) fn cells(&self) -> [String; 4] {
        let size = |it: &SizeTime| {
            let speedup = factor(Some(it.speedup));
            format!("{}: {speedup} ({})", it.workload, digits(it.ms))
        };
        let sizes: Vec<String> = self.sizes.iter().map(size).collect();
        [
            self.attempt
                .map_or_else(|| "-".to_owned(), |it| it.to_string()),
            factor(Some(self.least)),
            factor(Some(self.most)),
            sizes.join(", "),
        ]
    }
}

/// The best plan and the fastest ones, where the run had several sizes.
pub(super) fn of(run: &Run) -> Vec<Stability> {
    let top = summary::top(run);
    let best = run.best.iter().map(|it| it.id.clone());
    let mut ids: Vec<String> = best.collect();
    let others = top.into_iter().map(|it| it.id);
    ids.extend(others.filter(|id| Some(id) != run.best.as_ref().map(|it| &it.id)));
    let row = |id: String| {
        let sizes = run.sizes.get(&id)?.clone();
        let speedups = sizes.iter().map(|it| it.speedup);
        let place = run.attempts.iter().position(|it| it.id == id);
        Some(Stability {
            attempt: place.map(|index| index + 1),
            least: speedups.clone().fold(f64::INFINITY, f64::min),
            most: speedups.fold(0.0, f64::max),
            id,
            sizes,
        })
    };
    ids.into_iter().filter_map(row).collect()
}
