//! The learning curve: what every attempt took, and the best until then.

use serde::{Deserialize, Serialize};

use super::time;
use crate::attempt::Attempt;

/// One attempt of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The how many-th, from 1.
    pub attempt: usize,
    /// Its milliseconds; `None` if it was refused.
    pub ms: Option<f64>,
    /// The best until then, itself included.
    pub best_ms: Option<f64>,
}

/// The curve of attempts in order.
pub(super) fn of(attempts: &[Attempt]) -> Vec<Point> {
    let mut best_ms: Option<f64> = None;
    let point = |(index, attempt)| {
        let ms = time(attempt);
        best_ms = match (best_ms, ms) {
            (Some(best), Some(ms)) => Some(best.min(ms)),
            (best, ms) => best.or(ms),
        };
        Point {
            attempt: index + 1,
            ms,
            best_ms,
        }
    };
    attempts.iter().enumerate().map(point).collect()
}
