//! Wrong arithmetic on values.

use naga::{BinaryOperator as Op, Expression, Handle, MathFunction as Fun};

use super::{
    Operator, each,
    integers::{other_extreme, side, with_operator},
    mutant,
};
use crate::kernel::{
    Edit, Kernel,
    edit::{operand, remake, set},
};

pub const OPERATORS: &[Operator] = &[
    mutant("sum_difference", "a term is subtracted", |kernel| {
        replaced(kernel, Op::Add, Op::Subtract)
    }),
    mutant("difference_sum", "a term is added", |kernel| {
        replaced(kernel, Op::Subtract, Op::Add)
    }),
    mutant("product_quotient", "divided, not multiplied", |kernel| {
        replaced(kernel, Op::Multiply, Op::Divide)
    }),
    mutant("quotient_product", "multiplied, not divided", |kernel| {
        replaced(kernel, Op::Divide, Op::Multiply)
    }),
    mutant(
        "second_term_dropped",
        "the second term of a sum is dropped",
        |kernel| kept(kernel, &[Op::Add, Op::Subtract], true),
    ),
    mutant(
        "first_term_dropped",
        "the first term of a sum is dropped",
        |kernel| kept(kernel, &[Op::Add], false),
    ),
    mutant(
        "second_factor_dropped",
        "the second factor or the divisor is dropped",
        |kernel| kept(kernel, &[Op::Multiply, Op::Divide], true),
    ),
    mutant(
        "first_factor_dropped",
        "the first factor is dropped",
        |kernel| kept(kernel, &[Op::Multiply], false),
    ),
    mutant(
        "term_doubled",
        "the first term of a sum counts twice",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Binary { op: Op::Add, .. } if kernel.is_float(handle) => {
                    Some(set(handle, |old| match old {
                        Expression::Binary { op, left, .. } => Expression::Binary {
                            op,
                            left,
                            right: left,
                        },
                        other => other,
                    }))
                }
                _ => None,
            })
        },
    ),
    mutant(
        "operands_swapped",
        "the operands of a difference or quotient are swapped",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Binary {
                    op: Op::Subtract | Op::Divide,
                    ..
                } if kernel.is_float(handle) => Some(set(handle, swapped)),
                _ => None,
            })
        },
    ),
    mutant(
        "fma_addend_dropped",
        "an accumulator is not added to",
        |kernel| {
            fused(kernel, |a, b, _| Expression::Binary {
                op: Op::Multiply,
                left: a,
                right: b,
            })
        },
    ),
    mutant("fma_product_dropped", "a product is not added", |kernel| {
        each(kernel, |handle, expression| match expression {
            Expression::Math { fun: Fun::Fma, .. } => Some(operand(handle, |old| match old {
                Expression::Math { arg2, .. } => *arg2,
                _ => None,
            })),
            _ => None,
        })
    }),
    mutant(
        "fma_factor_squared",
        "the first factor of a product is also the second",
        |kernel| {
            fused(kernel, |a, _, c| Expression::Math {
                fun: Fun::Fma,
                arg: a,
                arg1: Some(a),
                arg2: Some(c),
                arg3: None,
            })
        },
    ),
    mutant(
        "rounded_to_half",
        "a value is rounded to 16 bits",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Binary { .. } | Expression::Math { .. }
                    if is_single(kernel, handle) =>
                {
                    Some(remake(handle, |builder, old| {
                        let arg = builder.add(old);
                        builder.add(math(Fun::QuantizeToF16, arg))
                    }))
                }
                _ => None,
            })
        },
    ),
    mutant(
        "extreme_first",
        "a maximum or minimum is its first operand",
        |kernel| extremes(kernel, true),
    ),
    mutant(
        "extreme_second",
        "a maximum or minimum is its second operand",
        |kernel| extremes(kernel, false),
    ),
    mutant(
        "maximum_minimum",
        "a minimum for a maximum, or the other way round",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Math {
                    fun: Fun::Min | Fun::Max,
                    ..
                } if kernel.is_float(handle) => Some(set(handle, |old| other_extreme(&old))),
                _ => None,
            })
        },
    ),
    mutant("exp_exp2", "exp2 for exp", |kernel| {
        function(kernel, Fun::Exp, Fun::Exp2)
    }),
    mutant("rsqrt_sqrt", "a root for its inverse", |kernel| {
        function(kernel, Fun::InverseSqrt, Fun::Sqrt)
    }),
    mutant(
        "function_dropped",
        "a function of one operand is left out",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Math { arg1: None, .. } if kernel.is_float(handle) => {
                    Some(operand(handle, |old| side(old, true)))
                }
                _ => None,
            })
        },
    ),
    mutant(
        "sine_cosine",
        "sine for cosine, or the other way round",
        |kernel| {
            let mut edits = function(kernel, Fun::Sin, Fun::Cos);
            edits.extend(function(kernel, Fun::Cos, Fun::Sin));
            edits
        },
    ),
    mutant("sign_dropped", "a value is not negated", |kernel| {
        each(kernel, |handle, expression| match expression {
            Expression::Unary {
                op: naga::UnaryOperator::Negate,
                ..
            } if kernel.is_float(handle) => Some(operand(handle, |old| match old {
                Expression::Unary { expr, .. } => Some(*expr),
                _ => None,
            })),
            _ => None,
        })
    }),
];

fn is_single(kernel: &Kernel, handle: Handle<Expression>) -> bool {
    kernel.is_float(handle) && kernel.ty(handle).scalar_width() == Some(4)
}

/// A function of one operand.
pub const fn math(fun: Fun, arg: Handle<Expression>) -> Expression {
    Expression::Math {
        fun,
        arg,
        arg1: None,
        arg2: None,
        arg3: None,
    }
}

/// The same operator with its operands the other way round.
pub fn swapped(old: Expression) -> Expression {
    match old {
        Expression::Binary { op, left, right } => Expression::Binary {
            op,
            left: right,
            right: left,
        },
        other => other,
    }
}

fn replaced(kernel: &Kernel, from: Op, to: Op) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        // Quotients of a vector and a scalar are products spelt otherwise.
        Expression::Binary { op, left, right }
            if *op == from && kernel.is_float(handle) && kernel.ty(*left) == kernel.ty(*right) =>
        {
            Some(set(handle, move |old| with_operator(old, to)))
        }
        _ => None,
    })
}

fn kept(kernel: &Kernel, ops: &[Op], first: bool) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Binary { op, left, right } if ops.contains(op) && kernel.is_float(handle) => {
            let kept = if first { *left } else { *right };
            // A scalar cannot stand for a vector.
            let fits = kernel.ty(kept) == kernel.ty(handle);
            fits.then(|| operand(handle, move |old| side(old, first)))
        }
        _ => None,
    })
}

type Fused = fn(Handle<Expression>, Handle<Expression>, Handle<Expression>) -> Expression;

fn fused(kernel: &Kernel, other: Fused) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Math { fun: Fun::Fma, .. } => Some(set(handle, move |old| match old {
            Expression::Math {
                arg,
                arg1: Some(b),
                arg2: Some(c),
                ..
            } => other(arg, b, c),
            other => other,
        })),
        _ => None,
    })
}

fn extremes(kernel: &Kernel, first: bool) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Math {
            fun: Fun::Min | Fun::Max,
            ..
        } if kernel.is_float(handle) => Some(operand(handle, move |old| side(old, first))),
        _ => None,
    })
}

fn function(kernel: &Kernel, from: Fun, to: Fun) -> Vec<Edit> {
    each(kernel, |handle, expression| match expression {
        Expression::Math { fun, .. } if *fun == from && kernel.is_float(handle) => {
            Some(set(handle, move |old| match old {
                Expression::Math { arg, .. } => math(to, arg),
                other => other,
            }))
        }
        _ => None,
    })
}
