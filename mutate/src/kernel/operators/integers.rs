//! Wrong index arithmetic.

use naga::{BinaryOperator as Op, Expression, MathFunction};

use super::{Operator, each, mutant};
use crate::kernel::{
    Edit, Kernel,
    edit::{operand, set},
};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "index_sum_difference",
        "a sum of indices is a difference",
        |kernel| replaced(kernel, Op::Add, Op::Subtract),
    ),
    mutant(
        "index_difference_sum",
        "a difference of indices is a sum",
        |kernel| replaced(kernel, Op::Subtract, Op::Add),
    ),
    mutant(
        "index_product_sum",
        "a stride is added, not multiplied",
        |kernel| replaced(kernel, Op::Multiply, Op::Add),
    ),
    mutant(
        "index_quotient_remainder",
        "a remainder for a quotient of indices",
        |kernel| replaced(kernel, Op::Divide, Op::Modulo),
    ),
    mutant(
        "index_remainder_quotient",
        "a quotient for a remainder of indices",
        |kernel| replaced(kernel, Op::Modulo, Op::Divide),
    ),
    mutant(
        "index_left_term",
        "the second term of an index is ignored",
        |kernel| terms(kernel, true),
    ),
    mutant(
        "index_right_term",
        "the first term of an index is ignored",
        |kernel| terms(kernel, false),
    ),
    mutant("clamp_dropped", "an index is not clamped", |kernel| {
        clamps(kernel, true)
    }),
    mutant(
        "clamp_always",
        "an index is always the last one",
        |kernel| clamps(kernel, false),
    ),
    mutant(
        "clamp_other_side",
        "a clamp from the wrong side",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Math {
                    fun: MathFunction::Min | MathFunction::Max,
                    ..
                } if kernel.is_integer(handle) => Some(set(handle, |old| other_extreme(&old))),
                _ => None,
            })
        },
    ),
    mutant(
        "invocation_axis",
        "x for y, or y for x, of an invocation or workgroup",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::AccessIndex { base, index } if is_argument(kernel, *base) => {
                    let index = u32::from(*index == 0);
                    Some(set(handle, move |old| component(old, index)))
                }
                _ => None,
            })
        },
    ),
];

fn is_argument(kernel: &Kernel, handle: naga::Handle<Expression>) -> bool {
    let expression = &kernel.function().expressions[handle];
    matches!(expression, Expression::FunctionArgument(_))
}

fn component(old: Expression, index: u32) -> Expression {
    match old {
        Expression::AccessIndex { base, .. } => Expression::AccessIndex { base, index },
        other => other,
    }
}

fn replaced(kernel: &Kernel, from: Op, to: Op) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Binary { op, .. } if *op == from && kernel.is_integer(handle) => {
            Some(set(handle, move |old| with_operator(old, to)))
        }
        _ => None,
    })
}

/// The same operands under another operator.
pub fn with_operator(old: Expression, op: Op) -> Expression {
    match old {
        Expression::Binary { left, right, .. } => Expression::Binary { op, left, right },
        other => other,
    }
}

fn terms(kernel: &Kernel, first: bool) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Binary { op: Op::Add, .. } if kernel.is_integer(handle) => {
            Some(operand(handle, move |old| side(old, first)))
        }
        _ => None,
    })
}

/// One of the two operands.
pub fn side(old: &Expression, first: bool) -> Option<naga::Handle<Expression>> {
    match old {
        Expression::Binary { left, right, .. } => Some(if first { *left } else { *right }),
        Expression::Math { arg, arg1, .. } => {
            if first {
                Some(*arg)
            } else {
                *arg1
            }
        }
        _ => None,
    }
}

fn clamps(kernel: &Kernel, first: bool) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Math {
            fun: MathFunction::Min | MathFunction::Max,
            ..
        } if kernel.is_integer(handle) => Some(operand(handle, move |old| side(old, first))),
        _ => None,
    })
}

/// A minimum for a maximum and the other way round.
pub fn other_extreme(old: &Expression) -> Expression {
    match old.clone() {
        Expression::Math {
            fun,
            arg,
            arg1,
            arg2,
            arg3,
        } => Expression::Math {
            fun: match fun {
                MathFunction::Min => MathFunction::Max,
                MathFunction::Max => MathFunction::Min,
                other => other,
            },
            arg,
            arg1,
            arg2,
            arg3,
        },
        other => other,
    }
}
