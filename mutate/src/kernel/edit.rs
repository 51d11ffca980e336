//! The few ways in which operators change a kernel.

use naga::{Block, Expression, Function, Handle, Literal, Module, Range, Span, Statement};

use super::rebuild::{Builder, rebuild};

/// Makes an expression from the one that was there, with operands of its own place.
type Remake = dyn Fn(&mut Builder<'_>, Expression) -> Handle<Expression>;

/// One change of a kernel.
pub enum Edit {
    /// An expression has another value.
    Expression {
        /// Which.
        target: Handle<Expression>,
        /// What takes its place.
        make: Box<Remake>,
    },
    /// Anything else.
    Module(Box<dyn Fn(&mut Module)>),
}

impl Edit {
    /// Changes a module.
    pub(super) fn apply(&self, module: &mut Module) {
        match self {
            Self::Module(change) => change(module),
            Self::Expression { target, make } => {
                rebuild(
                    function(module),
                    &mut |builder, handle, expression| match handle == *target {
                        true => make(builder, expression),
                        false => builder.add(expression),
                    },
                );
            }
        }
    }

    /// A change of statements or declarations.
    pub(super) fn module(change: impl Fn(&mut Module) + 'static) -> Self {
        Self::Module(Box::new(change))
    }
}

fn function(module: &mut Module) -> &mut Function {
    &mut module.entry_points[0].function
}

/// An expression is made by `make`, which may put others before it.
pub fn remake(
    target: Handle<Expression>,
    make: impl Fn(&mut Builder<'_>, Expression) -> Handle<Expression> + 'static,
) -> Edit {
    let make = Box::new(make);
    Edit::Expression { target, make }
}

/// An expression becomes another one of the same operands.
pub fn set(
    target: Handle<Expression>,
    change: impl Fn(Expression) -> Expression + 'static,
) -> Edit {
    remake(target, move |builder, old| builder.add(change(old)))
}

/// An expression has the value of one of its operands.
pub fn operand(
    target: Handle<Expression>,
    which: impl Fn(&Expression) -> Option<Handle<Expression>> + 'static,
) -> Edit {
    remake(target, move |builder, old| match which(&old) {
        Some(operand) => operand,
        None => builder.add(old),
    })
}

/// An expression becomes a literal.
pub fn literal(target: Handle<Expression>, value: Literal) -> Edit {
    set(target, move |_| Expression::Literal(value))
}

/// Where a statement stands: the number of its block, in the order of `visit_blocks`, and
/// its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the block.
    pub block: usize,
    /// Place in the block.
    pub index: usize,
}

/// Every block, outer ones before those inside.
fn visit_blocks(block: &Block, number: &mut usize, visit: &mut dyn FnMut(usize, &Block)) {
    visit(*number, block);
    *number += 1;
    for statement in block.iter() {
        match statement {
            Statement::Block(inner) => visit_blocks(inner, number, visit),
            Statement::If { accept, reject, .. } => {
                visit_blocks(accept, number, visit);
                visit_blocks(reject, number, visit);
            }
            Statement::Switch { cases, .. } => {
                for case in cases {
                    visit_blocks(&case.body, number, visit);
                }
            }
            Statement::Loop {
                body, continuing, ..
            } => {
                visit_blocks(body, number, visit);
                visit_blocks(continuing, number, visit);
            }
            _ => {}
        }
    }
}

/// Changes block `wanted`; the same order as `visit_blocks`.
fn change_block(
    block: &mut Block,
    number: &mut usize,
    wanted: usize,
    change: &mut dyn FnMut(&mut Block),
) {
    if *number == wanted {
        *number += 1;
        return change(block);
    }
    *number += 1;
    for statement in block.iter_mut() {
        match statement {
            Statement::Block(inner) => change_block(inner, number, wanted, change),
            Statement::If { accept, reject, .. } => {
                change_block(accept, number, wanted, change);
                change_block(reject, number, wanted, change);
            }
            Statement::Switch { cases, .. } => {
                for case in cases {
                    change_block(&mut case.body, number, wanted, change);
                }
            }
            Statement::Loop {
                body, continuing, ..
            } => {
                change_block(body, number, wanted, change);
                change_block(continuing, number, wanted, change);
            }
            _ => {}
        }
        if *number > wanted {
            return;
        }
    }
}

/// Every statement with its place and the block it stands in.
pub fn statements(function: &Function) -> Vec<(Place, Statement, Block)> {
    let mut found = Vec::new();
    visit_blocks(&function.body, &mut 0, &mut |block, inside| {
        for (index, statement) in inside.iter().enumerate() {
            let place = Place { block, index };
            found.push((place, statement.clone(), inside.clone()));
        }
    });
    found
}

/// Changes the statements of a block around one of them.
pub fn around(place: Place, change: impl Fn(&mut Vec<Statement>, usize) + 'static) -> Edit {
    Edit::module(move |module| {
        let function = function(module);
        change_block(&mut function.body, &mut 0, place.block, &mut |block| {
            let mut statements: Vec<Statement> = block.iter().cloned().collect();
            if place.index < statements.len() {
                change(&mut statements, place.index);
            }
            *block = Block::from_vec(statements);
        });
    })
}

/// A statement is left out.
pub fn without(place: Place) -> Edit {
    around(place, |statements, index| drop(statements.remove(index)))
}

/// What a store stores is made by `make` from what it would store.
pub fn stored(
    place: Place,
    make: impl Fn(&mut Function, Handle<Expression>) -> Handle<Expression> + 'static,
) -> Edit {
    Edit::module(move |module| {
        let function = function(module);
        let mut body = std::mem::take(&mut function.body);
        change_block(&mut body, &mut 0, place.block, &mut |block| {
            let mut statements: Vec<Statement> = block.iter().cloned().collect();
            if let Some(Statement::Store { value, .. }) = statements.get_mut(place.index) {
                let before = function.expressions.len();
                *value = make(function, *value);
                for range in emitted(function, before) {
                    statements.insert(place.index, Statement::Emit(range));
                }
            }
            *block = Block::from_vec(statements);
        });
        function.body = body;
    })
}

/// Expressions appended since there were `before`, as far as they are emitted. In reverse,
/// so that inserting each at the same place leaves them in order.
pub fn emitted(function: &Function, before: usize) -> Vec<Range<Expression>> {
    let new = function.expressions.iter().skip(before);
    let new = new.filter(|(_, expression)| !expression.needs_pre_emit());
    let mut ranges: Vec<_> = new
        .map(|(handle, _)| Range::new_from_bounds(handle, handle))
        .collect();
    ranges.reverse();
    ranges
}

/// Appends an expression behind all others.
pub fn append(function: &mut Function, expression: Expression) -> Handle<Expression> {
    function.expressions.append(expression, Span::UNDEFINED)
}
