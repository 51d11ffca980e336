//! Wrong conditions.

use naga::{BinaryOperator as Op, Expression};

use super::{Operator, each, integers::with_operator, mutant};
use crate::kernel::{Edit, Kernel, edit::set};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "comparison_off_by_one",
        "a bound belongs to the other side",
        |kernel| {
            replaced(kernel, |op| match op {
                Op::Less => Some(Op::LessEqual),
                Op::LessEqual => Some(Op::Less),
                Op::Greater => Some(Op::GreaterEqual),
                Op::GreaterEqual => Some(Op::Greater),
                _ => None,
            })
        },
    ),
    mutant(
        "comparison_negated",
        "a comparison means the contrary",
        |kernel| {
            replaced(kernel, |op| match op {
                Op::Less => Some(Op::GreaterEqual),
                Op::LessEqual => Some(Op::Greater),
                Op::Greater => Some(Op::LessEqual),
                Op::GreaterEqual => Some(Op::Less),
                Op::Equal => Some(Op::NotEqual),
                Op::NotEqual => Some(Op::Equal),
                _ => None,
            })
        },
    ),
    mutant(
        "comparison_equal",
        "only the bound itself is inside",
        |kernel| {
            replaced(kernel, |op| match op {
                Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => Some(Op::Equal),
                _ => None,
            })
        },
    ),
    mutant("and_or", "one of two conditions is enough", |kernel| {
        replaced(kernel, |op| match op {
            Op::And | Op::LogicalAnd => Some(Op::LogicalOr),
            _ => None,
        })
    }),
    mutant(
        "or_and",
        "both conditions are needed where one is enough",
        |kernel| {
            replaced(kernel, |op| match op {
                Op::InclusiveOr | Op::LogicalOr => Some(Op::LogicalAnd),
                _ => None,
            })
        },
    ),
];

fn replaced(kernel: &Kernel, other: fn(Op) -> Option<Op>) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Binary { op, .. } if kernel.scalar(handle) == Some(naga::ScalarKind::Bool) => {
            let other = other(*op)?;
            Some(set(handle, move |old| with_operator(old, other)))
        }
        _ => None,
    })
}
