//! mlp: down(act(x·up + b)), or gated down(act(x·gate + bg) ⊙ (x·up + b)).
//!
//! The bound is the composition of its parts (matmul, activation, product, matmul). For
//! half-precision types each part may be stored, because a kernel per matmul keeps the
//! hidden layer in a tensor of x's type; a fused kernel that rounds less stays inside.

use super::EvalError;
use super::elementwise::zip2;
use super::matmul::{Matmul, matmul};
use crate::array::Array;
use crate::model::Model;
use crate::op::ActivationKind;
use crate::program::TensorType;

/// Operands and attributes, already validated.
pub(crate) struct Mlp<'a> {
    pub x: &'a Array,
    pub up: &'a Array,
    pub down: &'a Array,
    pub gate: Option<&'a Array>,
    pub up_bias: Option<&'a Array>,
    pub down_bias: Option<&'a Array>,
    pub gate_bias: Option<&'a Array>,
    pub activation: ActivationKind,
    pub transpose_weights: bool,
}

pub(crate) fn mlp(args: &Mlp, ty: &TensorType, model: &Model) -> Result<Array, EvalError> {
    let (rows, width) = match args.x.ty.shape.split_last() {
        Some((&width, rows)) => (rows.iter().product::<usize>(), width),
        None => (1, 1),
    };
    let x = Array {
        ty: TensorType::new(args.x.ty.dtype, &[rows, width]),
        value: args.x.value.clone(),
        bound: args.x.bound.clone(),
        typical: None,
    };
    let columns = |weight: &Array| weight.ty.shape[usize::from(!args.transpose_weights)];
    let project = |x: &Array, weight: &Array, bias, activation| {
        let ty = TensorType::new(x.ty.dtype, &[rows, columns(weight)]);
        let product = Matmul {
            a: x,
            b: weight,
            bias,
            residual: None,
            transpose_a: false,
            transpose_b: args.transpose_weights,
            activation,
        };
        matmul(&product, &ty, model)
    };
    let hidden = match args.gate {
        None => project(&x, args.up, args.up_bias, Some(args.activation))?,
        Some(gate) => {
            let up = project(&x, args.up, args.up_bias, None)?;
            let gate = project(&x, gate, args.gate_bias, Some(args.activation))?;
            zip2(&gate, &up, &gate.ty, model, |(g, dg), (h, dh)| {
                let y = g * h;
                (y, model.rounded(y, g.abs() * dh + dg * h.abs() + dg * dh))
            })
        }
    };
    // Unfused, the projection and its activation may be stored one after the other; the
    // activation's slope of at most 1.13 carries the first rounding over.
    let hidden = if model.device && args.x.ty.dtype.unit() > model.unit {
        stored_again(hidden)
    } else {
        hidden
    };
    let y = project(&hidden, args.down, args.down_bias, None)?;
    Ok(Array {
        ty: ty.clone(),
        ..y
    })
}

/// Adds one more storage rounding to every inexact element.
fn stored_again(mut x: Array) -> Array {
    let dtype = x.ty.dtype;
    for (value, bound) in x.value.iter().zip(&mut x.bound) {
        if *bound > 0.0 {
            *bound += 1.13 * dtype.spacing(value.abs() + *bound);
        }
    }
    x
}
