//! `arith`: constants, arithmetic, comparisons, conversions.
//!
//! MLIR's integers are signless; they are kept signed and go through `u32` (or
//! `u64`) where an op is unsigned.

use crate::translate::{
    error::TranslateError,
    options::Scalar,
    read::{self, fail},
    translator::Translator,
    types::{ScalarType, ValueType},
};
use melior::ir::{
    OperationRef, ValueLike,
    attribute::{FloatAttribute, IntegerAttribute},
    operation::OperationLike,
};
use naga::{BinaryOperator, Expression, Handle, MathFunction, UnaryOperator};

type Op<'c, 'a> = OperationRef<'c, 'a>;
type Done = Result<(), TranslateError>;

pub(super) fn constant(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let attribute = op
        .attribute("value")
        .map_err(|_| fail(op, "has no value"))?;
    let scalar = if let Ok(float) = FloatAttribute::try_from(attribute) {
        Some(Scalar::Float(float.value()))
    } else {
        IntegerAttribute::try_from(attribute)
            .ok()
            .map(|integer| Scalar::Int(integer.value()))
    };
    let value = match scalar {
        Some(scalar) if !scalar.fits(ty.scalar) => {
            return Err(fail(
                op,
                format!("has the value {attribute}; index is 32 bits wide here"),
            ));
        }
        Some(scalar) => t.constant(ty.scalar, scalar),
        None => dense(t, ty, &attribute.to_string()).ok_or_else(|| {
            fail(
                op,
                format!("has the value {attribute}; expected a number or dense<...>"),
            )
        })?,
    };
    t.set_value(op, value)
}

/// Reads `dense<...> : vector<...>` from its printed form, which is exact.
fn dense(t: &mut Translator<'_>, ty: ValueType, text: &str) -> Option<Handle<Expression>> {
    let body = text.strip_prefix("dense<")?.split_once('>')?.0;
    let mut lanes = Vec::new();
    for token in body.trim_matches(['[', ']']).split(',') {
        let scalar = element(ty.scalar, token.trim()).filter(|value| value.fits(ty.scalar))?;
        lanes.push(t.constant(ty.scalar, scalar));
    }
    match lanes[..] {
        [one] => Some(t.b.splat(ty, one)),
        _ if lanes.len() == ty.lanes as usize => Some(compose(t, ty, lanes)),
        _ => None,
    }
}

fn element(scalar: ScalarType, token: &str) -> Option<Scalar> {
    match (scalar, token, token.strip_prefix("0x")) {
        (_, "true", _) => Some(Scalar::Int(1)),
        (_, "false", _) => Some(Scalar::Int(0)),
        (ScalarType::F32, _, Some(bits)) => {
            let bits = u32::from_str_radix(bits, 16).ok()?;
            Some(Scalar::Float(f64::from(f32::from_bits(bits))))
        }
        (ScalarType::F16, _, Some(bits)) => {
            let bits = u16::from_str_radix(bits, 16).ok()?;
            Some(Scalar::Float(half::f16::from_bits(bits).to_f64()))
        }
        _ if scalar.is_float() => token.parse().ok().map(Scalar::Float),
        _ => token.parse().ok().map(Scalar::Int),
    }
}

pub(super) fn compose(
    t: &mut Translator<'_>,
    ty: ValueType,
    components: Vec<Handle<Expression>>,
) -> Handle<Expression> {
    match components[..] {
        [one] => one,
        _ => {
            let ty = t.b.ty(ty.inner());
            t.b.place(Expression::Compose { ty, components })
        }
    }
}

pub(super) fn poison(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let inner = t.result_type(op)?.inner();
    let ty = t.b.ty(inner);
    let value = t.b.place(Expression::ZeroValue(ty));
    t.set_value(op, value)
}

fn pair(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
) -> Result<(Handle<Expression>, Handle<Expression>), TranslateError> {
    Ok((t.operand(op, 0)?, t.operand(op, 1)?))
}

fn arithmetic_type(t: &mut Translator<'_>, op: Op<'_, '_>) -> Result<ValueType, TranslateError> {
    let ty = t.operand_type(op, 0)?;
    if ty.scalar == ScalarType::Bool {
        return Err(fail(
            op,
            "computes with i1; extend to i32 first, or use andi, ori, xori",
        ));
    }
    Ok(ty)
}

pub(super) fn binary(t: &mut Translator<'_>, op: Op<'_, '_>, operator: BinaryOperator) -> Done {
    arithmetic_type(t, op)?;
    let (left, right) = pair(t, op)?;
    let value = t.b.binary(operator, left, right);
    t.set_value(op, value)
}

/// Runs an operation on the operands as unsigned numbers.
fn as_unsigned(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    build: impl FnOnce(
        &mut Translator<'_>,
        ValueType,
        Handle<Expression>,
        Handle<Expression>,
    ) -> Handle<Expression>,
) -> Done {
    let ty = arithmetic_type(t, op)?;
    let (left, right) = pair(t, op)?;
    let (left, right) = (unsign(t, ty, left), unsign(t, ty, right));
    let value = build(t, ty, left, right);
    let value = t.b.convert(value, ty.scalar.naga());
    t.set_value(op, value)
}

fn unsign(t: &mut Translator<'_>, ty: ValueType, value: Handle<Expression>) -> Handle<Expression> {
    t.b.convert(value, unsigned_scalar(ty.scalar))
}

fn unsigned_scalar(scalar: ScalarType) -> naga::Scalar {
    match scalar {
        ScalarType::I64 => naga::Scalar::U64,
        _ => naga::Scalar::U32,
    }
}

pub(super) fn unsigned(t: &mut Translator<'_>, op: Op<'_, '_>, operator: BinaryOperator) -> Done {
    as_unsigned(t, op, |t, _, left, right| t.b.binary(operator, left, right))
}

pub(super) fn unsigned_call(t: &mut Translator<'_>, op: Op<'_, '_>, fun: MathFunction) -> Done {
    as_unsigned(t, op, |t, _, left, right| {
        t.b.place(Expression::Math {
            fun,
            arg: left,
            arg1: Some(right),
            arg2: None,
            arg3: None,
        })
    })
}

pub(super) fn unsigned_ceil_division(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    // a / b + (a % b != 0), which cannot overflow.
    as_unsigned(t, op, |t, ty, left, right| {
        let quotient = t.b.binary(BinaryOperator::Divide, left, right);
        let rest = t.b.binary(BinaryOperator::Modulo, left, right);
        let zero = t.b.number(ty, 0);
        let zero = unsign(t, ty, zero);
        let inexact = t.b.binary(BinaryOperator::NotEqual, rest, zero);
        let carry = t.b.convert(inexact, unsigned_scalar(ty.scalar));
        t.b.binary(BinaryOperator::Add, quotient, carry)
    })
}

pub(super) fn floor_division(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    rounded_division(t, op, BinaryOperator::NotEqual, BinaryOperator::Subtract)
}

pub(super) fn ceil_division(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    rounded_division(t, op, BinaryOperator::Equal, BinaryOperator::Add)
}

/// Truncating division, adjusted by one where it is inexact and the signs of
/// remainder and divisor compare as `when`.
fn rounded_division(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    when: BinaryOperator,
    adjust: BinaryOperator,
) -> Done {
    let ty = arithmetic_type(t, op)?;
    let (left, right) = pair(t, op)?;
    let quotient = t.b.binary(BinaryOperator::Divide, left, right);
    let rest = t.b.binary(BinaryOperator::Modulo, left, right);
    let zero = t.b.number(ty, 0);
    let one = t.b.number(ty, 1);
    let inexact = t.b.binary(BinaryOperator::NotEqual, rest, zero);
    let rest_negative = t.b.binary(BinaryOperator::Less, rest, zero);
    let divisor_negative = t.b.binary(BinaryOperator::Less, right, zero);
    let signs = t.b.binary(when, rest_negative, divisor_negative);
    let needed = t.b.binary(BinaryOperator::And, inexact, signs);
    let adjusted = t.b.binary(adjust, quotient, one);
    let value = t.b.select(needed, adjusted, quotient);
    t.set_value(op, value)
}

pub(super) fn bitwise(t: &mut Translator<'_>, op: Op<'_, '_>, operator: BinaryOperator) -> Done {
    let ty = t.operand_type(op, 0)?;
    let (left, right) = pair(t, op)?;
    // WGSL has no xor on booleans.
    let operator = match (ty.scalar, operator) {
        (ScalarType::Bool, BinaryOperator::ExclusiveOr) => BinaryOperator::NotEqual,
        _ => operator,
    };
    let value = t.b.binary(operator, left, right);
    t.set_value(op, value)
}

pub(super) fn shift(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    operator: BinaryOperator,
    logical: bool,
) -> Done {
    let ty = arithmetic_type(t, op)?;
    let (mut left, right) = pair(t, op)?;
    if logical {
        left = unsign(t, ty, left);
    }
    let amount = t.b.convert(right, naga::Scalar::U32);
    let mut value = t.b.binary(operator, left, amount);
    if logical {
        value = t.b.convert(value, ty.scalar.naga());
    }
    t.set_value(op, value)
}

pub(super) fn negate(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let expr = t.operand(op, 0)?;
    let value = t.b.place(Expression::Unary {
        op: UnaryOperator::Negate,
        expr,
    });
    t.set_value(op, value)
}

pub(super) fn select(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    t.result_type(op)?;
    let condition = t.operand(op, 0)?;
    let accept = t.operand(op, 1)?;
    let reject = t.operand(op, 2)?;
    let value = t.b.select(condition, accept, reject);
    t.set_value(op, value)
}

pub(super) fn compare_integers(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    use BinaryOperator::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    let ty = t.operand_type(op, 0)?;
    // Numbering of arith::CmpIPredicate.
    let (operator, unsigned) = match read::integer(op, "predicate") {
        Some(0) => (Equal, false),
        Some(1) => (NotEqual, false),
        Some(2) => (Less, false),
        Some(3) => (LessEqual, false),
        Some(4) => (Greater, false),
        Some(5) => (GreaterEqual, false),
        Some(6) => (Less, true),
        Some(7) => (LessEqual, true),
        Some(8) => (Greater, true),
        Some(9) => (GreaterEqual, true),
        other => return Err(fail(op, format!("has the unknown predicate {other:?}"))),
    };
    if ty.scalar == ScalarType::Bool && !matches!(operator, Equal | NotEqual) {
        return Err(fail(op, "orders i1 values; extend to i32 first"));
    }
    let (mut left, mut right) = pair(t, op)?;
    if unsigned {
        (left, right) = (unsign(t, ty, left), unsign(t, ty, right));
    }
    let value = t.b.binary(operator, left, right);
    t.set_value(op, value)
}

pub(super) fn compare_floats(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    use BinaryOperator::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    let ty = t.operand_type(op, 0)?;
    let (left, right) = pair(t, op)?;
    // Numbering of arith::CmpFPredicate: ordered 1..7, unordered 8..14. An
    // unordered comparison is the negation of the opposite ordered one.
    let predicate = read::integer(op, "predicate");
    let (operator, negated) = match predicate {
        Some(1) => (Equal, false),
        Some(2) => (Greater, false),
        Some(3) => (GreaterEqual, false),
        Some(4) => (Less, false),
        Some(5) => (LessEqual, false),
        Some(6 | 13) => (NotEqual, false),
        Some(8) => (Equal, false),
        Some(9) => (LessEqual, true),
        Some(10) => (Less, true),
        Some(11) => (GreaterEqual, true),
        Some(12) => (Greater, true),
        Some(0 | 7 | 14 | 15) => return constant_comparison(t, op, predicate, ty, left, right),
        other => return Err(fail(op, format!("has the unknown predicate {other:?}"))),
    };
    let mut value = t.b.binary(operator, left, right);
    if negated {
        value = t.b.place(Expression::Unary {
            op: UnaryOperator::LogicalNot,
            expr: value,
        });
    }
    t.set_value(op, value)
}

/// `false`, `ord`, `uno` and `true`.
fn constant_comparison(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    predicate: Option<i64>,
    ty: ValueType,
    left: Handle<Expression>,
    right: Handle<Expression>,
) -> Done {
    let (compare, join) = match predicate {
        Some(7) => (BinaryOperator::Equal, BinaryOperator::And),
        Some(14) => (BinaryOperator::NotEqual, BinaryOperator::InclusiveOr),
        _ => {
            let flag = ValueType {
                scalar: ScalarType::Bool,
                lanes: ty.lanes,
            };
            let value = t.b.number(flag, i32::from(predicate == Some(15)));
            return t.set_value(op, value);
        }
    };
    let left = t.b.binary(compare, left, left);
    let right = t.b.binary(compare, right, right);
    let value = t.b.binary(join, left, right);
    t.set_value(op, value)
}

/// Value conversion between types whose signs need no care.
pub(super) fn convert(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    t.operand_type(op, 0)?;
    let to = t.result_type(op)?;
    let value = t.operand(op, 0)?;
    let value = t.b.convert(value, to.scalar.naga());
    t.set_value(op, value)
}

/// From a signed integer: `i1` is 0 or -1.
pub(super) fn convert_signed(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let from = t.operand_type(op, 0)?;
    let to = t.result_type(op)?;
    let mut value = t.operand(op, 0)?;
    if from.scalar == ScalarType::Bool {
        let (minus_one, zero) = (t.b.number(to, -1), t.b.number(to, 0));
        value = t.b.select(value, minus_one, zero);
    } else if to.scalar == ScalarType::Bool {
        return Err(fail(op, "casts to i1; compare with 0 instead"));
    } else if from.scalar != to.scalar {
        value = t.b.convert(value, to.scalar.naga());
    }
    t.set_value(op, value)
}

/// From an unsigned integer: `i1` is 0 or 1.
pub(super) fn convert_unsigned(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let from = t.operand_type(op, 0)?;
    let to = t.result_type(op)?;
    let mut value = t.operand(op, 0)?;
    if to.scalar == ScalarType::Bool {
        return Err(fail(op, "casts to i1; compare with 0 instead"));
    }
    if from.scalar != to.scalar {
        if from.scalar != ScalarType::Bool {
            value = unsign(t, from, value);
        }
        if (from.scalar, to.scalar) == (ScalarType::I32, ScalarType::I64) {
            value = t.b.convert(value, naga::Scalar::U64);
        }
        value = t.b.convert(value, to.scalar.naga());
    }
    t.set_value(op, value)
}

pub(super) fn float_to_unsigned(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    t.operand_type(op, 0)?;
    let to = t.result_type(op)?;
    if to.scalar == ScalarType::Bool {
        return Err(fail(op, "converts to i1; compare with 0.0 instead"));
    }
    let value = t.operand(op, 0)?;
    let value = unsign(t, to, value);
    let value = t.b.convert(value, to.scalar.naga());
    t.set_value(op, value)
}

pub(super) fn truncate(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let from = t.operand_type(op, 0)?;
    let to = t.result_type(op)?;
    let value = t.operand(op, 0)?;
    let value = if to.scalar == ScalarType::Bool {
        let (one, zero) = (t.b.number(from, 1), t.b.number(from, 0));
        let bit = t.b.binary(BinaryOperator::And, value, one);
        t.b.binary(BinaryOperator::NotEqual, bit, zero)
    } else {
        t.b.convert(value, to.scalar.naga())
    };
    t.set_value(op, value)
}

pub(super) fn bitcast(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let from = t.operand_type(op, 0)?;
    let to = t.result_type(op)?;
    let value = t.operand(op, 0)?;
    if from == to {
        return t.set_value(op, value);
    }
    let words = |ty: ValueType| matches!(ty.scalar, ScalarType::I32 | ScalarType::F32);
    if !words(from) || !words(to) || from.lanes != to.lanes {
        let ty = read::operand(op, 0)?.r#type();
        return Err(fail(
            op,
            format!("casts from {ty}; bits can be cast between i32 and f32"),
        ));
    }
    let value = t.b.place(Expression::As {
        expr: value,
        kind: to.scalar.naga().kind,
        convert: None,
    });
    t.set_value(op, value)
}
