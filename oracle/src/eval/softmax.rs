//! softmax over one axis, and the row function attention shares.
//!
//! # Bound
//! Let d_i = x_i - max x, p_i = exp(d_i)/l, l = Σ exp(d_j), and let the device see x̂ with
//! |x̂_j - x_j| <= s_j.
//!
//! *Propagation.* p̂_i/p_i <= exp(s_i)·Σ p_j exp(s_j) =: exp(t_i) and >= exp(-t_i), because
//! Σ p_j exp(-s_j) >= 1/Σ p_j exp(s_j) (Cauchy-Schwarz). Worked out in logarithms, since p_i
//! itself may underflow; p̂ <= 1 caps it.
//!
//! *Rounding.* exp(x - max), or exp2 of the argument scaled by log2 e: the argument carries
//! 2u|d|, the function (3 + 2·1.443|d|) ULP, together at most (6 + 8|d|)u relative. The
//! same, averaged with weights p_j, is in l: A = Σ p_j (6 + 8|d_j|) u. Summation costs n·u;
//! an online kernel that rescales its partial sums pays 7u per rescaling, with at least 8
//! elements per block, so no more than n·u again (exp's 2|Δ| ULP telescope to 2|d|). Dividing, or
//! multiplying by the reciprocal, costs 6u, storing u:
//! relative error <= (6 + 8|d_i| + 2n + 8)u + A.
//! Results below 2^-126 may be flushed, an absolute error of n·2^-126.
//!
//! The constants replace assurance rule 3, (4(3 + 2|d|) + 2|d| + n + 93)u, which charges l
//! with the largest |d| instead of the weighted mean and has 93u of room.

use crate::array::Array;
use crate::eval::rows::map_rows;
use crate::model::Model;
use crate::program::TensorType;

pub(crate) fn softmax(x: &Array, axis: i64, ty: &TensorType, model: &Model) -> Array {
    map_rows(x, axis, |row, out| {
        softmax_row(row.value, row.bound, model, out);
        for element in out.iter_mut() {
            *element = model.store(ty.dtype, element.0, element.1);
        }
    })
}

/// Softmax of one row of scores with errors; -inf without error means absent: p = 0, exactly.
/// A row of absent elements only gives NaN (attention handles it before).
pub(crate) fn softmax_row(score: &[f64], error: &[f64], model: &Model, out: &mut [(f64, f64)]) {
    let n = score.iter().filter(|s| **s != f64::NEG_INFINITY).count();
    let u = model.unit;
    // NaN must reach every element of the row, and fold(f64::max) would drop it.
    let max = score.iter().fold(
        f64::NEG_INFINITY,
        |m, &s| if s > m || s.is_nan() { s } else { m },
    );
    let poisoned = score.iter().any(|s| s.is_nan())
        || error.iter().any(|e| !e.is_finite())
        || !max.is_finite();
    if poisoned {
        let l: f64 = score.iter().map(|s| (s - max).exp()).sum();
        for (o, s) in out.iter_mut().zip(score) {
            *o = ((s - max).exp() / l, f64::INFINITY);
        }
        return;
    }
    let l: f64 = score.iter().map(|s| (s - max).exp()).sum();
    let log_l = l.ln();
    let widest = error.iter().fold(0.0f64, |m, &e| if e > m { e } else { m });
    let clean = widest == 0.0;
    // ln Σ p_j exp(s_j) <= widest.
    let shift = if clean {
        0.0
    } else {
        let peak = |j: usize| score[j] - max - log_l + error[j];
        let top = (0..score.len()).map(peak).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..score.len()).map(|j| (peak(j) - top).exp()).sum();
        (top + sum.ln()).clamp(0.0, widest)
    };
    let rounding = |d: f64, e: f64| (6.0 + 8.0 * (d.abs() + e)) * u;
    let average: f64 = score
        .iter()
        .filter(|s| **s != f64::NEG_INFINITY)
        .map(|s| (s - max).exp() / l * rounding(s - max, widest))
        .sum();
    let fixed = (2 * n + 8) as f64 * u + average;
    let flush = if model.device {
        n as f64 * f32::MIN_POSITIVE as f64
    } else {
        0.0
    };
    for ((o, &s), &e) in out.iter_mut().zip(score).zip(error) {
        if s == f64::NEG_INFINITY {
            *o = (0.0, 0.0);
            continue;
        }
        let d = s - max;
        let p = d.exp() / l;
        let relative = fixed + rounding(d, widest + e);
        let (moved, high) = if clean {
            (0.0, p)
        } else {
            let t = e + shift;
            let high = (d - log_l + t).exp().min(1.0);
            let up = if t < 1.0 {
                (p * t.exp_m1()).min(1.0 - p)
            } else {
                high - p
            };
            let down = -p * (-t).exp_m1();
            (up.max(down).max(0.0), high.max(p))
        };
        *o = (p, moved + high * relative + flush);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rounding;

    fn row(score: &[f64], error: &[f64]) -> Vec<(f64, f64)> {
        let mut out = vec![(0.0, 0.0); score.len()];
        softmax_row(score, error, &Model::new(Rounding::Device), &mut out);
        out
    }

    #[test]
    fn two_equal_scores_share() {
        let out = row(&[3.0, 3.0], &[0.0, 0.0]);
        assert_eq!(out[0].0, 0.5);
        assert!(out[0].1 > 0.0 && out[0].1 < 4e-6);
    }

    #[test]
    fn propagated_error_covers_every_corner() {
        let score = [0.3, -2.0, 1.5, -40.0];
        for size in [1e-6, 0.01, 1.0, 50.0, 1000.0] {
            let error = [size, 0.5 * size, size, 2.0 * size];
            let out = row(&score, &error);
            for corner in 0..16u32 {
                let moved: Vec<f64> = (0..4)
                    .map(|j| {
                        score[j]
                            + if corner >> j & 1 == 1 {
                                error[j]
                            } else {
                                -error[j]
                            }
                    })
                    .collect();
                let p = row(&moved, &[0.0; 4]);
                for j in 0..4 {
                    let off = (p[j].0 - out[j].0).abs();
                    assert!(
                        off <= out[j].1,
                        "size {size} corner {corner} element {j}: {off}"
                    );
                    assert!(out[j].1.is_finite());
                }
            }
        }
    }

    #[test]
    fn absent_elements_are_exact_zeros() {
        let out = row(&[f64::NEG_INFINITY, 1.0], &[0.0, 0.0]);
        assert_eq!(out[0], (0.0, 0.0));
        assert_eq!(out[1].0, 1.0);
    }
}
