//! Changes that change nothing: the gate must accept each.

use naga::{
    BinaryOperator as Op, Block, Expression, Literal, Module, ScalarKind, Statement, UnaryOperator,
};

use super::{Operator, control, each, floats::swapped, integers::with_operator};
use crate::kernel::{
    Edit, Kernel,
    edit::{append, around, emitted, remake, set, statements, stored},
};

pub const OPERATORS: &[Operator] = &[
    control("written_again", "the kernel is read and written", |_| {
        vec![Edit::module(|_| ())]
    }),
    control("renamed", "every variable has another name", |_| {
        vec![Edit::module(|module: &mut Module| {
            let entry = &mut module.entry_points[0];
            for (index, (_, variable)) in entry.function.local_variables.iter_mut().enumerate() {
                variable.name = Some(format!("other{index}x"));
            }
            for (index, (_, variable)) in module.global_variables.iter_mut().enumerate() {
                variable.name = Some(format!("global{index}x"));
            }
        })]
    }),
    control(
        "commuted",
        "the operands of a sum or product are exchanged",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Binary {
                    op: Op::Add | Op::Multiply,
                    left,
                    right,
                } if left != right && kernel.ty(*left) == kernel.ty(*right) => {
                    Some(set(handle, swapped))
                }
                _ => None,
            })
        },
    ),
    control(
        "comparison_mirrored",
        "a comparison is read from right to left",
        |kernel| {
            each(kernel, |handle, expression| {
                let Expression::Binary { op, .. } = expression else {
                    return None;
                };
                let other = match op {
                    Op::Less => Op::Greater,
                    Op::LessEqual => Op::GreaterEqual,
                    Op::Greater => Op::Less,
                    Op::GreaterEqual => Op::LessEqual,
                    _ => return None,
                };
                Some(set(handle, move |old| with_operator(swapped(old), other)))
            })
        },
    ),
    control(
        "difference_of_negative",
        "a negative is added, not subtracted",
        |kernel| {
            each(kernel, |handle, expression| match expression {
                Expression::Binary {
                    op: Op::Subtract, ..
                } if kernel.is_float(handle) => Some(remake(handle, |builder, old| match old {
                    Expression::Binary { left, right, .. } => {
                        let op = UnaryOperator::Negate;
                        let right = builder.add(Expression::Unary { op, expr: right });
                        let op = Op::Add;
                        builder.add(Expression::Binary { op, left, right })
                    }
                    other => builder.add(other),
                })),
                _ => None,
            })
        },
    ),
    control(
        "index_rewritten",
        "an index has 1 added and subtracted",
        |kernel| {
            each(kernel, |handle, expression| {
                let Expression::Access { index, .. } = expression else {
                    return None;
                };
                let one = match kernel.scalar(*index)? {
                    ScalarKind::Sint => Literal::I32(1),
                    ScalarKind::Uint => Literal::U32(1),
                    _ => return None,
                };
                Some(remake(handle, move |builder, old| match old {
                    Expression::Access { base, index } => {
                        let right = builder.add(Expression::Literal(one));
                        let add = Op::Add;
                        let left = builder.add(Expression::Binary {
                            op: add,
                            left: index,
                            right,
                        });
                        let op = Op::Subtract;
                        let index = builder.add(Expression::Binary { op, left, right });
                        builder.add(Expression::Access { base, index })
                    }
                    other => builder.add(other),
                }))
            })
        },
    ),
    control("store_repeated", "a value is stored twice", |kernel| {
        repeated(kernel, |statement| {
            matches!(statement, Statement::Store { .. })
        })
    }),
    control("barrier_repeated", "a barrier stands twice", |kernel| {
        repeated(kernel, |statement| {
            matches!(statement, Statement::ControlBarrier(_))
        })
    }),
    control(
        "store_times_one",
        "what is stored is multiplied by 1",
        |kernel| {
            let all = statements(kernel.function()).into_iter();
            all.filter_map(|(place, statement, _)| match statement {
                Statement::Store { value, .. }
                    if kernel.is_float(value) && kernel.ty(value).scalar_width() == Some(4) =>
                {
                    Some(stored(place, |function, left| {
                        let right = append(function, Expression::Literal(Literal::F32(1.0)));
                        let op = Op::Multiply;
                        append(function, Expression::Binary { op, left, right })
                    }))
                }
                _ => None,
            })
            .collect()
        },
    ),
    control(
        "branch_turned",
        "a condition is negated and its branches exchanged",
        |kernel| {
            let all = statements(kernel.function()).into_iter();
            all.filter(|(_, statement, _)| matches!(statement, Statement::If { .. }))
                .map(|(place, ..)| turned(place))
                .collect()
        },
    ),
    control(
        "block_nested",
        "the body stands in a block of its own",
        |_| {
            vec![Edit::module(|module| {
                let function = &mut module.entry_points[0].function;
                let body = std::mem::take(&mut function.body);
                function.body = Block::from_vec(vec![Statement::Block(body)]);
            })]
        },
    ),
];

fn repeated(kernel: &Kernel, wanted: fn(&Statement) -> bool) -> Vec<Edit> {
    let all = statements(kernel.function()).into_iter();
    all.filter(|(_, statement, _)| wanted(statement))
        .map(|(place, ..)| {
            around(place, |statements, index| {
                let again = statements[index].clone();
                statements.insert(index, again);
            })
        })
        .collect()
}

fn turned(place: crate::kernel::edit::Place) -> Edit {
    Edit::module(move |module: &mut Module| {
        let function = &mut module.entry_points[0].function;
        let condition = statements(function)
            .into_iter()
            .find_map(|(at, statement, _)| match statement {
                Statement::If { condition, .. } if at == place => Some(condition),
                _ => None,
            });
        let Some(condition) = condition else {
            return;
        };
        let before = function.expressions.len();
        let op = UnaryOperator::LogicalNot;
        let negated = append(
            function,
            Expression::Unary {
                op,
                expr: condition,
            },
        );
        let ranges = emitted(function, before);
        let change = around(place, move |statements, index| {
            if let Statement::If {
                condition,
                accept,
                reject,
            } = &mut statements[index]
            {
                *condition = negated;
                std::mem::swap(accept, reject);
            }
            for range in &ranges {
                statements.insert(index, Statement::Emit(range.clone()));
            }
        });
        change.apply(module);
    })
}
