//! Visits the operands of expressions and statements.
//!
//! Covers what kernels are made of. Of anything else (images, rays) nothing is
//! visited: no kernel has it, and naga's validator refuses a module whose handles
//! were left behind.

use naga::{Block, Expression, Function, GatherMode, Handle, Statement};

/// Calls `visit` for every operand of an expression.
pub fn of_expression(expression: &mut Expression, visit: &mut dyn FnMut(&mut Handle<Expression>)) {
    match expression {
        Expression::Compose { components, .. } => components.iter_mut().for_each(visit),
        Expression::Access { base, index } => {
            visit(base);
            visit(index);
        }
        Expression::AccessIndex { base, .. } => visit(base),
        Expression::Splat { value, .. } => visit(value),
        Expression::Swizzle { vector, .. } => visit(vector),
        Expression::Load { pointer } => visit(pointer),
        Expression::Unary { expr, .. }
        | Expression::As { expr, .. }
        | Expression::ArrayLength(expr)
        | Expression::Relational { argument: expr, .. } => visit(expr),
        Expression::Binary { left, right, .. } => {
            visit(left);
            visit(right);
        }
        Expression::Select {
            condition,
            accept,
            reject,
        } => {
            visit(condition);
            visit(accept);
            visit(reject);
        }
        Expression::Math {
            arg,
            arg1,
            arg2,
            arg3,
            ..
        } => {
            visit(arg);
            for arg in [arg1, arg2, arg3].into_iter().flatten() {
                visit(arg);
            }
        }
        Expression::CooperativeLoad { data, .. } => {
            visit(&mut data.pointer);
            visit(&mut data.stride);
        }
        Expression::CooperativeMultiplyAdd { a, b, c } => {
            visit(a);
            visit(b);
            visit(c);
        }
        _ => {}
    }
}

/// Calls `visit` for every operand of the statements of a block, nested ones included.
/// Ranges of emitted expressions are no operands.
pub fn of_block(block: &mut Block, visit: &mut dyn FnMut(&mut Handle<Expression>)) {
    for statement in block.iter_mut() {
        of_statement(statement, visit);
    }
}

fn of_statement(statement: &mut Statement, visit: &mut dyn FnMut(&mut Handle<Expression>)) {
    match statement {
        Statement::Block(block) => of_block(block, visit),
        Statement::If {
            condition,
            accept,
            reject,
        } => {
            visit(condition);
            of_block(accept, visit);
            of_block(reject, visit);
        }
        Statement::Switch { selector, cases } => {
            visit(selector);
            for case in cases {
                of_block(&mut case.body, visit);
            }
        }
        Statement::Loop {
            body,
            continuing,
            break_if,
        } => {
            of_block(body, visit);
            of_block(continuing, visit);
            if let Some(condition) = break_if {
                visit(condition);
            }
        }
        Statement::Return { value: Some(value) } => visit(value),
        Statement::Store { pointer, value } => {
            visit(pointer);
            visit(value);
        }
        Statement::WorkGroupUniformLoad { pointer, result } => {
            visit(pointer);
            visit(result);
        }
        Statement::Call {
            arguments, result, ..
        } => {
            arguments.iter_mut().for_each(&mut *visit);
            if let Some(result) = result {
                visit(result);
            }
        }
        Statement::SubgroupBallot { result, predicate } => {
            visit(result);
            if let Some(predicate) = predicate {
                visit(predicate);
            }
        }
        Statement::SubgroupGather {
            mode,
            argument,
            result,
        } => {
            of_gather(mode, visit);
            visit(argument);
            visit(result);
        }
        Statement::SubgroupCollectiveOperation {
            argument, result, ..
        } => {
            visit(argument);
            visit(result);
        }
        Statement::CooperativeStore { target, data } => {
            visit(target);
            visit(&mut data.pointer);
            visit(&mut data.stride);
        }
        _ => {}
    }
}

fn of_gather(mode: &mut GatherMode, visit: &mut dyn FnMut(&mut Handle<Expression>)) {
    match mode {
        GatherMode::Broadcast(index)
        | GatherMode::Shuffle(index)
        | GatherMode::ShuffleDown(index)
        | GatherMode::ShuffleUp(index)
        | GatherMode::ShuffleXor(index)
        | GatherMode::QuadBroadcast(index) => visit(index),
        GatherMode::BroadcastFirst | GatherMode::QuadSwap(_) => {}
    }
}

/// Which expressions statements need, directly or through others.
pub fn live(function: &Function) -> Vec<bool> {
    let mut live = vec![false; function.expressions.len()];
    let mut body = function.body.clone();
    of_block(&mut body, &mut |operand| live[operand.index()] = true);
    let all: Vec<_> = function.expressions.iter().collect();
    // Users stand behind their operands.
    for (handle, expression) in all.into_iter().rev() {
        if live[handle.index()] {
            of_expression(&mut expression.clone(), &mut |operand| {
                live[operand.index()] = true;
            });
        }
    }
    live
}

/// How often each expression is used by others and by statements, if it is live.
pub fn uses(function: &Function) -> Vec<usize> {
    let live = live(function);
    let mut uses = vec![0; function.expressions.len()];
    let mut count = |operand: &mut Handle<Expression>| uses[operand.index()] += 1;
    of_block(&mut function.body.clone(), &mut count);
    for (handle, expression) in function.expressions.iter() {
        if live[handle.index()] {
            of_expression(&mut expression.clone(), &mut count);
        }
    }
    uses
}
