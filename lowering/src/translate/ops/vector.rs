//! `vector` ops on vectors of up to four lanes.

use crate::translate::{
    error::TranslateError,
    read::{self, fail},
    translator::{Lowered, Translator},
    types::{ScalarType, ValueType},
};
use melior::ir::{OperationRef, operation::OperationLike};
use naga::{BinaryOperator, Expression, Handle, MathFunction};

use super::arith::compose;

type Op<'c, 'a> = OperationRef<'c, 'a>;
type Done = Result<(), TranslateError>;

/// All lanes of a value as scalars.
pub(super) fn lanes(
    t: &mut Translator<'_>,
    ty: ValueType,
    value: Handle<Expression>,
) -> Vec<Handle<Expression>> {
    if ty.lanes == 1 {
        return vec![value];
    }
    (0..ty.lanes)
        .map(|lane| t.b.component(value, lane))
        .collect()
}

fn operand_lanes(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    index: usize,
) -> Result<Vec<Handle<Expression>>, TranslateError> {
    let ty = t.operand_type(op, index)?;
    let value = t.operand(op, index)?;
    Ok(lanes(t, ty, value))
}

pub(super) fn broadcast(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let from = t.operand_type(op, 0)?;
    let to = t.result_type(op)?;
    let value = t.operand(op, 0)?;
    let value = if from.lanes == to.lanes {
        value
    } else {
        t.b.splat(to, value)
    };
    t.set_value(op, value)
}

pub(super) fn from_elements(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let mut components = Vec::new();
    for index in 0..op.operand_count() {
        components.push(t.operand(op, index)?);
    }
    let value = compose(t, ty, components);
    t.set_value(op, value)
}

pub(super) fn to_elements(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    for (index, lane) in operand_lanes(t, op, 0)?.into_iter().enumerate() {
        t.set(op, index, Lowered::Value(lane))?;
    }
    Ok(())
}

/// Where an extract or insert goes.
enum Position {
    Whole,
    Lane(usize),
    Computed(Handle<Expression>),
}

/// `dynamic` is the operand that holds a computed position, if there is one.
fn position(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    dynamic: usize,
    lanes: u32,
) -> Result<Position, TranslateError> {
    match read::integers(op, "static_position")[..] {
        [] => Ok(Position::Whole),
        [i64::MIN] => Ok(Position::Computed(t.operand(op, dynamic)?)),
        [lane] if (0..i64::from(lanes)).contains(&lane) => Ok(Position::Lane(lane as usize)),
        ref other => Err(fail(
            op,
            format!("has the position {other:?}; the vector has {lanes} lanes"),
        )),
    }
}

pub(super) fn extract(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.operand_type(op, 0)?;
    let base = t.operand(op, 0)?;
    let value = match position(t, op, 1, ty.lanes)? {
        Position::Computed(index) if ty.lanes > 1 => t.b.place(Expression::Access { base, index }),
        Position::Lane(lane) if ty.lanes > 1 => t.b.component(base, lane as u32),
        _ => base,
    };
    t.set_value(op, value)
}

pub(super) fn insert(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let new = t.operand(op, 0)?;
    let mut components = operand_lanes(t, op, 1)?;
    match position(t, op, 2, ty.lanes)? {
        Position::Whole => return t.set_value(op, new),
        Position::Lane(lane) => components[lane] = new,
        Position::Computed(index) => {
            for (lane, old) in components.iter_mut().enumerate() {
                let lane = t.b.i32(lane as i32);
                let here = t.b.binary(BinaryOperator::Equal, index, lane);
                *old = t.b.select(here, new, *old);
            }
        }
    }
    let value = compose(t, ty, components);
    t.set_value(op, value)
}

fn offset(op: Op<'_, '_>) -> Result<usize, TranslateError> {
    let (offsets, strides) = (read::integers(op, "offsets"), read::integers(op, "strides"));
    match (&offsets[..], &strides[..]) {
        ([offset], [1]) if *offset >= 0 => Ok(*offset as usize),
        _ => Err(fail(
            op,
            format!(
                "has offsets {offsets:?} and strides {strides:?}; one dimension and stride 1 are supported"
            ),
        )),
    }
}

pub(super) fn extract_slice(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let start = offset(op)?;
    let all = operand_lanes(t, op, 0)?;
    let part = all.get(start..start + ty.lanes as usize);
    let part = part
        .ok_or_else(|| fail(op, "reaches beyond the vector"))?
        .to_vec();
    let value = compose(t, ty, part);
    t.set_value(op, value)
}

pub(super) fn insert_slice(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let start = offset(op)?;
    let new = operand_lanes(t, op, 0)?;
    let mut all = operand_lanes(t, op, 1)?;
    for (index, lane) in new.into_iter().enumerate() {
        match all.get_mut(start + index) {
            Some(old) => *old = lane,
            None => return Err(fail(op, "reaches beyond the vector")),
        }
    }
    let value = compose(t, ty, all);
    t.set_value(op, value)
}

pub(super) fn shuffle(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let mut all = operand_lanes(t, op, 0)?;
    all.extend(operand_lanes(t, op, 1)?);
    let mut picked = Vec::new();
    for lane in read::integers(op, "mask") {
        // A negative lane is poison: any lane will do.
        let lane = all.get(lane.max(0) as usize).copied();
        picked.push(lane.ok_or_else(|| fail(op, "picks a lane that does not exist"))?);
    }
    let value = compose(t, ty, picked);
    t.set_value(op, value)
}

/// Left to right, starting from the accumulator where there is one.
pub(super) fn reduction(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let kind = read::enumerant(op, "kind");
    let mut all = operand_lanes(t, op, 0)?.into_iter();
    let start = if op.operand_count() > 1 {
        Some(t.operand(op, 1)?)
    } else {
        all.next()
    };
    let mut value = start.ok_or_else(|| fail(op, "reduces nothing"))?;
    for lane in all {
        value = combine(t, ty, &kind, value, lane).ok_or_else(|| {
            fail(
                op,
                format!("reduces by {kind}; supported: add, mul, and, or, xor, minsi, maxsi, minnumf, maxnumf, minimumf, maximumf"),
            )
        })?;
    }
    t.set_value(op, value)
}

fn combine(
    t: &mut Translator<'_>,
    ty: ValueType,
    kind: &str,
    left: Handle<Expression>,
    right: Handle<Expression>,
) -> Option<Handle<Expression>> {
    let operator = match kind {
        "add" => BinaryOperator::Add,
        "mul" => BinaryOperator::Multiply,
        "and" => BinaryOperator::And,
        "or" => BinaryOperator::InclusiveOr,
        "xor" if ty.scalar == ScalarType::Bool => BinaryOperator::NotEqual,
        "xor" => BinaryOperator::ExclusiveOr,
        _ => {
            let fun = match kind {
                "minsi" | "minnumf" | "minimumf" => MathFunction::Min,
                "maxsi" | "maxnumf" | "maximumf" => MathFunction::Max,
                _ => return None,
            };
            return Some(t.b.place(Expression::Math {
                fun,
                arg: left,
                arg1: Some(right),
                arg2: None,
                arg3: None,
            }));
        }
    };
    Some(t.b.binary(operator, left, right))
}
