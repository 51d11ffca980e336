//! `scf`: branches and loops. Values that leave a region go through variables.

use crate::translate::{
    error::TranslateError,
    read::{self, fail},
    translator::{Lowered, Translator},
    types::ScalarType,
};
use melior::ir::{OperationRef, Value, operation::OperationLike};
use naga::{BinaryOperator, Block, Expression, Handle, Scalar, Statement, UnaryOperator};

type Op<'c, 'a> = OperationRef<'c, 'a>;
type Done = Result<(), TranslateError>;
type Variables = Vec<Handle<Expression>>;

/// Terminators carry values; the op around them takes these.
pub(super) fn terminator(_: &mut Translator<'_>, _: Op<'_, '_>) -> Done {
    Ok(())
}

/// A variable for each of `values`.
fn variables(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    name: &str,
    values: &[Value<'_, '_>],
) -> Result<Variables, TranslateError> {
    values
        .iter()
        .map(|&value| {
            let ty = t.variable_type(op, value)?;
            Ok(t.b.local(name, ty))
        })
        .collect()
}

/// Stores the operands of `from`, after the first `skip`, to `variables`.
fn assign(t: &mut Translator<'_>, from: Op<'_, '_>, skip: usize, variables: &Variables) -> Done {
    let mut values = Vec::new();
    for index in 0..variables.len() {
        values.push(t.operand(from, index + skip)?);
    }
    for (&variable, value) in variables.iter().zip(values) {
        t.b.store(variable, value);
    }
    Ok(())
}

/// Loads `variables` and makes them the meaning of `values`.
fn read_back(t: &mut Translator<'_>, variables: &Variables, values: &[Value<'_, '_>]) {
    for (&variable, &value) in variables.iter().zip(values) {
        let loaded = t.b.load(variable);
        t.bind(value, Lowered::Value(loaded));
    }
}

fn results<'c, 'a>(op: Op<'c, 'a>) -> Result<Vec<Value<'c, 'a>>, TranslateError> {
    (0..op.result_count())
        .map(|index| read::result(op, index))
        .collect()
}

fn break_if(t: &mut Translator<'_>, condition: Handle<Expression>, mut accept: Block) {
    accept.push(Statement::Break, naga::Span::UNDEFINED);
    t.b.statement(Statement::If {
        condition,
        accept,
        reject: Block::new(),
    });
}

pub(super) fn branch(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let condition = t.operand(op, 0)?;
    let results = results(op)?;
    let variables = variables(t, op, "chosen", &results)?;
    let mut sides = Vec::new();
    for region in 0..op.region_count() {
        t.b.open_block();
        if let Some(block) = read::block(op, region)?
            && let Some(end) = t.block(block)?
        {
            assign(t, end, 0, &variables)?;
        }
        sides.push(t.b.close_block());
    }
    let mut sides = sides.into_iter();
    t.b.statement(Statement::If {
        condition,
        accept: sides.next().unwrap_or_default(),
        reject: sides.next().unwrap_or_default(),
    });
    read_back(t, &variables, &results);
    Ok(())
}

/// `loop { if !(i < upper) break; ...; i += step }`. The increment is at the end of
/// the body, not in `continuing`: there is no `continue`, and MSL has no such block.
pub(super) fn counted_loop(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let Some(body) = read::block(op, 0)? else {
        return Err(fail(op, "has no body"));
    };
    let arguments = read::arguments(body);
    let Some((&counter, carried)) = arguments.split_first() else {
        return Err(fail(op, "has no induction variable"));
    };
    let lower = t.operand(op, 0)?;
    let upper = t.operand(op, 1)?;
    let step = t.operand(op, 2)?;
    let counter_type = t.variable_type(op, counter)?;
    let wide = t.value_type(op, counter)?.scalar == ScalarType::I64;
    let variable = t.b.local("counter", counter_type);
    let variables = variables(t, op, "carried", carried)?;
    assign(t, op, 3, &variables)?;
    t.b.store(variable, lower);

    t.b.open_block();
    let current = t.b.load(variable);
    t.bind(counter, Lowered::Value(current));
    let (mut left, mut right) = (current, upper);
    if op.has_attribute("unsignedCmp") {
        let scalar = if wide { Scalar::U64 } else { Scalar::U32 };
        (left, right) = (t.b.convert(left, scalar), t.b.convert(right, scalar));
    }
    let done = t.b.binary(BinaryOperator::GreaterEqual, left, right);
    break_if(t, done, Block::new());
    read_back(t, &variables, carried);
    if let Some(end) = t.block(body)? {
        assign(t, end, 0, &variables)?;
    }
    let next = t.b.binary(BinaryOperator::Add, current, step);
    t.b.store(variable, next);
    close_loop(t);
    read_back(t, &variables, &results(op)?);
    Ok(())
}

fn close_loop(t: &mut Translator<'_>) {
    let body = t.b.close_block();
    t.b.statement(Statement::Loop {
        body,
        continuing: Block::new(),
        break_if: None,
    });
}

/// `loop { before; if !condition { results = passed; break } after }`.
pub(super) fn while_loop(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let (Some(before), Some(after)) = (read::block(op, 0)?, read::block(op, 1)?) else {
        return Err(fail(op, "has an empty region"));
    };
    let carried = read::arguments(before);
    let passed = read::arguments(after);
    let results = results(op)?;
    let variables = variables(t, op, "carried", &carried)?;
    let outputs = self::variables(t, op, "result", &results)?;
    assign(t, op, 0, &variables)?;

    t.b.open_block();
    read_back(t, &variables, &carried);
    let end = t
        .block(before)?
        .ok_or_else(|| fail(op, "has no scf.condition"))?;
    let condition = t.operand(end, 0)?;
    let done = t.b.place(Expression::Unary {
        op: UnaryOperator::LogicalNot,
        expr: condition,
    });
    t.b.open_block();
    assign(t, end, 1, &outputs)?;
    let leave = t.b.close_block();
    break_if(t, done, leave);
    for (index, &argument) in passed.iter().enumerate() {
        let value = t.operand(end, index + 1)?;
        t.bind(argument, Lowered::Value(value));
    }
    if let Some(end) = t.block(after)? {
        assign(t, end, 0, &variables)?;
    }
    close_loop(t);
    read_back(t, &outputs, &results);
    Ok(())
}
