//! attention: softmax(scale·q·kᵀ + mask)·v, one full row of scores at a time.
//!
//! Query i sees key j when the mask leaves it and, causal, j <= i + Sk - Sq. A mask value of
//! at most -1e9 (f16: -6e4) means absent. A row that sees nothing gives exactly 0.
//!
//! # Bound
//! Scores: with M = Σ(|q|+δq)(|k|+δk), the dot product of depth D costs
//! M - Σ|q||k| + gamma_(D+3)·M; the three extra roundings are the scale (rounded itself when
//! it defaults to 1/√D or when log2 e is folded into it) applied to q, k or the sum.
//! Adding the mask: u(|s| + |mask|) plus the mask's own error.
//! Probabilities: `softmax.rs`. Operands of half precision go with weights of half precision on
//! every matrix unit: exp(d_j) is then rounded before it meets v, in any direction, 2u' of it
//! with u' the type's unit, and below its normal range by one spacing, of the largest weight;
//! kernels whose device flushes there scale their weights. Result: Σ δp(|v|+δv) + Σ p δv + gamma_(2n+2)·Σ p|v| with n
//! visible keys, the second n for an online kernel's rescalings of the accumulator.

use rayon::prelude::*;

use super::EvalError;
use super::gemm::{gemm, transposed};
use super::movement::strides_for_broadcast;
use super::scalar::broadcast_index;
use super::softmax::softmax_row;
use crate::array::Array;
use crate::dtype::DType;
use crate::model::Model;
use crate::program::TensorType;

/// Operands and attributes, already validated.
pub(crate) struct Attention<'a> {
    pub q: &'a Array,
    pub k: &'a Array,
    pub v: &'a Array,
    pub mask: Option<&'a Array>,
    pub causal: bool,
    pub scale: Option<f32>,
}

/// Query rows per task.
const ROW_BLOCK: usize = 32;

/// Mask values at or below this mean absent.
pub(crate) fn absent_below(dtype: DType) -> f64 {
    if dtype == DType::F16 { -6e4 } else { -1e9 }
}

struct Sizes {
    heads: usize,
    kv_heads: usize,
    rows: usize,
    keys: usize,
    depth: usize,
    out_depth: usize,
    /// No element of q and k carries an error.
    clean: bool,
}

/// One kv head: kᵀ, v and what the bounds need of them.
struct Head {
    kt: Vec<f64>,
    kt_abs: Vec<f64>,
    kt_reach: Vec<f64>,
    v: Vec<f64>,
    v_abs: Vec<f64>,
    v_bound: Vec<f64>,
}

pub(crate) fn attention(
    args: &Attention,
    ty: &TensorType,
    model: &Model,
) -> Result<Array, EvalError> {
    if ty.elements() == 0 {
        return Ok(Array::exact(ty.clone(), Vec::new()));
    }
    let (q, k) = (&args.q.ty.shape, &args.k.ty.shape);
    let sizes = Sizes {
        heads: q[1],
        kv_heads: k[1],
        rows: q[2],
        keys: k[2],
        depth: q[3],
        out_depth: args.v.ty.shape[3],
        clean: args.q.is_clean() && args.k.is_clean(),
    };
    let heads = (0..q[0] * k[1])
        .into_par_iter()
        .map(|h| Head::new(args, h, &sizes))
        .collect::<Vec<_>>();
    let blocks = sizes.rows.div_ceil(ROW_BLOCK);
    let parts = (0..q[0] * sizes.heads * blocks)
        .into_par_iter()
        .map(|task| {
            let (plane, block) = (task / blocks, task % blocks);
            let (batch, head) = (plane / sizes.heads, plane % sizes.heads);
            let kv = batch * sizes.kv_heads + head * sizes.kv_heads / sizes.heads;
            let first = block * ROW_BLOCK;
            let last = (first + ROW_BLOCK).min(sizes.rows);
            row_block(
                args,
                &heads[kv],
                &sizes,
                plane,
                first..last,
                ty.dtype,
                model,
            )
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Array::from_pairs(ty.clone(), parts.concat()))
}

impl Head {
    fn new(args: &Attention, head: usize, s: &Sizes) -> Head {
        let cut = |data: &[f64], width: usize| {
            let size = s.keys * width;
            data[head * size..(head + 1) * size].to_vec()
        };
        let kt = transposed(s.keys, s.depth, &cut(&args.k.value, s.depth));
        let k_bound = transposed(s.keys, s.depth, &cut(&args.k.bound, s.depth));
        let kt_abs: Vec<f64> = kt.iter().map(|x| x.abs()).collect();
        let kt_reach = kt_abs.iter().zip(&k_bound).map(|(x, b)| x + b).collect();
        let v = cut(&args.v.value, s.out_depth);
        let v_abs = v.iter().map(|x| x.abs()).collect();
        Head {
            kt,
            kt_abs,
            kt_reach,
            v,
            v_abs,
            v_bound: cut(&args.v.bound, s.out_depth),
        }
    }
}

fn row_block(
    args: &Attention,
    head: &Head,
    s: &Sizes,
    plane: usize,
    rows: std::ops::Range<usize>,
    dtype: DType,
    model: &Model,
) -> Result<Vec<(f64, f64)>, EvalError> {
    let count = rows.len();
    let at = (plane * s.rows + rows.start) * s.depth;
    let q = &args.q.value[at..at + count * s.depth];
    let q_bound = &args.q.bound[at..at + count * s.depth];
    let q_abs: Vec<f64> = q.iter().map(|x| x.abs()).collect();
    let q_reach: Vec<f64> = q_abs.iter().zip(q_bound).map(|(x, b)| x + b).collect();
    let dot = gemm(count, s.depth, s.keys, q, &head.kt)?;
    let magnitude = gemm(count, s.depth, s.keys, &q_abs, &head.kt_abs)?;
    let reach = gemm(count, s.depth, s.keys, &q_reach, &head.kt_reach)?;
    let scale = args
        .scale
        .map_or(1.0 / (s.depth.max(1) as f64).sqrt(), f64::from);
    let gamma = model.gamma(s.depth + 3);

    let mut p = vec![0.0; count * s.keys];
    let mut dp = vec![0.0; count * s.keys];
    let mut visible = vec![0usize; count];
    let (mut score, mut error) = (vec![0.0; s.keys], vec![0.0; s.keys]);
    let mut pairs = vec![(0.0, 0.0); s.keys];
    for r in 0..count {
        let mask = MaskRow::new(args, s, plane, rows.start + r);
        for j in 0..s.keys {
            let i = r * s.keys + j;
            let Some((m, dm)) = mask.at(j) else {
                (score[j], error[j]) = (f64::NEG_INFINITY, 0.0);
                continue;
            };
            visible[r] += 1;
            let moved = if s.clean {
                0.0
            } else {
                (reach[i] - magnitude[i]).max(0.0)
            };
            score[j] = scale * dot[i] + m;
            error[j] = scale.abs() * (moved + gamma * reach[i]) + dm;
            if mask.values.is_some() {
                error[j] += model.unit * ((scale * dot[i]).abs() + m.abs() + error[j]);
            }
        }
        if visible[r] == 0 {
            continue;
        }
        softmax_row(&score, &error, model, &mut pairs);
        round_weights(args.v.ty.dtype, model, &mut pairs);
        for j in 0..s.keys {
            (p[r * s.keys + j], dp[r * s.keys + j]) = pairs[j];
        }
    }
    let v_reach: Vec<f64> = head
        .v_abs
        .iter()
        .zip(&head.v_bound)
        .map(|(x, b)| x + b)
        .collect();
    let value = gemm(count, s.keys, s.out_depth, &p, &head.v)?;
    let magnitude = gemm(count, s.keys, s.out_depth, &p, &v_reach)?;
    let from_p = gemm(count, s.keys, s.out_depth, &dp, &v_reach)?;
    let from_v = gemm(count, s.keys, s.out_depth, &p, &head.v_bound)?;
    let result = (0..count * s.out_depth).map(|i| {
        let n = visible[i / s.out_depth];
        if n == 0 {
            return (0.0, 0.0);
        }
        let rounding = model.gamma(2 * n + 2) * (magnitude[i] + from_p[i]);
        let bound = from_p[i] + from_v[i] + rounding;
        model.store(dtype, value[i], bound)
    });
    Ok(result.collect())
}

/// Adds what weights lose that are stored in the type of the values.
fn round_weights(dtype: DType, model: &Model, weights: &mut [(f64, f64)]) {
    if !model.device || dtype == DType::F32 {
        return;
    }
    let spacing = 2.0 * dtype.unit();
    let largest = weights.iter().fold(0.0f64, |most, it| most.max(it.0));
    for (weight, error) in weights {
        if *weight > 0.0 {
            *error += spacing * (*weight + *error + dtype.min_normal() * largest);
        }
    }
}

/// Which keys one query row sees, and what the mask adds.
struct MaskRow<'a> {
    values: Option<(&'a Array, usize, usize)>,
    /// Keys below this are inside the causal triangle.
    causal_end: usize,
}

impl<'a> MaskRow<'a> {
    fn new(args: &Attention<'a>, s: &Sizes, plane: usize, row: usize) -> Self {
        let causal_end = if args.causal {
            (row + s.keys + 1).saturating_sub(s.rows)
        } else {
            s.keys
        };
        let values = args.mask.map(|mask| {
            let shape = [args.q.ty.shape[0], s.heads, s.rows, s.keys];
            let strides = strides_for_broadcast(&mask.ty.shape, &shape);
            let start = broadcast_index((plane * s.rows + row) * s.keys, &shape, &strides);
            (mask, start, strides[3])
        });
        MaskRow { values, causal_end }
    }

    /// The mask's value and error at key `j`, or `None` when the key is absent.
    fn at(&self, j: usize) -> Option<(f64, f64)> {
        if j >= self.causal_end {
            return None;
        }
        let Some((mask, start, stride)) = self.values else {
            return Some((0.0, 0.0));
        };
        let i = start + j * stride;
        let value = mask.value[i];
        (value.is_nan() || value > absent_below(mask.ty.dtype)).then_some((value, mask.bound[i]))
    }
}
