//! Whether a changed index or condition ever has another value.
//!
//! The kernel as it was computes both values wherever it computes one, and where they
//! differ it writes behind its output. If the gate then accepts the kernel, no invocation
//! at this shape ever saw a difference: the change is equivalent here. That is exhaustive
//! because only values are watched that depend on nothing but the invocation, constants
//! and loop counters; the gate runs all invocations.

use std::{cell::RefCell, collections::HashMap};

use naga::{
    AddressSpace, BinaryOperator, Block, Expression, Function, Handle, Literal, Module, Range,
    RelationalFunction, ScalarKind, Span, Statement, TypeInner,
};

use super::{Edit, Kernel, KernelError, operands, rebuild::rebuild};

/// Where a difference is written: behind the data of a buffer that the kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The buffer's binding.
    pub binding: u32,
    /// A byte of the guard behind the buffer's data, a multiple of 16.
    pub byte: u32,
}

/// The kernel with a wire at an edit; `None` where the edit is none of an index or a
/// condition, or where the value may depend on data.
pub fn watch(kernel: &Kernel, edit: &Edit, place: Watched) -> Result<Option<String>, KernelError> {
    let Edit::Expression { target, make } = edit else {
        return Ok(None);
    };
    let Some(chain) = chain(kernel, *target) else {
        return Ok(None);
    };
    let mut module = kernel.module().clone();
    let function = &mut module.entry_points[0].function;
    let top = chain.last().copied().unwrap_or(*target);
    let is_vector = matches!(kernel.ty(top), TypeInner::Vector { .. });
    // The last link as it was and as it is changed, and whether the top differs.
    let links: RefCell<Option<[Handle<Expression>; 2]>> = RefCell::new(None);
    let differs: RefCell<Option<Handle<Expression>>> = RefCell::new(None);
    rebuild(function, &mut |builder, handle, expression| {
        if !chain.contains(&handle) {
            return builder.add(expression);
        }
        let old = builder.add(expression.clone());
        let previous = *links.borrow();
        let new = match previous {
            None => make(builder, expression),
            Some([before, changed]) => {
                let mut expression = expression;
                operands::of_expression(&mut expression, &mut |operand| {
                    if *operand == before {
                        *operand = changed;
                    }
                });
                builder.add(expression)
            }
        };
        *links.borrow_mut() = Some([old, new]);
        if handle == top {
            let op = BinaryOperator::NotEqual;
            let mut found = builder.add(Expression::Binary {
                op,
                left: old,
                right: new,
            });
            if is_vector {
                let fun = RelationalFunction::Any;
                found = builder.add(Expression::Relational {
                    fun,
                    argument: found,
                });
            }
            *differs.borrow_mut() = Some(found);
        }
        old
    });
    let Some(differs) = differs.into_inner() else {
        return Ok(None);
    };
    let Some(alarm) = alarm(&mut module, place) else {
        return Ok(None);
    };
    let function = &mut module.entry_points[0].function;
    let mut body = std::mem::take(&mut function.body);
    let wired = wire(&mut body, differs, &alarm);
    function.body = body;
    match wired {
        true => Kernel::of(module)?.text().map(Some),
        false => Ok(None),
    }
}

/// The target and the one user of each link, as far as these are indices and conditions;
/// `None` where the last may depend on data or is no such value.
fn chain(kernel: &Kernel, target: Handle<Expression>) -> Option<Vec<Handle<Expression>>> {
    let uses = operands::uses(kernel.function());
    let mut user: HashMap<Handle<Expression>, Handle<Expression>> = HashMap::new();
    for (handle, expression) in kernel.expressions() {
        operands::of_expression(&mut expression.clone(), &mut |operand| {
            user.insert(*operand, handle);
        });
    }
    let counts = |handle| {
        matches!(
            kernel.scalar(handle),
            Some(ScalarKind::Sint | ScalarKind::Uint | ScalarKind::Bool)
        )
    };
    let mut chain = vec![target];
    let mut last = target;
    while uses[last.index()] == 1
        && let Some(next) = user.get(&last).copied().filter(|next| counts(*next))
    {
        chain.push(next);
        last = next;
    }
    let watchable = counts(last) && !kernel.function().expressions[last].needs_pre_emit();
    let mut seen = Vec::new();
    (watchable && is_independent(kernel, last, &mut seen)).then_some(chain)
}

/// Whether a value depends on nothing but the invocation, constants and loop counters.
fn is_independent(
    kernel: &Kernel,
    handle: Handle<Expression>,
    seen: &mut Vec<Handle<naga::LocalVariable>>,
) -> bool {
    let function = kernel.function();
    match &function.expressions[handle] {
        Expression::Literal(_)
        | Expression::Constant(_)
        | Expression::ZeroValue(_)
        | Expression::FunctionArgument(_) => true,
        Expression::Load { pointer } => match root(function, *pointer) {
            Some(Expression::LocalVariable(variable)) => {
                let variable = *variable;
                if seen.contains(&variable) {
                    return true;
                }
                seen.push(variable);
                stores_to(function, variable)
                    .into_iter()
                    .all(|value| is_independent(kernel, value, seen))
            }
            Some(Expression::GlobalVariable(variable)) => {
                let space = kernel.module().global_variables[*variable].space;
                matches!(space, AddressSpace::Immediate | AddressSpace::Uniform)
            }
            _ => false,
        },
        Expression::Binary { .. }
        | Expression::Unary { .. }
        | Expression::Select { .. }
        | Expression::Math { .. }
        | Expression::As { .. }
        | Expression::AccessIndex { .. }
        | Expression::Compose { .. }
        | Expression::Splat { .. }
        | Expression::Swizzle { .. } => {
            let mut inputs = Vec::new();
            operands::of_expression(&mut function.expressions[handle].clone(), &mut |operand| {
                inputs.push(*operand);
            });
            inputs
                .into_iter()
                .all(|operand| is_independent(kernel, operand, seen))
        }
        _ => false,
    }
}

/// The variable that a pointer points into.
fn root(function: &Function, pointer: Handle<Expression>) -> Option<&Expression> {
    match &function.expressions[pointer] {
        Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
            root(function, *base)
        }
        other => Some(other),
    }
}

/// Every value that is stored to a variable.
fn stores_to(
    function: &Function,
    variable: Handle<naga::LocalVariable>,
) -> Vec<Handle<Expression>> {
    let all = super::edit::statements(function).into_iter();
    all.filter_map(|(_, statement, _)| match statement {
        Statement::Store { pointer, value } => {
            let into = root(function, pointer);
            matches!(into, Some(Expression::LocalVariable(own)) if *own == variable)
                .then_some(value)
        }
        _ => None,
    })
    .collect()
}

/// A store behind the data of the buffer.
pub(super) fn alarm(module: &mut Module, place: Watched) -> Option<Block> {
    let (variable, ty) = module
        .global_variables
        .iter()
        .find_map(|(handle, variable)| {
            let own = variable.binding.as_ref()?.binding == place.binding;
            own.then_some((handle, variable.ty))
        })?;
    let TypeInner::Array { base: element, .. } = module.types[ty].inner else {
        return None;
    };
    let size = module.types[element].inner.size(module.to_ctx()).max(1);
    let arena = &mut module.entry_points[0].function.expressions;
    let base = arena.append(Expression::GlobalVariable(variable), Span::UNDEFINED);
    let number = Expression::Literal(Literal::U32(place.byte / size));
    let index = arena.append(number, Span::UNDEFINED);
    let value = arena.append(Expression::ZeroValue(element), Span::UNDEFINED);
    let pointer = arena.append(Expression::Access { base, index }, Span::UNDEFINED);
    Some(Block::from_vec(vec![
        Statement::Emit(Range::new_from_bounds(pointer, pointer)),
        Statement::Store { pointer, value },
    ]))
}

/// Puts the alarm behind where `differs` is computed; whether there is such a place.
pub(super) fn wire(block: &mut Block, differs: Handle<Expression>, alarm: &Block) -> bool {
    let here = block.iter().position(|statement| match statement {
        Statement::Emit(range) => range.index_range().contains(&(differs.index() as u32)),
        _ => false,
    });
    if let Some(index) = here {
        let condition = Statement::If {
            condition: differs,
            accept: alarm.clone(),
            reject: Block::new(),
        };
        block.splice(index + 1..index + 1, Block::from_vec(vec![condition]));
        return true;
    }
    block.iter_mut().any(|statement| match statement {
        Statement::Block(inner) => wire(inner, differs, alarm),
        Statement::If { accept, reject, .. } => {
            wire(accept, differs, alarm) || wire(reject, differs, alarm)
        }
        Statement::Switch { cases, .. } => cases
            .iter_mut()
            .any(|case| wire(&mut case.body, differs, alarm)),
        Statement::Loop {
            body, continuing, ..
        } => wire(body, differs, alarm) || wire(continuing, differs, alarm),
        _ => false,
    })
}
