//! matmul: y = activation(a·b + bias) + residual.
//!
//! # Bound
//! The bias, and the residual when no activation stands between, may be the accumulator's
//! start or be added at the end; they are further terms of the same sum. With t terms,
//! of which zeros are not counted because adding an exact zero rounds nothing,
//! |ĉ - c| <= Σ(|a|+δa)(|b|+δb) - Σ|a||b| + gamma_t · Σ(|a|+δa)(|b|+δb)
//! in any order, fused multiply-add or not (Higham, section 3.1). f16 operands are exact in
//! f32, so they add nothing.
//!
//! Exact, bound 0, when every term is free of error and
//! - t <= 1 and the result is an f32; or
//! - every product, the bias and the residual are integer multiples of one power of two 2^g
//!   (g >= -126) and Σ|terms| <= 2^24·2^g: then every partial sum in any order is an f32.
//!   Integers are g = 0, powers of two and their sums any other g.
//!
//! Activation, a later residual and storage follow by their own rules.
//!
//! # Typical size
//! Rounding errors of many additions largely cancel: where no term carries an error of its
//! own, 6·√t·u·Σ|terms| takes the place of gamma_t·Σ|terms|, and the rest follows by the same
//! rules. The largest seen over orders, shapes and values was 1.4·√t·u. Equal terms round
//! alike, so where a row of a and a column of b are constant the bound itself is typical.

use rayon::prelude::*;

use super::activation::activation;
use super::gemm::{gemm, transposed};
use super::movement::strides_for_broadcast;
use super::{EvalError, scalar};
use crate::array::Array;
use crate::dtype::DType;
use crate::model::Model;
use crate::op::ActivationKind;
use crate::program::TensorType;

/// Operands and attributes, already validated.
pub(crate) struct Matmul<'a> {
    pub a: &'a Array,
    pub b: &'a Array,
    pub bias: Option<&'a Array>,
    pub residual: Option<&'a Array>,
    pub transpose_a: bool,
    pub transpose_b: bool,
    pub activation: Option<ActivationKind>,
}

/// A matrix with what the bound needs to know of its rows (or columns, for b).
struct Side {
    value: Vec<f64>,
    magnitude: Vec<f64>,
    /// |value| + bound, absent when every bound is 0.
    reach: Option<Vec<f64>>,
    lines: Vec<Line>,
}

/// One row of a or one column of b.
#[derive(Clone, Copy)]
struct Line {
    nonzeros: usize,
    /// Exponent of the largest power of two dividing every element; huge if all are 0.
    grid: i32,
    clean: bool,
    /// Every element so far is this one.
    uniform: Option<f64>,
    empty: bool,
}

/// Value, bound, typical size of the error.
type Element = [f64; 3];

/// One term of a sum that is not a product: value and error.
type Term = (f64, f64);

pub(crate) fn matmul(args: &Matmul, ty: &TensorType, model: &Model) -> Result<Array, EvalError> {
    let (a_dims, b_dims) = (
        dims(args.a, args.transpose_a),
        dims(args.b, args.transpose_b),
    );
    let (m, k, n) = (a_dims.0, a_dims.1, b_dims.1);
    if ty.elements() == 0 {
        return Ok(Array::exact(ty.clone(), Vec::new()));
    }
    let rank = ty.shape.len();
    let batch_shape = &ty.shape[..rank - 2];
    let batch_a = &args.a.ty.shape[..args.a.ty.shape.len() - 2];
    let batch_b = &args.b.ty.shape[..args.b.ty.shape.len() - 2];
    let a_of = strides_for_broadcast(batch_a, batch_shape);
    let b_of = strides_for_broadcast(batch_b, batch_shape);
    let sides_a = sides(args.a, args.transpose_a, (m, k), false);
    let sides_b = sides(args.b, args.transpose_b, (k, n), true);
    let batches: usize = batch_shape.iter().product();
    let blocks = (0..batches)
        .into_par_iter()
        .map(|batch| {
            let side_a = &sides_a[scalar::broadcast_index(batch, batch_shape, &a_of)];
            let side_b = &sides_b[scalar::broadcast_index(batch, batch_shape, &b_of)];
            product(args, (side_a, side_b), (m, k, n), batch, ty.dtype, model)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut out = Array::exact(ty.clone(), Vec::with_capacity(ty.elements()));
    let mut typical = Vec::with_capacity(ty.elements());
    for [value, bound, usual] in blocks.into_iter().flatten() {
        out.value.push(value);
        out.bound.push(bound);
        typical.push(usual);
    }
    let operands = [Some(args.a), Some(args.b), args.bias, args.residual];
    let clean = operands.into_iter().flatten().all(Array::is_clean);
    out.typical = (model.device && clean).then_some(typical);
    Ok(out)
}

fn dims(x: &Array, transpose: bool) -> (usize, usize) {
    let rank = x.ty.shape.len();
    let (r, c) = (x.ty.shape[rank - 2], x.ty.shape[rank - 1]);
    if transpose { (c, r) } else { (r, c) }
}

fn sides(
    x: &Array,
    transpose: bool,
    (rows, columns): (usize, usize),
    by_column: bool,
) -> Vec<Side> {
    let size = rows * columns;
    // K = 0: every batch is an empty matrix.
    let batches: usize = x.ty.shape[..x.ty.shape.len() - 2].iter().product();
    (0..batches)
        .into_par_iter()
        .map(|batch| {
            let take = |data: &[f64]| {
                let part = &data[batch * size..(batch + 1) * size];
                if transpose {
                    transposed(columns, rows, part)
                } else {
                    part.to_vec()
                }
            };
            let value = take(&x.value);
            let bound = take(&x.bound);
            let magnitude: Vec<f64> = value.iter().map(|v| v.abs()).collect();
            let clean = bound.iter().all(|&b| b == 0.0);
            let reach = (!clean).then(|| {
                magnitude
                    .iter()
                    .zip(&bound)
                    .map(|(v, b)| v + b)
                    .collect::<Vec<_>>()
            });
            let lines = if by_column {
                let mut lines = vec![Line::EMPTY; columns];
                for (i, (&v, &b)) in value.iter().zip(&bound).enumerate() {
                    lines[i % columns].add(v, b);
                }
                lines
            } else {
                let mut lines = vec![Line::EMPTY; rows];
                for (i, (&v, &b)) in value.iter().zip(&bound).enumerate() {
                    lines[i / columns].add(v, b);
                }
                lines
            };
            Side {
                value,
                magnitude,
                reach,
                lines,
            }
        })
        .collect()
}

impl Line {
    const EMPTY: Line = Line {
        nonzeros: 0,
        grid: i32::MAX / 4,
        clean: true,
        uniform: None,
        empty: true,
    };

    fn add(&mut self, value: f64, bound: f64) {
        if self.empty {
            (self.uniform, self.empty) = (Some(value), false);
        } else if self.uniform != Some(value) {
            self.uniform = None;
        }
        if value != 0.0 || bound != 0.0 {
            self.nonzeros += 1;
            self.grid = self.grid.min(scalar::grid(value));
            self.clean &= bound == 0.0;
        }
    }
}

fn product(
    args: &Matmul,
    (a, b): (&Side, &Side),
    (m, k, n): (usize, usize, usize),
    batch: usize,
    dtype: DType,
    model: &Model,
) -> Result<Vec<Element>, EvalError> {
    let sum = gemm(m, k, n, &a.value, &b.value)?;
    let magnitude = gemm(m, k, n, &a.magnitude, &b.magnitude)?;
    let reach = match (&a.reach, &b.reach) {
        (None, None) => None,
        (ra, rb) => {
            let ra = ra.as_ref().unwrap_or(&a.magnitude);
            let rb = rb.as_ref().unwrap_or(&b.magnitude);
            Some(gemm(m, k, n, ra, rb)?)
        }
    };
    let mut out = vec![[0.0; 3]; m * n];
    out.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
        for (j, element) in row.iter_mut().enumerate() {
            let at = i * n + j;
            let bias = args.bias.map(|x| (x.value[j], x.bound[j]));
            let residual = args
                .residual
                .map(|x| (x.value[batch * m * n + at], x.bound[batch * m * n + at]));
            let mut dot = Dot {
                value: sum[at],
                magnitude: magnitude[at],
                reach: reach.as_ref().map_or(magnitude[at], |r| r[at]),
                terms: a.lines[i].nonzeros.min(b.lines[j].nonzeros),
                grid: a.lines[i].grid.saturating_add(b.lines[j].grid),
                clean: a.lines[i].clean && b.lines[j].clean,
                uniform: a.lines[i].uniform.is_some() && b.lines[j].uniform.is_some(),
            };
            bias.into_iter().for_each(|t| dot.add(t));
            let last = match args.activation {
                None => {
                    residual.into_iter().for_each(|t| dot.add(t));
                    None
                }
                Some(_) => residual,
            };
            let finish = |error: f64| {
                let (mut y, mut error) = (dot.value, error);
                if let Some(kind) = args.activation {
                    (y, error) = activation(kind, y, error, model);
                }
                if let Some((r, dr)) = last {
                    y += r;
                    error = model.rounded(y, error + dr);
                }
                model.store(dtype, y, error)
            };
            let error = dot.error(model);
            let (value, bound) = finish(error);
            let usual = if dot.uniform {
                error
            } else {
                dot.typical(model).min(error)
            };
            let (_, typical) = finish(usual);
            *element = [value, bound, typical];
        }
    });
    Ok(out)
}

/// One sum of products and further terms.
struct Dot {
    value: f64,
    magnitude: f64,
    reach: f64,
    terms: usize,
    grid: i32,
    clean: bool,
    /// All products are equal.
    uniform: bool,
}

impl Dot {
    fn add(&mut self, (value, bound): Term) {
        self.value += value;
        self.magnitude += value.abs();
        self.reach += value.abs() + bound;
        if value != 0.0 || bound != 0.0 {
            self.terms += 1;
            self.grid = self.grid.min(scalar::grid(value));
            self.clean &= bound == 0.0;
        }
    }

    /// What the error of a sum of exact terms usually stays below.
    fn typical(&self, model: &Model) -> f64 {
        6.0 * (self.terms as f64).sqrt() * model.unit * self.magnitude
    }

    fn error(&self, model: &Model) -> f64 {
        if self.clean {
            let single = self.terms <= 1 && DType::F32.holds(self.value);
            if single || scalar::sums_exactly(self.magnitude, self.grid) {
                return 0.0;
            }
        }
        let propagated = if self.clean {
            0.0
        } else {
            (self.reach - self.magnitude).max(0.0)
        };
        let error = propagated + model.gamma(self.terms) * self.reach;
        // A partial sum beyond the f32 range may be infinite on the device.
        if model.device && self.reach > DType::F32.max_finite() {
            f64::INFINITY
        } else {
            error
        }
    }
}
