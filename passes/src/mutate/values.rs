//! Mistakes in the arithmetic of kernels.

use kforge_dialect::ir;
use melior::{
    Context,
    ir::{OperationRef, Type, ValueLike, operation::OperationLike},
};

use super::{
    Level, Mutation, control,
    edit::{Edit, New, element, is_float, number, result_type},
    kernels::{named, renamed, result},
    mutant,
};
use crate::rewrite;

const KERNELS: Level = Level::Kernels;

pub static MUTATIONS: &[Mutation] = &[
    mutant(KERNELS, "exp_is_exp2", "exp2 for exp", |_, module| {
        renamed(module, "math.exp", "math.exp2")
    }),
    mutant(KERNELS, "exp_left_out", "exp is left out", |_, module| {
        kept(module, "math.exp", 0)
    }),
    mutant(
        KERNELS,
        "max_not_subtracted",
        "no maximum is subtracted before exp",
        |_, module| {
            let all = named(module, &["arith.subf"]).into_iter();
            all.filter(|op| feeds(*op, "math.exp"))
                .filter_map(|op| Some(Edit::Result(op, New::Value(op.operand(0).ok()?))))
                .collect()
        },
    ),
    mutant(
        KERNELS,
        "mean_not_subtracted",
        "a mean is not subtracted",
        |_, module| {
            let all = named(module, &["arith.subf"]).into_iter();
            all.filter(|op| !feeds(*op, "math.exp"))
                .filter_map(|op| Some(Edit::Result(op, New::Value(op.operand(0).ok()?))))
                .collect()
        },
    ),
    mutant(
        KERNELS,
        "not_rescaled",
        "what was summed before is not rescaled to the new maximum",
        |_, module| {
            let all = named(module, &["arith.mulf"]).into_iter();
            all.filter(|op| {
                let first = op.operand(0).ok();
                first.is_some_and(|value| ir::defining(value).is_none())
            })
            .filter_map(|op| Some(Edit::Result(op, New::Value(op.operand(0).ok()?))))
            .collect()
        },
    ),
    mutant(
        KERNELS,
        "maximum_from_zero",
        "a maximum starts at 0",
        |context, module| constants(context, module, |value| (value < -1e30).then_some(0.0)),
    ),
    mutant(
        KERNELS,
        "maximum_left_out",
        "a maximum is its first operand",
        |_, module| kept(module, "arith.maximumf", 0),
    ),
    mutant(
        KERNELS,
        "mask_after_softmax",
        "absent keys count in the sum and are dropped afterwards",
        |_, module| {
            // The scores that are compared keep their values; only the weights are masked.
            let all = named(module, &["arith.select"]).into_iter();
            all.filter(|op| {
                let low = op.operand(2).ok().and_then(rewrite::splat);
                low.is_some_and(|value| value < -1e30)
            })
            .filter_map(|op| Some(Edit::Result(op, New::Value(op.operand(1).ok()?))))
            .collect()
        },
    ),
    mutant(
        KERNELS,
        "not_divided",
        "a quotient is its numerator",
        |_, module| kept(module, "arith.divf", 0),
    ),
    mutant(
        KERNELS,
        "root_for_inverse_root",
        "a root where its inverse belongs",
        |_, module| renamed(module, "math.rsqrt", "math.sqrt"),
    ),
    mutant(
        KERNELS,
        "biased_layernorm_variance",
        "a mean over n is divided by n - 1",
        |_, module| reciprocals(module),
    ),
    mutant(
        KERNELS,
        "mean_of_squares_less_square",
        "E[x^2] - mu^2 for the variance",
        |_, module| {
            let all = named(module, &["arith.mulf"]).into_iter();
            all.filter_map(|op| {
                let (a, b) = (op.operand(0).ok()?, op.operand(1).ok()?);
                let difference =
                    ir::defining(a).filter(|it| a == b && ir::name(*it) == "arith.subf")?;
                let ty = result_type(op)?;
                let square =
                    |value| New::Op("arith.mulf", vec![New::Value(value), New::Value(value)], ty);
                let (x, mean) = (difference.operand(0).ok()?, difference.operand(1).ok()?);
                Some(Edit::Result(
                    op,
                    New::Op("arith.subf", vec![square(x), square(mean)], ty),
                ))
            })
            .collect()
        },
    ),
    mutant(
        KERNELS,
        "epsilon_left_out",
        "epsilon is 0",
        |context, module| {
            constants(context, module, |value| {
                (value > 0.0 && value < 1e-3).then_some(0.0)
            })
        },
    ),
    mutant(
        KERNELS,
        "number_scaled",
        "a constant is 1 in 1000 too large",
        |context, module| {
            constants(context, module, |value| {
                (value != 0.0 && value.abs() < 1e30).then_some(value * 1.001)
            })
        },
    ),
    mutant(
        KERNELS,
        "term_left_out",
        "the second term of a sum is left out",
        |_, module| floats(kept(module, "arith.addf", 0)),
    ),
    mutant(
        KERNELS,
        "term_subtracted",
        "a term is subtracted",
        |_, module| renamed(module, "arith.addf", "arith.subf"),
    ),
    mutant(
        KERNELS,
        "factor_left_out",
        "the second factor of a product is left out",
        |_, module| kept(module, "arith.mulf", 0),
    ),
    mutant(
        KERNELS,
        "product_not_added",
        "a product is not added to its sum",
        |_, module| kept(module, "math.fma", 2),
    ),
    mutant(
        KERNELS,
        "sum_forgotten",
        "a sum is only its last product",
        |_, module| {
            let all = named(module, &["math.fma"]).into_iter();
            all.filter_map(|op| {
                let inputs = vec![
                    New::Value(op.operand(0).ok()?),
                    New::Value(op.operand(1).ok()?),
                ];
                Some(Edit::Result(
                    op,
                    New::Op("arith.mulf", inputs, result_type(op)?),
                ))
            })
            .collect()
        },
    ),
    mutant(
        KERNELS,
        "sum_in_half",
        "a sum is kept in 16 bits",
        |context, module| {
            let all = named(module, &["math.fma", "arith.addf"]).into_iter();
            all.filter_map(|op| {
                let ty = result_type(op).filter(|ty| *ty == Type::float32(context))?;
                let half = New::Op("arith.truncf", vec![New::Old], Type::float16(context));
                Some(Edit::Result(op, New::Op("arith.extf", vec![half], ty)))
            })
            .collect()
        },
    ),
    mutant(KERNELS, "tanh_for_erf", "tanh for erf", |_, module| {
        renamed(module, "math.erf", "math.tanh")
    }),
    mutant(
        KERNELS,
        "difference_turned",
        "the operands of a difference are exchanged",
        |_, module| swapped(module, &["arith.subf", "arith.divf"]),
    ),
    control(
        KERNELS,
        "sum_turned",
        "the operands of a sum or product are exchanged",
        |_, module| swapped(module, &["arith.addf", "arith.mulf", "arith.maximumf"]),
    ),
    control(
        KERNELS,
        "sum_as_difference",
        "a term is negated and subtracted",
        |_, module| {
            let all = named(module, &["arith.addf"]).into_iter();
            all.filter_map(|op| {
                let ty = result_type(op)?;
                let negated = New::Op("arith.negf", vec![New::Value(op.operand(1).ok()?)], ty);
                let inputs = vec![New::Value(op.operand(0).ok()?), negated];
                Some(Edit::Result(op, New::Op("arith.subf", inputs, ty)))
            })
            .collect()
        },
    ),
];

/// One operand in the place of the result.
fn kept<'c, 'a>(module: OperationRef<'c, 'a>, name: &str, operand: usize) -> Vec<Edit<'c, 'a>> {
    let all = named(module, &[name]).into_iter();
    all.filter_map(|op| Some(Edit::Result(op, New::Value(op.operand(operand).ok()?))))
        .collect()
}

/// Those of floats that are not sums with a zero, which is what is left of an absent term.
fn floats<'c, 'a>(mut edits: Vec<Edit<'c, 'a>>) -> Vec<Edit<'c, 'a>> {
    edits.retain(|edit| match edit {
        Edit::Result(op, _) => op.operand(1).ok().and_then(rewrite::splat) != Some(0.0),
        _ => true,
    });
    edits
}

/// Whether an op's result is an operand of ops of a name alone.
fn feeds(op: OperationRef, name: &str) -> bool {
    let Some(value) = result(op) else {
        return false;
    };
    let users = ir::users(value);
    !users.is_empty() && users.iter().all(|user| ir::name(*user) == name)
}

/// Constants of floats with another value.
fn constants<'c: 'a, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    other: fn(f64) -> Option<f64>,
) -> Vec<Edit<'c, 'a>> {
    let all = named(module, &["arith.constant"]).into_iter();
    all.filter_map(|op| {
        let value = result(op)?;
        let ty = value.r#type();
        let new = other(rewrite::splat(value).filter(|_| is_float(ty))?)?;
        Some(Edit::Attribute(op, "value", number(context, ty, new)?))
    })
    .collect()
}

/// Products with 1/n that become products with 1/(n - 1).
fn reciprocals<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<Edit<'c, 'a>> {
    let mut edits = Vec::new();
    for op in named(module, &["arith.mulf"]) {
        for index in 0..2 {
            let Ok(operand) = op.operand(index) else {
                continue;
            };
            let Some(factor) = rewrite::splat(operand).filter(|it| *it > 0.0 && *it < 1.0) else {
                continue;
            };
            let count = (1.0 / factor).round();
            let near = (1.0 / factor - count).abs() < 1e-3 * count;
            if near && count > 1.0 && element(operand.r#type()) == "f32" {
                let ty = operand.r#type();
                edits.push(Edit::Operand(
                    op,
                    index,
                    New::Number(ty, 1.0 / (count - 1.0)),
                ));
            }
        }
    }
    edits
}

fn swapped<'c, 'a>(module: OperationRef<'c, 'a>, names: &[&str]) -> Vec<Edit<'c, 'a>> {
    let all = named(module, names).into_iter();
    all.filter(|op| op.operand(0).ok() != op.operand(1).ok())
        .map(|op| Edit::Swap(op, 0, 1))
        .collect()
}
