//! rope: rotates pairs of the last dimension by position · inverse frequency.
//!
//! Pair i of R/2 is (2i, 2i+1) when interleaved, else (i, i + R/2). Dimensions from R on are
//! copied exactly. inv_freq defaults to theta^(-2i/R).
//!
//! # Bound
//! Angle a = pos·f: 3u|a| for the product and the reduction to [-π, π]; without the inv_freq
//! operand f = exp2(-t), t = 2i/R·log2 theta, adds (6 + 8t)u relative for computing t (two
//! roundings and a logarithm) and exp2 on the device; nothing where t = 0, since exp2(0) and
//! pow(theta, 0) are 1 on every device known, though WGSL promises three units. sin and cos: σ absolute, 2^-11
//! by WGSL's guarantee. So δ = |a|·(9 + 8t)u + σ (|a|·3u + σ for t = 0), and
//! |error| <= δx1·|c| + δx2·|s| + (|x1|+δx1 + |x2|+δx2)·δ + 3u(|x1 c| + |x2 s|).

use rayon::prelude::*;

use crate::array::Array;
use crate::model::Model;

/// Operands and attributes, already validated.
pub(crate) struct Rope<'a> {
    pub x: &'a Array,
    pub positions: &'a Array,
    pub inv_freq: Option<&'a Array>,
    pub theta: f32,
    pub interleaved: bool,
    pub rotary_dim: Option<usize>,
}

/// Frequencies and their relative errors.
fn frequencies(args: &Rope, depth: usize, model: &Model) -> Vec<(f64, f64)> {
    if let Some(freq) = args.inv_freq {
        let relative = |(&f, &b): (&f64, &f64)| if b == 0.0 { 0.0 } else { b / f.abs() };
        return freq
            .value
            .iter()
            .zip(&freq.bound)
            .map(|fb| (*fb.0, relative(fb)))
            .collect();
    }
    let rotated = args.rotary_dim.unwrap_or(depth);
    let log_theta = f64::from(args.theta).log2();
    (0..rotated / 2)
        .map(|i| {
            let t = 2.0 * i as f64 / rotated as f64 * log_theta;
            let relative = if t == 0.0 { 0.0 } else { 6.0 + 8.0 * t.abs() };
            ((-t).exp2(), relative * model.unit)
        })
        .collect()
}

pub(crate) fn rope(args: &Rope, model: &Model) -> Array {
    let shape = &args.x.ty.shape;
    let (heads, sequence, depth) = (shape[1], shape[2], shape[3]);
    let freq = frequencies(args, depth, model);
    let half = freq.len();
    let per_batch = args.positions.ty.shape.len() == 2;
    let mut out: Vec<(f64, f64)> = args
        .x
        .value
        .iter()
        .copied()
        .zip(args.x.bound.iter().copied())
        .collect();
    if out.is_empty() {
        return Array::exact(args.x.ty.clone(), Vec::new());
    }
    out.par_chunks_mut(depth)
        .enumerate()
        .for_each(|(row, line)| {
            let s = row % sequence;
            let batch = row / (heads * sequence);
            let position = args.positions.value[if per_batch { batch * sequence + s } else { s }];
            for (i, &(f, df)) in freq.iter().enumerate() {
                let (at1, at2) = if args.interleaved {
                    (2 * i, 2 * i + 1)
                } else {
                    (i, i + half)
                };
                let angle = position * f;
                let delta = angle.abs() * (3.0 * model.unit + df) + model.absolute(model.sin_cos);
                let (sin, cos) = angle.sin_cos();
                let ((x1, d1), (x2, d2)) = (line[at1], line[at2]);
                let turned = |p: f64, q: f64, c: f64, s: f64, dp: f64, dq: f64| {
                    dp * c.abs()
                        + dq * s.abs()
                        + (p.abs() + dp + q.abs() + dq) * delta
                        + 3.0 * model.unit * ((p * c).abs() + (q * s).abs() + dp + dq)
                };
                let y1 = x1 * cos - x2 * sin;
                let y2 = x1 * sin + x2 * cos;
                let dtype = args.x.ty.dtype;
                line[at1] = model.store(dtype, y1, turned(x1, x2, cos, sin, d1, d2));
                line[at2] = model.store(dtype, y2, turned(x2, x1, cos, sin, d2, d1));
            }
        });
    Array::from_pairs(args.x.ty.clone(), out)
}
