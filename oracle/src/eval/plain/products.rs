//! matmul, mlp and attention with sums in order.

use rayon::prelude::*;

use super::steps::{dot, softmax};
use crate::array::Array;
use crate::dtype::DType;
use crate::eval::activation::activation;
use crate::eval::attention::absent_below;
use crate::eval::gemm::transposed;
use crate::eval::movement::strides_for_broadcast;
use crate::eval::scalar::broadcast_index;
use crate::model::Model;
use crate::op::{ActivationKind, Op};
use crate::program::{Node, ValueId};

/// A matrix per batch, rows along the contracted dimension.
struct Lines {
    batches: Vec<Vec<f64>>,
    /// Length of a row.
    k: usize,
}

/// The matrices of `x`, transposed if asked.
fn lines(shape: &[usize], value: &[f64], transpose: bool) -> Lines {
    let (rows, columns) = match shape {
        [.., rows, columns] => (*rows, *columns),
        _ => (1, value.len()),
    };
    let batches = value.chunks((rows * columns).max(1));
    let cut = |part: &[f64]| match transpose {
        true => transposed(rows, columns, part),
        false => part.to_vec(),
    };
    Lines {
        batches: batches.map(cut).collect(),
        k: if transpose { rows } else { columns },
    }
}

/// matmul and mlp.
pub(super) fn of<'a>(node: &Node, get: &impl Fn(ValueId) -> &'a Array, model: &Model) -> Vec<f64> {
    let d = node.ty.dtype;
    let act = |kind: ActivationKind, x: f64| d.round(activation(kind, x, 0.0, model).0);
    match &node.op {
        Op::Matmul {
            a,
            b,
            bias,
            residual,
            transpose_a,
            transpose_b,
            activation,
        } => {
            let (a, b) = (get(*a), get(*b));
            let n = node.ty.shape.last().copied().unwrap_or(1);
            let mut y = matmul(node, (a, *transpose_a), (b, *transpose_b));
            for (at, y) in y.iter_mut().enumerate() {
                if let Some(bias) = bias.map(get) {
                    *y = d.round(*y + bias.value[at % n]);
                }
                if let Some(kind) = activation {
                    *y = act(*kind, *y);
                }
                if let Some(residual) = residual.map(get) {
                    *y = d.round(*y + residual.value[at]);
                }
            }
            y
        }
        Op::Mlp {
            x,
            up,
            down,
            gate,
            up_bias,
            down_bias,
            gate_bias,
            activation,
            transpose_weights,
        } => {
            let project = |x: &[f64], weight: ValueId, bias: Option<ValueId>| {
                let weight = get(weight);
                // Rows of the weight along its inputs.
                let weight = lines(&weight.ty.shape, &weight.value, !transpose_weights);
                let flat = weight.batches.first().map_or(&[][..], Vec::as_slice);
                let mut y = pairs(d, x, flat, weight.k);
                let n = flat.len() / weight.k.max(1);
                if let Some(bias) = bias.map(get) {
                    let add = |(at, y): (usize, &mut f64)| *y = d.round(*y + bias.value[at % n]);
                    y.iter_mut().enumerate().for_each(add);
                }
                y
            };
            let x = &get(*x).value;
            let mut hidden = project(x, *up, *up_bias);
            match gate {
                None => hidden.iter_mut().for_each(|h| *h = act(*activation, *h)),
                Some(gate) => {
                    let gate = project(x, *gate, *gate_bias);
                    for (h, g) in hidden.iter_mut().zip(gate) {
                        *h = d.round(*h * act(*activation, g));
                    }
                }
            }
            project(&hidden, *down, *down_bias)
        }
        _ => Vec::new(),
    }
}

fn matmul(
    node: &Node,
    (a, transpose_a): (&Array, bool),
    (b, transpose_b): (&Array, bool),
) -> Vec<f64> {
    let rank = node.ty.shape.len();
    let batch_shape = &node.ty.shape[..rank - 2];
    let strides =
        |x: &Array| strides_for_broadcast(&x.ty.shape[..x.ty.shape.len() - 2], batch_shape);
    let (a_of, b_of) = (strides(a), strides(b));
    let a = lines(&a.ty.shape, &a.value, transpose_a);
    let b = lines(&b.ty.shape, &b.value, !transpose_b);
    let k = a.k;
    if k == 0 || node.ty.elements() == 0 {
        return vec![0.0; node.ty.elements()];
    }
    let batches: usize = batch_shape.iter().product();
    let one = |batch: usize| {
        let a = &a.batches[broadcast_index(batch, batch_shape, &a_of)];
        let b = &b.batches[broadcast_index(batch, batch_shape, &b_of)];
        pairs(node.ty.dtype, a, b, k)
    };
    (0..batches).flat_map(one).collect()
}

/// Every row of a with every row of b.
fn pairs(d: DType, a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let k = k.max(1);
    let row = |a: &[f64]| b.chunks(k).map(|b| dot(d, a, b)).collect::<Vec<_>>();
    a.par_chunks(k).flat_map_iter(row).collect()
}

/// One row of scores after the other.
pub(super) fn attention<'a>(node: &Node, get: &impl Fn(ValueId) -> &'a Array) -> Vec<f64> {
    let Op::Attention {
        q,
        k,
        v,
        mask,
        causal,
        scale,
    } = &node.op
    else {
        return Vec::new();
    };
    let (q, k, v, mask) = (get(*q), get(*k), get(*v), mask.map(get));
    let [batch, heads, rows, depth] = [0, 1, 2, 3].map(|at| q.ty.shape[at]);
    let (kv_heads, keys, width) = (k.ty.shape[1], k.ty.shape[2], v.ty.shape[3]);
    let d = node.ty.dtype;
    let scale = scale.map_or(1.0 / (depth.max(1) as f64).sqrt(), f64::from);
    let shape = [batch, heads, rows, keys];
    let mask = mask.map(|mask| (mask, strides_for_broadcast(&mask.ty.shape, &shape)));
    let row = |at: usize| {
        let (plane, i) = (at / rows, at % rows);
        let kv = plane / heads * kv_heads + plane % heads * kv_heads / heads;
        let query = &q.value[at * depth..(at + 1) * depth];
        let end = if *causal {
            (i + keys + 1).saturating_sub(rows).min(keys)
        } else {
            keys
        };
        let score = |j: usize| {
            let start = (kv * keys + j) * depth;
            let product = dot(d, query, &k.value[start..start + depth]);
            let scaled = d.round(scale * product);
            let Some((mask, strides)) = &mask else {
                return scaled;
            };
            let added = mask.value[broadcast_index(at * keys + j, &shape, strides)];
            match added <= absent_below(mask.ty.dtype) {
                true => f64::NEG_INFINITY,
                false => d.round(scaled + added),
            }
        };
        let scores: Vec<f64> = (0..end).map(score).collect();
        if scores.iter().all(|s| *s == f64::NEG_INFINITY) {
            return vec![0.0; width];
        }
        let p = softmax(d, &scores);
        let value = |c: usize| {
            let term = |(j, p): (usize, &f64)| p * v.value[(kv * keys + j) * width + c];
            p.iter()
                .enumerate()
                .map(term)
                .fold(0.0, |sum, x| d.round(sum + x))
        };
        (0..width).map(value).collect()
    };
    (0..batch * heads * rows)
        .into_par_iter()
        .flat_map_iter(row)
        .collect()
}
