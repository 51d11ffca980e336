//! What naga's statements do, as far as the text alone says: who stores to what, and where
//! control may go.

use std::collections::BTreeSet;

use naga::{AddressSpace, Block, Expression, Function, Handle, LocalVariable, Statement};

use super::code::Code;

/// Whether a function touches nothing but its own values: what it returns is data then.
pub(super) fn is_pure(code: &Code, function: &Function) -> bool {
    let touches = function.expressions.iter().any(|(_, expression)| {
        match expression {
            Expression::GlobalVariable(global) => {
                code.module.global_variables[*global].space != AddressSpace::Private
            }
            // An index might be out of bounds.
            Expression::Access { .. } => true,
            _ => false,
        }
    });
    let pointers = function.arguments.iter().any(|argument| {
        matches!(
            code.module.types[argument.ty].inner,
            naga::TypeInner::Pointer { .. } | naga::TypeInner::ValuePointer { .. }
        )
    });
    !touches && !pointers && is_plain(code, &function.body)
}

/// Whether a body has nothing that others notice.
fn is_plain(code: &Code, block: &Block) -> bool {
    block.iter().all(|statement| match statement {
        Statement::Emit(_)
        | Statement::Store { .. }
        | Statement::Break
        | Statement::Continue
        | Statement::Return { .. } => true,
        Statement::Block(block) => is_plain(code, block),
        Statement::If { accept, reject, .. } => is_plain(code, accept) && is_plain(code, reject),
        Statement::Switch { cases, .. } => cases.iter().all(|case| is_plain(code, &case.body)),
        Statement::Loop {
            body, continuing, ..
        } => is_plain(code, body) && is_plain(code, continuing),
        Statement::Call { function, .. } => is_pure(code, &code.module.functions[*function]),
        _ => false,
    })
}

/// Whether a block has a way out that is not its end.
fn leaves(block: &Block, in_loop: bool) -> bool {
    block
        .iter()
        .any(|statement| statement_leaves(statement, in_loop))
}

/// Likewise of a statement.
pub(super) fn statement_leaves(statement: &Statement, in_loop: bool) -> bool {
    match statement {
        Statement::Break | Statement::Continue => !in_loop,
        Statement::Return { .. } => true,
        Statement::Block(block) => leaves(block, in_loop),
        Statement::If { accept, reject, .. } => leaves(accept, in_loop) || leaves(reject, in_loop),
        Statement::Switch { cases, .. } => cases.iter().any(|case| leaves(&case.body, in_loop)),
        Statement::Loop {
            body, continuing, ..
        } => leaves(body, true) || leaves(continuing, true),
        _ => false,
    }
}

/// Whether a block changes locals at most: no access to memory that others see, no barrier
/// and no way out but its end.
pub(super) fn is_quiet(code: &Code, function: &Function, block: &Block) -> bool {
    let mut quiet = !leaves(block, false) && is_plain(code, block);
    each(block, &mut |statement| match statement {
        Statement::Emit(range) => {
            quiet &= range
                .clone()
                .all(|handle| match function.expressions[handle] {
                    Expression::Access { .. } => false,
                    Expression::Load { pointer } => root(function, pointer).is_some(),
                    _ => true,
                });
        }
        Statement::Store { pointer, .. } => quiet &= root(function, *pointer).is_some(),
        _ => {}
    });
    quiet
}

/// The local variable a pointer begins at.
pub(super) fn root(
    function: &Function,
    mut pointer: Handle<Expression>,
) -> Option<Handle<LocalVariable>> {
    loop {
        match function.expressions[pointer] {
            Expression::LocalVariable(local) => return Some(local),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                pointer = base
            }
            _ => return None,
        }
    }
}

/// Calls `visit` with every statement, those of inner blocks too.
pub(super) fn each<'b>(block: &'b Block, visit: &mut impl FnMut(&'b Statement)) {
    for statement in block {
        visit(statement);
        match statement {
            Statement::Block(inner) => each(inner, visit),
            Statement::If { accept, reject, .. } => {
                each(accept, visit);
                each(reject, visit);
            }
            Statement::Loop {
                body, continuing, ..
            } => {
                each(body, visit);
                each(continuing, visit);
            }
            Statement::Switch { cases, .. } => {
                for case in cases {
                    each(&case.body, visit);
                }
            }
            _ => {}
        }
    }
}

/// Locals that a loop changes.
pub(super) fn assigned(function: &Function, blocks: &[&Block]) -> BTreeSet<Handle<LocalVariable>> {
    let mut found = BTreeSet::new();
    let mut visit = |statement: &Statement| match statement {
        Statement::Store { pointer, .. } => found.extend(root(function, *pointer)),
        Statement::Call { arguments, .. } => {
            found.extend(arguments.iter().filter_map(|it| root(function, *it)));
        }
        _ => {}
    };
    for block in blocks {
        each(block, &mut visit);
    }
    found
}
