//! Wrong constants.

use naga::{Expression, Literal};

use super::{Operator, each, mutant};
use crate::kernel::{Edit, Kernel, edit::literal};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "integer_plus_one",
        "a size, stride or bound is one too large",
        |kernel| integers(kernel, |value| value.checked_add(1)),
    ),
    mutant(
        "integer_minus_one",
        "a size, stride or bound is one too small",
        |kernel| integers(kernel, |value| value.checked_sub(1)),
    ),
    mutant(
        "integer_doubled",
        "a size, stride or bound is doubled",
        |kernel| {
            integers(kernel, |value| {
                value.checked_mul(2).filter(|it| *it != value)
            })
        },
    ),
    mutant(
        "integer_halved",
        "a size, stride or bound is halved",
        |kernel| integers(kernel, |value| Some(value / 2).filter(|it| *it != value)),
    ),
    mutant("zero_not_zero", "a sum starts at 1e-3", |kernel| {
        floats(kernel, |value| (value == 0.0).then_some(1e-3))
    }),
    mutant(
        "constant_scaled",
        "a constant is 1 in 1000 too small",
        |kernel| floats(kernel, |value| (value != 0.0).then_some(value * 0.999)),
    ),
    mutant(
        "constant_negated",
        "a constant has the other sign",
        |kernel| floats(kernel, |value| (value != 0.0).then_some(-value)),
    ),
    mutant("constant_zero", "a constant is 0", |kernel| {
        floats(kernel, |value| (value != 0.0).then_some(0.0))
    }),
    mutant(
        "constant_tenfold",
        "a constant is ten times as large",
        |kernel| {
            let finite = |value: f64| value.abs() < 1e30;
            floats(kernel, move |value| {
                (value != 0.0 && finite(value)).then_some(value * 10.0)
            })
        },
    ),
    mutant(
        "condition_constant",
        "a constant condition is the contrary",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Literal(Literal::Bool(value)) => {
                    Some(literal(handle, Literal::Bool(!value)))
                }
                _ => None,
            })
        },
    ),
];

fn integers(kernel: &Kernel, other: impl Fn(i64) -> Option<i64>) -> Vec<Edit> {
    each(kernel, |handle, expression| {
        let Expression::Literal(value) = expression else {
            return None;
        };
        let new = match *value {
            Literal::I32(value) => Literal::I32(i32::try_from(other(i64::from(value))?).ok()?),
            Literal::U32(value) => Literal::U32(u32::try_from(other(i64::from(value))?).ok()?),
            Literal::I64(value) => Literal::I64(other(value)?),
            _ => return None,
        };
        Some(literal(handle, new))
    })
}

fn floats(kernel: &Kernel, other: impl Fn(f64) -> Option<f64>) -> Vec<Edit> {
    each(kernel, |handle, expression| {
        let Expression::Literal(value) = expression else {
            return None;
        };
        let new = match *value {
            Literal::F32(value) => {
                let new = other(f64::from(value))? as f32;
                Some(Literal::F32(new)).filter(|_| new.is_finite() && new != value)
            }
            _ => None,
        };
        Some(literal(handle, new?))
    })
}
