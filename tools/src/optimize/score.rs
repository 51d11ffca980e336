//! One number for several sizes.
//!
//! The geometric mean of the speedups, where none counts for more than [`MOST`] times the
//! geometric mean of the others: however large one size's speedup, by luck or by a bogus
//! time, it cannot decide against the others. With one size it is that size's speedup.

/// By how much one size may stand above the others.
pub const MOST: f64 = 4.0;

/// The score of speedups at every size; `None` without any, or if one is no positive number.
pub fn score(speedups: &[f64]) -> Option<f64> {
    if speedups.is_empty() || !speedups.iter().all(|it| it.is_finite() && *it > 0.0) {
        return None;
    }
    let total: f64 = speedups.iter().map(|it| it.ln()).sum();
    let others = (speedups.len() - 1) as f64;
    let counted = speedups.iter().map(|it| match others > 0.0 {
        true => it.ln().min((total - it.ln()) / others + MOST.ln()),
        false => it.ln(),
    });
    Some((counted.sum::<f64>() / speedups.len() as f64).exp())
}

/// The geometric mean; of nothing it is no number.
pub(crate) fn geometric_mean(values: &[f64]) -> f64 {
    let logarithms: f64 = values.iter().map(|it| it.ln()).sum();
    (logarithms / values.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(speedups: &[f64], expected: f64) {
        let found = score(speedups).unwrap();
        assert!((found - expected).abs() < 1e-12, "{speedups:?}: {found}");
    }

    #[test]
    fn it_is_the_geometric_mean() {
        near(&[1.7], 1.7);
        near(&[100.0], 100.0);
        near(&[2.0, 0.5], 1.0);
        near(&[2.0, 4.0, 1.0], 2.0);
        // All sizes alike, however much.
        near(&[50.0, 50.0, 50.0], 50.0);
    }

    #[test]
    fn one_bogus_time_cannot_decide() {
        // 1e6 counts as 4 times the others' mean of 0.5.
        near(&[0.5, 0.5, 1e6], (0.5f64 * 0.5 * 2.0).cbrt());
        assert!(score(&[0.5, 0.5, 1e6]).unwrap() < 1.0);
    }

    #[test]
    fn what_is_no_speedup_has_no_score() {
        for wrong in [&[][..], &[0.0], &[1.0, f64::NAN], &[f64::INFINITY], &[-1.0]] {
            assert_eq!(score(wrong), None, "{wrong:?}");
        }
    }
}
