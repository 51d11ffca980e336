//! Wrong values where they are stored, and stores left out.

use naga::{
    AddressSpace, BinaryOperator as Op, Expression, Function, Handle, Literal, MathFunction as Fun,
    Statement, TypeInner,
};

use super::{Operator, floats::math, mutant};
use crate::kernel::{
    Edit, Kernel,
    edit::{Place, append, around, statements, stored, without},
};

pub const OPERATORS: &[Operator] = &[
    mutant("store_dropped", "a store is left out", |kernel| {
        let places = stores(kernel, is_memory);
        places
            .into_iter()
            .map(|(place, _)| without(place))
            .collect()
    }),
    mutant(
        "carried_dropped",
        "a variable keeps its old value",
        |kernel| {
            let places = stores(kernel, |space| space == AddressSpace::Function);
            places
                .into_iter()
                .map(|(place, _)| without(place))
                .collect()
        },
    ),
    mutant(
        "store_scaled",
        "what is stored is 1 in 1000 too small",
        |kernel| {
            changed(kernel, |function, value, _| {
                let right = append(function, Expression::Literal(Literal::F32(0.999)));
                binary(function, Op::Multiply, value, right)
            })
        },
    ),
    mutant(
        "store_offset",
        "1e-3 is added to what is stored",
        |kernel| {
            changed(kernel, |function, value, ty| {
                let right = splat(function, 1e-3, ty);
                binary(function, Op::Add, value, right)
            })
        },
    ),
    mutant(
        "store_half",
        "what is stored is rounded to 16 bits",
        |kernel| {
            changed(kernel, |function, value, _| {
                append(function, math(Fun::QuantizeToF16, value))
            })
        },
    ),
    mutant("store_relu", "negative values are stored as 0", |kernel| {
        changed(kernel, |function, value, ty| {
            extreme(function, Fun::Max, value, 0.0, ty)
        })
    }),
    mutant(
        "store_clamped",
        "values are stored as 1e4 at most",
        |kernel| {
            changed(kernel, |function, value, ty| {
                extreme(function, Fun::Min, value, 1e4, ty)
            })
        },
    ),
    mutant("store_zero", "zeros are stored", |kernel| {
        changed(kernel, |function, value, _| {
            binary(function, Op::Subtract, value, value)
        })
    }),
    mutant("store_constant", "a constant is stored", |kernel| {
        changed(kernel, |function, _, ty| splat(function, 0.5, ty))
    }),
    mutant(
        "store_negated",
        "the negative of what is right is stored",
        |kernel| {
            changed(kernel, |function, value, ty| {
                let zero = splat(function, 0.0, ty);
                binary(function, Op::Subtract, zero, value)
            })
        },
    ),
    mutant(
        "stores_exchanged",
        "two neighbours store each other's value",
        |kernel| {
            let all = stores(kernel, is_memory);
            let pairs = all.windows(2).filter(|pair| {
                let [(a, first), (b, second)] = pair else {
                    return false;
                };
                a.block == b.block && first != second && kernel.ty(*first) == kernel.ty(*second)
            });
            pairs.map(|pair| exchanged(pair[0].0, pair[1].0)).collect()
        },
    ),
];

const fn is_memory(space: AddressSpace) -> bool {
    matches!(
        space,
        AddressSpace::WorkGroup | AddressSpace::Storage { .. }
    )
}

/// Where values are stored to memory of some kind, and the values.
fn stores(
    kernel: &Kernel,
    wanted: impl Fn(AddressSpace) -> bool,
) -> Vec<(Place, Handle<Expression>)> {
    let all = statements(kernel.function()).into_iter();
    all.filter_map(|(place, statement, _)| match statement {
        Statement::Store { pointer, value } => {
            let space = kernel.ty(pointer).pointer_space()?;
            wanted(space).then_some((place, value))
        }
        _ => None,
    })
    .collect()
}

type Change = fn(&mut Function, Handle<Expression>, &TypeInner) -> Handle<Expression>;

/// Every store of f32 values.
fn changed(kernel: &Kernel, change: Change) -> Vec<Edit> {
    let single = |value: Handle<Expression>| {
        kernel.is_float(value) && kernel.ty(value).scalar_width() == Some(4)
    };
    let places = stores(kernel, is_memory).into_iter();
    places
        .filter(|(_, value)| single(*value))
        .map(|(place, value)| {
            let ty = kernel.ty(value).clone();
            stored(place, move |function, value| change(function, value, &ty))
        })
        .collect()
}

fn binary(
    function: &mut Function,
    op: Op,
    left: Handle<Expression>,
    right: Handle<Expression>,
) -> Handle<Expression> {
    append(function, Expression::Binary { op, left, right })
}

/// A number as often as `ty` has lanes.
fn splat(function: &mut Function, value: f32, ty: &TypeInner) -> Handle<Expression> {
    let value = append(function, Expression::Literal(Literal::F32(value)));
    match ty {
        TypeInner::Vector { size, .. } => {
            let size = *size;
            append(function, Expression::Splat { size, value })
        }
        _ => value,
    }
}

fn extreme(
    function: &mut Function,
    fun: Fun,
    arg: Handle<Expression>,
    limit: f32,
    ty: &TypeInner,
) -> Handle<Expression> {
    let arg1 = Some(splat(function, limit, ty));
    append(
        function,
        Expression::Math {
            fun,
            arg,
            arg1,
            arg2: None,
            arg3: None,
        },
    )
}

/// Exchanges the values of two stores of one block. The first moves behind the second,
/// where both values exist.
fn exchanged(first: Place, second: Place) -> Edit {
    around(first, move |statements, index| {
        let other = second.index;
        let (
            Some(Statement::Store { pointer, value }),
            Some(Statement::Store { value: later, .. }),
        ) = (
            statements.get(index).cloned(),
            statements.get(other).cloned(),
        )
        else {
            return;
        };
        if let Some(Statement::Store { value: target, .. }) = statements.get_mut(other) {
            *target = value;
        }
        statements.insert(
            other + 1,
            Statement::Store {
                pointer,
                value: later,
            },
        );
        statements.remove(index);
    })
}
