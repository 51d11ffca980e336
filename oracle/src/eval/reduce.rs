//! Reductions over axes (linalg.reduce), optionally from an initial value.
//!
//! # Bound
//! add: Σ δ + gamma_n·Σ(|x|+δ), 0 where every partial sum is an f32 (see `matmul.rs`).
//! mul: Π(|x|+δ)·(1 + gamma_n) - Π|x|. max and min round nothing; the error is the largest
//! δ among elements that may win. Integers are exact, and wrap.

use rayon::prelude::*;

use super::EvalError;
use super::elementwise::{integer, wrap};
use super::movement::row_major;
use super::scalar::{broadcast_index, grid, sums_exactly};
use crate::array::Array;
use crate::dtype::DType;
use crate::model::Model;
use crate::op::{BinaryKind, ReduceKind};
use crate::program::Node;

pub(crate) fn reduce(
    x: &Array,
    init: Option<&Array>,
    kind: ReduceKind,
    axes: &[usize],
    node: &Node,
    model: &Model,
) -> Result<Array, EvalError> {
    let ty = &node.ty;
    let shape = &x.ty.shape;
    let strides = row_major(shape);
    let pick = |keep: &dyn Fn(usize) -> bool| -> (Vec<usize>, Vec<usize>) {
        (0..shape.len())
            .filter(|&d| keep(d))
            .map(|d| (shape[d], strides[d]))
            .unzip()
    };
    let (outer_shape, outer_strides) = pick(&|d| !axes.contains(&d));
    let (inner_shape, inner_strides) = pick(&|d| axes.contains(&d));
    let count: usize = inner_shape.iter().product();
    let line = |o: usize| {
        let base = broadcast_index(o, &outer_shape, &outer_strides);
        let start = init.map(|i| (i.value[o], i.bound[o]));
        let inner_shape = &inner_shape;
        let inner_strides = &inner_strides;
        start.into_iter().chain((0..count).map(move |i| {
            let at = base + broadcast_index(i, inner_shape, inner_strides);
            (x.value[at], x.bound[at])
        }))
    };
    let elements = ty.elements();
    if !ty.dtype.is_float() {
        let mut value = Vec::with_capacity(elements);
        for o in 0..elements {
            value.push(integers(line(o), kind, o, node)?);
        }
        return Ok(Array::exact(ty.clone(), value));
    }
    let pairs = (0..elements)
        .into_par_iter()
        .map(|o| {
            let (y, error) = match kind {
                ReduceKind::Add => sum(line(o), model),
                ReduceKind::Mul => product(line(o), model),
                ReduceKind::Max => extreme(line(o), 1.0),
                ReduceKind::Min => extreme(line(o), -1.0),
            };
            model.store(ty.dtype, y, error)
        })
        .collect();
    Ok(Array::from_pairs(ty.clone(), pairs))
}

fn sum(terms: impl Iterator<Item = (f64, f64)>, model: &Model) -> (f64, f64) {
    let (mut y, mut magnitude, mut moved) = (0.0, 0.0, 0.0);
    let (mut count, mut step) = (0usize, i32::MAX / 4);
    for (x, d) in terms {
        y += x;
        magnitude += x.abs();
        moved += d;
        count += usize::from(x != 0.0 || d != 0.0);
        step = step.min(grid(x));
    }
    let exact = moved == 0.0 && (count <= 1 || sums_exactly(magnitude, step));
    let error = moved + model.gamma(count.saturating_sub(1)) * (magnitude + moved);
    let overflows = model.device && magnitude + moved > DType::F32.max_finite();
    match (exact, overflows) {
        (true, _) => (y, 0.0),
        (_, true) => (y, f64::INFINITY),
        _ => (y, error),
    }
}

fn product(terms: impl Iterator<Item = (f64, f64)>, model: &Model) -> (f64, f64) {
    let (mut y, mut high, mut count, mut largest) = (1.0f64, 1.0f64, 0usize, 1.0f64);
    for (x, d) in terms {
        y *= x;
        high *= x.abs() + d;
        largest *= (x.abs() + d).max(1.0);
        count += usize::from(x.abs() != 1.0 || d != 0.0);
    }
    let moved = (high - y.abs()).max(0.0);
    let rounding = if count <= 1 {
        0.0
    } else {
        model.gamma(count - 1)
    };
    // Some order of the factors may overflow on the way.
    let overflows = model.device && largest > DType::F32.max_finite();
    (
        y,
        if overflows {
            f64::INFINITY
        } else {
            moved + rounding * high
        },
    )
}

fn extreme(terms: impl Iterator<Item = (f64, f64)>, sign: f64) -> (f64, f64) {
    let terms: Vec<(f64, f64)> = terms.collect();
    let mut best = -f64::INFINITY;
    for &(x, _) in &terms {
        if x.is_nan() {
            return (f64::NAN, f64::INFINITY);
        }
        best = f64::max(best, sign * x);
    }
    // The winner on the device lies between the largest lower and the largest upper end.
    let ends = |side: f64| {
        terms.iter().fold(-f64::INFINITY, |m, &(x, d)| {
            f64::max(m, sign * x + side * d)
        })
    };
    let (low, high) = (ends(-1.0), ends(1.0));
    let error = if low == high {
        0.0
    } else {
        (high - best).max(best - low)
    };
    (sign * best, error)
}

fn integers(
    terms: impl Iterator<Item = (f64, f64)>,
    kind: ReduceKind,
    element: usize,
    node: &Node,
) -> Result<f64, EvalError> {
    let (start, op) = match kind {
        ReduceKind::Add => (0, BinaryKind::Add),
        ReduceKind::Mul => (1, BinaryKind::Mul),
        ReduceKind::Max => (i64::MIN, BinaryKind::Maximum),
        ReduceKind::Min => (i64::MAX, BinaryKind::Minimum),
    };
    let mut y = start;
    for (x, _) in terms {
        y = wrap(integer(op, y, x as i64), node.ty.dtype);
    }
    // An empty max or min: the identity of the element type.
    let y = if node.ty.dtype == DType::I32 {
        y.clamp(i32::MIN.into(), i32::MAX.into())
    } else {
        y
    };
    super::elementwise::representable(y, element, node)
}
