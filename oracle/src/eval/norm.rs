//! layer_norm and rms_norm over one axis.
//!
//! # layer_norm bound
//! For a kernel with two passes over the row (mean first, then the mean of squared
//! differences); E[x²] - μ² is not a correct kernel. Per row of n, inputs x̂ = x + ξ, |ξ| <= δ:
//! - mean: dμ = mean δ + gamma_(n+5)·mean|x̂| (n-1 sums, a division of 2.5 ULP);
//! - difference: dc_i = δ_i + dμ + u(|c_i| + δ_i + dμ), c_i = x_i - μ. The form
//!   x·rs - μ·rs rounds at |x_i| instead, which dμ covers because |x_i| <= n·mean|x|;
//! - variance: Σ c_i = 0 removes the first-order effect of dμ, so
//!   dv = 2 mean(|c|(δ + u(|c| + δ + dμ))) + mean dc² + gamma_(n+6)·mean(|c| + dc)²;
//! - rs = 1/√(v + ε): worst at the low side, 1/√max(v + ε - dv', ε(1-2u)) - rs with
//!   dv' = dv + u(v + ε + dv), plus 14u for inverseSqrt or sqrt and a division;
//! - y = c·rs·g + β: dc(rs + drs)(|g| + δg) + |c| drs(|g| + δg) + |c| rs δg + 3u|ẑĝ| + δβ + 2u|y|.
//!
//! Assurance rule 4 is this with (n+12)u + (dμ·rs)² for the relative error of rs.
//!
//! # rms_norm bound
//! The same with mean(x²) in the place of the variance:
//! dm = 2 mean(|x| δ) + mean δ² + gamma_(n+6)·mean(|x| + δ)².

use crate::array::Array;
use crate::dtype::DType;
use crate::eval::rows::{Row, map_rows};
use crate::model::Model;

pub(crate) fn layer_norm(
    x: &Array,
    gamma: Option<&Array>,
    beta: Option<&Array>,
    axis: i64,
    epsilon: f32,
    model: &Model,
) -> Array {
    let dtype = x.ty.dtype;
    map_rows(x, axis, |row, out| {
        let n = row.value.len() as f64;
        let u = model.unit;
        let mean = row.value.iter().sum::<f64>() / n;
        let dmean = row.bound.iter().sum::<f64>() / n
            + model.gamma(row.value.len() + 5) * mean_of(&row, |x, d| x.abs() + d);
        let off = |x: f64, d: f64| d + dmean + u * ((x - mean).abs() + d + dmean);
        let variance = mean_of(&row, |x, _| (x - mean) * (x - mean));
        let dvariance = mean_of(&row, |x, d| {
            let c = (x - mean).abs();
            2.0 * c * (d + u * (c + d + dmean)) + off(x, d).powi(2)
        }) + model.gamma(row.value.len() + 6)
            * mean_of(&row, |x, d| ((x - mean).abs() + off(x, d)).powi(2));
        let scale = reciprocal_root(variance, dvariance, epsilon, model);
        for (j, o) in out.iter_mut().enumerate() {
            let (x, d) = (row.value[j], row.bound[j]);
            *o = affine(
                (x - mean, off(x, d)),
                scale,
                at(gamma, j, 1.0),
                at(beta, j, 0.0),
                dtype,
                model,
            );
        }
    })
}

pub(crate) fn rms_norm(
    x: &Array,
    gamma: Option<&Array>,
    axis: i64,
    epsilon: f32,
    model: &Model,
) -> Array {
    let dtype = x.ty.dtype;
    map_rows(x, axis, |row, out| {
        let square = mean_of(&row, |x, _| x * x);
        let dsquare = mean_of(&row, |x, d| 2.0 * x.abs() * d + d * d)
            + model.gamma(row.value.len() + 6) * mean_of(&row, |x, d| (x.abs() + d).powi(2));
        let scale = reciprocal_root(square, dsquare, epsilon, model);
        for (j, o) in out.iter_mut().enumerate() {
            let element = (row.value[j], row.bound[j]);
            *o = affine(element, scale, at(gamma, j, 1.0), (0.0, 0.0), dtype, model);
        }
    })
}

fn mean_of(row: &Row, f: impl Fn(f64, f64) -> f64) -> f64 {
    let sum: f64 = row
        .value
        .iter()
        .zip(row.bound)
        .map(|(&x, &d)| f(x, d))
        .sum();
    sum / row.value.len() as f64
}

fn at(weight: Option<&Array>, j: usize, default: f64) -> (f64, f64) {
    weight.map_or((default, 0.0), |w| (w.value[j], w.bound[j]))
}

/// 1/√(v + ε) and its error.
fn reciprocal_root(v: f64, dv: f64, epsilon: f32, model: &Model) -> (f64, f64) {
    let (u, epsilon) = (model.unit, f64::from(epsilon));
    let w = v + epsilon;
    let root = 1.0 / w.sqrt();
    // Squares that underflow to zero leave epsilon alone.
    let flush = if model.device {
        f32::MIN_POSITIVE as f64
    } else {
        0.0
    };
    let lowest = (w - dv - u * (w + dv) - flush).max(epsilon * (1.0 - 2.0 * u));
    let high = 1.0 / lowest.sqrt();
    // The squares leave the f32 range long before the result does.
    let overflows = model.device && w + dv > DType::F32.max_finite();
    let error = if overflows {
        f64::INFINITY
    } else {
        high - root + 14.0 * u * high
    };
    (root, error)
}

/// (c·rs)·g + β with the errors of all four.
fn affine(
    (c, dc): (f64, f64),
    (rs, drs): (f64, f64),
    (g, dg): (f64, f64),
    (b, db): (f64, f64),
    dtype: DType,
    model: &Model,
) -> (f64, f64) {
    let u = model.unit;
    let z = c * rs;
    let dz = dc * (rs + drs) + c.abs() * drs;
    let y = z * g + b;
    let product = (z.abs() + dz) * (g.abs() + dg);
    let moved = product - (z * g).abs();
    let error = moved.max(0.0) + 3.0 * u * product + db + 2.0 * u * (y.abs() + moved + db);
    model.store(dtype, y, error)
}
