//! Masks: values chosen by a condition.

use naga::{Expression, Handle};

use super::{Operator, each, mutant};
use crate::kernel::{
    Edit, Kernel,
    edit::{operand, set},
};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "mask_dropped",
        "a masked value is used without its mask",
        |kernel| chosen(kernel, |(accept, _)| accept),
    ),
    mutant("mask_always", "every value is masked", |kernel| {
        chosen(kernel, |(_, reject)| reject)
    }),
    mutant("mask_inverted", "the other values are masked", |kernel| {
        each(kernel, |handle, expression| match expression {
            Expression::Select { .. } => Some(set(handle, |old| match old {
                Expression::Select {
                    condition,
                    accept,
                    reject,
                } => Expression::Select {
                    condition,
                    accept: reject,
                    reject: accept,
                },
                other => other,
            })),
            _ => None,
        })
    }),
];

type Sides = (Handle<Expression>, Handle<Expression>);

fn chosen(kernel: &Kernel, which: fn(Sides) -> Handle<Expression>) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Select { .. } => Some(operand(handle, move |old| match old {
            Expression::Select { accept, reject, .. } => Some(which((*accept, *reject))),
            _ => None,
        })),
        _ => None,
    })
}
