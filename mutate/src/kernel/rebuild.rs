//! Puts expressions between others.
//!
//! Operands must stand before their users in naga's arena, so the arena is built
//! anew, each expression as the caller makes it.

use naga::{Block, Expression, Function, Handle, Range, Span, Statement};

use super::operands;

/// The arena as far as it is built.
pub struct Builder<'f> {
    function: &'f mut Function,
}

impl Builder<'_> {
    /// Appends an expression.
    pub fn add(&mut self, expression: Expression) -> Handle<Expression> {
        self.function
            .expressions
            .append(expression, Span::UNDEFINED)
    }
}

/// Makes what stands for an old expression, given with its new operands.
pub type Make<'m> =
    &'m mut dyn FnMut(&mut Builder<'_>, Handle<Expression>, Expression) -> Handle<Expression>;

/// Every expression again, as `make` says.
pub fn rebuild(function: &mut Function, make: Make<'_>) {
    let old = function.expressions.take();
    // First new handle made for an old one, and the one that stands for it.
    let mut begins: Vec<u32> = Vec::new();
    let mut stands: Vec<Handle<Expression>> = Vec::new();
    for (handle, expression) in old.iter() {
        let mut expression = expression.clone();
        operands::of_expression(&mut expression, &mut |operand| {
            *operand = stands[operand.index()];
        });
        begins.push(function.expressions.len() as u32);
        let mut builder = Builder { function };
        stands.push(make(&mut builder, handle, expression));
    }
    for (_, variable) in function.local_variables.iter_mut() {
        if let Some(init) = &mut variable.init {
            *init = stands[init.index()];
        }
    }
    let mut body = std::mem::take(&mut function.body);
    operands::of_block(&mut body, &mut |operand| *operand = stands[operand.index()]);
    emit(&mut body, &begins, function);
    function.body = body;
}

/// Ranges of emitted expressions, over the new arena.
fn emit(block: &mut Block, begins: &[u32], function: &Function) {
    let mut statements = Block::with_capacity(block.len());
    for (statement, span) in std::mem::take(block).span_into_iter() {
        let mut statement = statement;
        match &mut statement {
            Statement::Emit(range) => {
                for part in parts(range, begins, function) {
                    statements.push(Statement::Emit(part), span);
                }
                continue;
            }
            Statement::Block(inner) => emit(inner, begins, function),
            Statement::If { accept, reject, .. } => {
                emit(accept, begins, function);
                emit(reject, begins, function);
            }
            Statement::Switch { cases, .. } => {
                for case in cases {
                    emit(&mut case.body, begins, function);
                }
            }
            Statement::Loop {
                body, continuing, ..
            } => {
                emit(body, begins, function);
                emit(continuing, begins, function);
            }
            _ => {}
        }
        statements.push(statement, span);
    }
    *block = statements;
}

/// What an old range has become, without literals and the like, which are not emitted.
fn parts(range: &Range<Expression>, begins: &[u32], function: &Function) -> Vec<Range<Expression>> {
    let old = range.index_range();
    let end = begins.get(old.end as usize).copied();
    let new = begins[old.start as usize]..end.unwrap_or(function.expressions.len() as u32);
    let mut parts: Vec<std::ops::Range<u32>> = Vec::new();
    let inside = function
        .expressions
        .iter()
        .filter(|(handle, _)| new.contains(&(handle.index() as u32)));
    for (handle, expression) in inside {
        if expression.needs_pre_emit() {
            continue;
        }
        let index = handle.index() as u32;
        match parts.last_mut() {
            Some(part) if part.end == index => part.end += 1,
            _ => parts.push(index..index + 1),
        }
    }
    let range = |part| Range::from_index_range(part, &function.expressions);
    parts.into_iter().map(range).collect()
}
