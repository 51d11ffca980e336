//! Result types: each op's rules on operand types, and the type they give.
//!
//! Operand ids are known to be defined. `declared` is consulted only where the operands do
//! not determine the result (reshape, cast, constant, added broadcast sizes, and whether
//! a product of half-precision operands is stored in f32).

mod layers;
mod movement;

use layers::{attention, matmul, mlp, rope};
use movement::{broadcast, concat, reduce, slice, transpose};

use crate::dtype::DType;
use crate::op::{BinaryKind, Op, UnaryKind};
use crate::program::{TensorType, ValueId};

type Inferred = Result<TensorType, String>;

/// The type of `op`'s result, or the rule it breaks.
pub(crate) fn infer<'a>(
    op: &Op,
    of: &dyn Fn(ValueId) -> &'a TensorType,
    declared: &TensorType,
) -> Inferred {
    match op {
        Op::Matmul { .. } => matmul(op, of, declared),
        Op::Attention { .. } => attention(op, of),
        Op::Mlp { .. } => mlp(op, of),
        Op::Rope { .. } => rope(op, of),
        Op::Softmax { x, axis } => {
            float(of(*x), "x")?;
            axis_index(*axis, of(*x))?;
            Ok(of(*x).clone())
        }
        Op::LayerNorm {
            x,
            gamma,
            beta,
            axis,
            epsilon,
        } => norm(
            of(*x),
            *axis,
            *epsilon,
            &[("gamma", gamma.map(of)), ("beta", beta.map(of))],
        ),
        Op::RmsNorm {
            x,
            gamma,
            axis,
            epsilon,
        } => norm(of(*x), *axis, *epsilon, &[("gamma", gamma.map(of))]),
        Op::Activation { x, .. } => float(of(*x), "x").map(|()| of(*x).clone()),
        Op::Unary { x, kind } => {
            let signed = matches!(kind, UnaryKind::Neg | UnaryKind::Abs);
            if !(signed && of(*x).dtype.is_integer()) {
                float(of(*x), "x")?;
            }
            Ok(of(*x).clone())
        }
        Op::Binary { a, b, kind } => binary(of(*a), of(*b), *kind),
        Op::Fma { a, b, c } => {
            float(of(*a), "a")?;
            same(of(*a), of(*b), "a", "b")?;
            same(of(*a), of(*c), "a", "c")?;
            Ok(of(*a).clone())
        }
        Op::Compare { a, b, .. } => {
            same(of(*a), of(*b), "a", "b")?;
            Ok(TensorType {
                dtype: DType::Bool,
                shape: of(*a).shape.clone(),
            })
        }
        Op::Select {
            condition,
            on_true,
            on_false,
        } => {
            same(of(*on_true), of(*on_false), "on_true", "on_false")?;
            let wanted = TensorType {
                dtype: DType::Bool,
                shape: of(*on_true).shape.clone(),
            };
            same(
                of(*condition),
                &wanted,
                "condition",
                "the bool type of on_true",
            )?;
            Ok(of(*on_true).clone())
        }
        Op::Cast { x } => {
            if of(*x).dtype.is_float() && declared.dtype == DType::Bool {
                return Err("float to bool has no meaning: compare with 0".to_owned());
            }
            Ok(TensorType {
                dtype: declared.dtype,
                shape: of(*x).shape.clone(),
            })
        }
        Op::Constant { .. } => Ok(declared.clone()),
        Op::Reshape { x } => {
            if of(*x).elements() != declared.elements() {
                return Err(format!("cannot reshape {} to {declared}", of(*x)));
            }
            Ok(TensorType {
                dtype: of(*x).dtype,
                shape: declared.shape.clone(),
            })
        }
        Op::Transpose { x, permutation } => transpose(of(*x), permutation),
        Op::Broadcast { x, dimensions } => broadcast(of(*x), dimensions, declared),
        Op::Slice {
            x,
            offsets,
            sizes,
            strides,
        } => {
            slice(of(*x), offsets, sizes, strides)?;
            Ok(TensorType {
                dtype: of(*x).dtype,
                shape: sizes.clone(),
            })
        }
        Op::InsertSlice {
            source,
            destination,
            offsets,
            sizes,
            strides,
        } => {
            slice(of(*destination), offsets, sizes, strides)?;
            let wanted = TensorType {
                dtype: of(*destination).dtype,
                shape: sizes.clone(),
            };
            same(of(*source), &wanted, "source", "the inserted slice")?;
            Ok(of(*destination).clone())
        }
        Op::Concat { inputs, axis } => {
            concat(&inputs.iter().map(|&id| of(id)).collect::<Vec<_>>(), *axis)
        }
        Op::Reduce { x, init, axes, .. } => reduce(of(*x), init.map(of), axes),
    }
}

/// Position of an axis that may count from the end.
pub(crate) fn axis_index(axis: i64, ty: &TensorType) -> Result<usize, String> {
    let rank = ty.shape.len() as i64;
    let from_start = if axis < 0 {
        axis.saturating_add(rank)
    } else {
        axis
    };
    if (0..rank).contains(&from_start) {
        Ok(from_start as usize)
    } else {
        Err(format!(
            "axis {axis} is outside [{}, {rank}) of type {ty}",
            -rank
        ))
    }
}

/// NumPy's broadcast of two shapes.
pub(crate) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], i: usize| {
        (i + shape.len())
            .checked_sub(rank)
            .map_or(1, |at| shape[at])
    };
    (0..rank)
        .map(|i| match (size(a, i), size(b, i)) {
            (m, n) if m == n => Ok(m),
            (1, n) => Ok(n),
            (m, 1) => Ok(m),
            (m, n) => Err(format!(
                "batch sizes {m} and {n} do not broadcast ({a:?}, {b:?})"
            )),
        })
        .collect()
}

fn float(ty: &TensorType, what: &str) -> Result<(), String> {
    if ty.dtype.is_float() {
        Ok(())
    } else {
        Err(format!("{what} is {ty}, must be a float tensor"))
    }
}

fn same(a: &TensorType, b: &TensorType, a_name: &str, b_name: &str) -> Result<(), String> {
    if a == b {
        Ok(())
    } else {
        Err(format!("{a_name} is {a} but {b_name} is {b}"))
    }
}

fn shape(ty: &TensorType, wanted: &[usize], what: &str) -> Result<(), String> {
    if ty.shape == wanted {
        Ok(())
    } else {
        Err(format!("{what} is {ty}, must have shape {wanted:?}"))
    }
}

fn norm(
    x: &TensorType,
    axis: i64,
    epsilon: f32,
    weights: &[(&str, Option<&TensorType>)],
) -> Inferred {
    float(x, "x")?;
    let size = x.shape[axis_index(axis, x)?];
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        return Err(format!(
            "epsilon is {epsilon}, must be finite and not negative"
        ));
    }
    for (what, weight) in weights {
        if let Some(weight) = weight {
            float(weight, what)?;
            shape(weight, &[size], what)?;
        }
    }
    Ok(x.clone())
}

fn binary(a: &TensorType, b: &TensorType, kind: BinaryKind) -> Inferred {
    same(a, b, "a", "b")?;
    let fits = match kind {
        BinaryKind::And | BinaryKind::Or | BinaryKind::Xor => a.dtype == DType::Bool,
        BinaryKind::Div | BinaryKind::Pow | BinaryKind::Maxnum | BinaryKind::Minnum => {
            a.dtype.is_float()
        }
        _ => a.dtype != DType::Bool,
    };
    if fits {
        Ok(a.clone())
    } else {
        Err(format!("{kind:?} is not defined on {a}"))
    }
}
