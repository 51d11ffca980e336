//! Sums and rows, one rounding per step.

use crate::array::Array;
use crate::dtype::DType;
use crate::eval::rows::{Row, map_rows};
use crate::op::Op;
use crate::program::{Node, ValueId};

/// Σ a·b in order, one rounding per term (a fused multiply-add).
pub(super) fn dot(dtype: DType, a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .fold(0.0, |sum, (a, b)| dtype.round(sum + a * b))
}

/// Σ x in order, rounded after every term.
fn sum(dtype: DType, terms: impl Iterator<Item = f64>) -> f64 {
    terms.fold(0.0, |sum, x| dtype.round(sum + x))
}

/// Softmax of one row; -inf means absent.
pub(super) fn softmax(dtype: DType, row: &[f64]) -> Vec<f64> {
    // NaN stays in the row: x - max is NaN for it.
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let power = |&x: &f64| dtype.round(dtype.round(x - max).exp());
    let powers: Vec<f64> = row.iter().map(power).collect();
    let total = sum(dtype, powers.iter().copied());
    powers.iter().map(|p| dtype.round(p / total)).collect()
}

/// softmax, layer_norm and rms_norm.
pub(super) fn rows<'a>(node: &Node, get: &impl Fn(ValueId) -> &'a Array) -> Vec<f64> {
    let d = node.ty.dtype;
    let weight = |id: Option<ValueId>, default: f64| {
        let array = id.map(get);
        move |j: usize| array.map_or(default, |array| array.value[j])
    };
    let put = |out: &mut [(f64, f64)], values: &mut dyn Iterator<Item = f64>| {
        out.iter_mut().zip(values).for_each(|(o, y)| *o = (y, 0.0));
    };
    let array = match &node.op {
        Op::Softmax { x, axis } => map_rows(get(*x), *axis, |row: Row, out| {
            put(out, &mut softmax(d, row.value).into_iter());
        }),
        Op::LayerNorm {
            x,
            gamma,
            beta,
            axis,
            epsilon,
        } => {
            let (gamma, beta) = (weight(*gamma, 1.0), weight(*beta, 0.0));
            map_rows(get(*x), *axis, |row: Row, out| {
                let n = row.value.len() as f64;
                let mean = d.round(sum(d, row.value.iter().copied()) / n);
                let centred: Vec<f64> = row.value.iter().map(|x| d.round(x - mean)).collect();
                let scale = reciprocal_root(d, &centred, *epsilon);
                let y = |(j, c): (usize, &f64)| {
                    let z = d.round(d.round(c * scale) * gamma(j));
                    d.round(z + beta(j))
                };
                put(out, &mut centred.iter().enumerate().map(y));
            })
        }
        Op::RmsNorm {
            x,
            gamma,
            axis,
            epsilon,
        } => {
            let gamma = weight(*gamma, 1.0);
            map_rows(get(*x), *axis, |row: Row, out| {
                let scale = reciprocal_root(d, row.value, *epsilon);
                let y = |(j, x): (usize, &f64)| d.round(d.round(x * scale) * gamma(j));
                put(out, &mut row.value.iter().enumerate().map(y));
            })
        }
        _ => return Vec::new(),
    };
    array.value
}

/// 1/√(mean x² + ε).
fn reciprocal_root(d: DType, x: &[f64], epsilon: f32) -> f64 {
    let square = sum(d, x.iter().map(|x| d.round(x * x)));
    let mean = d.round(square / x.len() as f64);
    d.round(1.0 / d.round(mean + f64::from(epsilon)).sqrt())
}
