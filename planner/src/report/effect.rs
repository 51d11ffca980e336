//! One-factor analysis of variance: how much of the spread of a number goes with the
//! group it is in.
//!
//! The sum of squares between groups by the total is eta squared (Fisher 1925). Times
//! are neither normal nor spread alike, so the p-value is that of a permutation test:
//! the share of random orders that part the groups at least as well, the found one
//! counted (Phipson and Smyth 2010, so it is never 0).
//!
//! Limits: at most [`PERMUTATIONS`] orders, fewer from 1,000 numbers on and never
//! below 99, so 10,000 numbers cost 10^6 steps; p is at least 1 by the orders plus 1.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// Random orders that a p-value is counted from.
pub const PERMUTATIONS: usize = 999;
/// Numbers moved in all orders together.
const MOVES: usize = 1_000_000;
/// Share of the total below which sums of squares are rounding.
const ROUNDING: f64 = 1e-9;

/// What a grouping explains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Sum of squares between groups by the total, 0 to 1.
    pub eta_squared: f64,
    /// Mean square between groups by that within; `None` where nothing is left within.
    pub f: Option<f64>,
    /// Share of random orders that explain as much, 0 to 1.
    pub p: f64,
    /// The groups, in order of their index.
    pub groups: Vec<Group>,
}

/// The numbers of one group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
}

/// What the groups explain of the values: value `i` is in group `of[i]`. `None` for
/// less than two groups with a value, for values that are all the same or not finite,
/// and for lists of different lengths.
pub fn effect(values: &[f64], of: &[usize], seed: u64) -> Option<Effect> {
    if values.len() != of.len() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut indices = BTreeMap::new();
    for group in of {
        let next = indices.len();
        indices.entry(*group).or_insert(next);
    }
    // In order of the caller's index, not of the first value.
    indices.values_mut().enumerate().for_each(|(i, it)| *it = i);
    let of: Vec<usize> = of.iter().map(|group| indices[group]).collect();
    let groups = indices.len();
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    // Sums of squares around the mean keep their digits.
    let mut centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let total: f64 = centred.iter().map(|it| it * it).sum();
    let scale = mean.abs().max(f64::MIN_POSITIVE) * 1e-12;
    if groups < 2 || total <= scale * scale * count as f64 {
        return None;
    }
    let mut counts = vec![0_usize; groups];
    of.iter().for_each(|group| counts[*group] += 1);
    let sums = |values: &[f64]| {
        let mut sums = vec![0.0; groups];
        for (value, group) in values.iter().zip(&of) {
            sums[*group] += value;
        }
        sums
    };
    let squares = |sums: &[f64]| -> f64 {
        let each = sums.iter().zip(&counts);
        each.map(|(sum, count)| sum * sum / *count as f64).sum()
    };
    let found = sums(&centred);
    let between = squares(&found);
    let within = total - between;
    let mut rng = Rng::with_seed(seed);
    let orders = (MOVES / count).clamp(99, PERMUTATIONS);
    let mut as_much = 1;
    for _ in 0..orders {
        rng.shuffle(&mut centred);
        as_much += usize::from(squares(&sums(&centred)) >= between - ROUNDING * total);
    }
    let freedom = count.saturating_sub(groups);
    let f = (freedom > 0 && within > ROUNDING * total)
        .then(|| (between / (groups - 1) as f64) / (within / freedom as f64));
    let group = |(sum, count): (&f64, &usize)| Group {
        count: *count,
        mean: mean + sum / *count as f64,
    };
    Some(Effect {
        eta_squared: (between / total).clamp(0.0, 1.0),
        f,
        p: as_much as f64 / (orders + 1) as f64,
        groups: found.iter().zip(&counts).map(group).collect(),
    })
}
