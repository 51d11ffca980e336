//! Wrong reads and writes: places, lanes, buffers.

use naga::{AddressSpace, BinaryOperator as Op, Expression, Handle, Literal, TypeInner};

use super::{Operator, each, mutant};
use crate::kernel::{
    Edit, Kernel,
    edit::{remake, set},
    rebuild::Builder,
};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "place_after",
        "the element behind the right one",
        |kernel| shifted(kernel, Op::Add),
    ),
    mutant(
        "place_before",
        "the element before the right one",
        |kernel| shifted(kernel, Op::Subtract),
    ),
    mutant("place_first", "the first element for every one", |kernel| {
        accesses(kernel, |builder, _, number| {
            builder.add(Expression::Literal(number(0)))
        })
    }),
    mutant("lane", "another lane of a vector", |kernel| {
        each(kernel, |handle, expression| match expression {
            Expression::AccessIndex { base, index } => {
                let lanes = lanes(kernel, *base)?;
                let other = (index + 1) % lanes;
                Some(set(handle, move |old| match old {
                    Expression::AccessIndex { base, .. } => {
                        Expression::AccessIndex { base, index: other }
                    }
                    other => other,
                }))
            }
            _ => None,
        })
    }),
    mutant(
        "lanes_exchanged",
        "the first two lanes of a vector are exchanged",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Compose { components, .. } if components.len() > 1 => {
                    let differ = components[0] != components[1];
                    differ.then(|| {
                        set(handle, |old| match old {
                            Expression::Compose { ty, mut components } => {
                                components.swap(0, 1);
                                Expression::Compose { ty, components }
                            }
                            other => other,
                        })
                    })
                }
                _ => None,
            })
        },
    ),
    mutant(
        "other_buffer",
        "another buffer or array is read",
        |kernel| {
            let globals: Vec<_> = kernel.module().global_variables.iter().collect();
            let mut edits = Vec::new();
            for (handle, expression) in kernel.expressions() {
                let Expression::Access { base, .. } = expression else {
                    continue;
                };
                let Expression::GlobalVariable(own) = kernel.function().expressions[*base] else {
                    continue;
                };
                let variable = &kernel.module().global_variables[own];
                let alike = globals.iter().find(|(other, it)| {
                    *other != own && it.ty == variable.ty && same_space(it.space, variable.space)
                });
                if let Some((other, _)) = alike {
                    let other = *other;
                    edits.push(remake(handle, move |builder, old| {
                        let base = builder.add(Expression::GlobalVariable(other));
                        match old {
                            Expression::Access { index, .. } => {
                                builder.add(Expression::Access { base, index })
                            }
                            unchanged => builder.add(unchanged),
                        }
                    }));
                }
            }
            edits
        },
    ),
];

const fn same_space(a: AddressSpace, b: AddressSpace) -> bool {
    matches!(
        (a, b),
        (AddressSpace::WorkGroup, AddressSpace::WorkGroup)
            | (AddressSpace::Storage { .. }, AddressSpace::Storage { .. })
    )
}

/// Lanes of a vector or of what a pointer to one points to.
fn lanes(kernel: &Kernel, handle: Handle<Expression>) -> Option<u32> {
    let size = match *kernel.ty(handle) {
        TypeInner::Vector { size, .. } => size,
        TypeInner::ValuePointer {
            size: Some(size), ..
        } => size,
        TypeInner::Pointer { base, .. } => match kernel.module().types[base].inner {
            TypeInner::Vector { size, .. } => size,
            _ => return None,
        },
        _ => return None,
    };
    // Builtins are vectors, too; their axes have a kind of their own.
    let argument = matches!(
        kernel.function().expressions[handle],
        Expression::FunctionArgument(_)
    );
    (!argument).then_some(size as u32)
}

/// A number of the index's type.
type Number = fn(i32) -> Literal;

fn accesses(
    kernel: &Kernel,
    other: fn(&mut Builder<'_>, Handle<Expression>, Number) -> Handle<Expression>,
) -> Vec<Edit> {
    each(kernel, |handle, expression| {
        let Expression::Access { index, .. } = expression else {
            return None;
        };
        let number: Number = match kernel.scalar(*index)? {
            naga::ScalarKind::Sint => Literal::I32,
            naga::ScalarKind::Uint => |value| Literal::U32(value.unsigned_abs()),
            _ => return None,
        };
        Some(remake(handle, move |builder, old| match old {
            Expression::Access { base, index } => {
                let index = other(builder, index, number);
                builder.add(Expression::Access { base, index })
            }
            unchanged => builder.add(unchanged),
        }))
    })
}

fn shifted(kernel: &Kernel, op: Op) -> Vec<Edit> {
    match op {
        Op::Add => accesses(kernel, |builder, left, number| {
            let right = builder.add(Expression::Literal(number(1)));
            let op = Op::Add;
            builder.add(Expression::Binary { op, left, right })
        }),
        _ => accesses(kernel, |builder, left, number| {
            let right = builder.add(Expression::Literal(number(1)));
            let op = Op::Subtract;
            builder.add(Expression::Binary { op, left, right })
        }),
    }
}
