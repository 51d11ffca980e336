//! Values of one invocation, and WGSL's operations on them. A value that was read from
//! memory, and every float, is not known.

use naga::{
    BinaryOperator as B, Literal, MathFunction as M, Scalar as Type, ScalarKind, TypeInner,
    UnaryOperator as U,
};

use super::machine::Pointer;
use crate::prove::launch::Scalar;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    I32(i32),
    U32(u32),
    Bool(bool),
    /// By component.
    Parts(Vec<Value>),
    Pointer(Pointer),
    Unknown,
}

impl Value {
    pub(super) fn literal(literal: Literal) -> Self {
        match literal {
            Literal::I32(value) => Self::I32(value),
            Literal::U32(value) => Self::U32(value),
            Literal::Bool(value) => Self::Bool(value),
            _ => Self::Unknown,
        }
    }

    pub(super) fn argument(scalar: Scalar) -> Self {
        match scalar {
            Scalar::I32(value) => Self::I32(value),
            Scalar::U32(value) => Self::U32(value),
            Scalar::F32(_) => Self::Unknown,
        }
    }

    /// Zero of a type.
    pub(super) fn zero(inner: &TypeInner) -> Self {
        let scalar = |ty: &Type| match (ty.kind, ty.width) {
            (ScalarKind::Sint, 4) => Self::I32(0),
            (ScalarKind::Uint, 4) => Self::U32(0),
            (ScalarKind::Bool, _) => Self::Bool(false),
            _ => Self::Unknown,
        };
        match inner {
            TypeInner::Scalar(ty) => scalar(ty),
            TypeInner::Vector { size, scalar: ty } => Self::Parts(vec![scalar(ty); *size as usize]),
            _ => Self::Unknown,
        }
    }

    /// As an index.
    pub(super) fn index(&self) -> Option<i64> {
        match self {
            Self::I32(value) => Some(i64::from(*value)),
            Self::U32(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// Component `index`.
    pub(super) fn part(&self, index: usize) -> Self {
        match self {
            Self::Parts(parts) => parts.get(index).cloned().unwrap_or(Self::Unknown),
            _ => Self::Unknown,
        }
    }
}

/// Applies `each` to scalars, or lane by lane.
pub(super) fn lanes(values: &[Value], each: &dyn Fn(&[Value]) -> Value) -> Value {
    let width = values.iter().find_map(|value| match value {
        Value::Parts(parts) => Some(parts.len()),
        _ => None,
    });
    let Some(width) = width else {
        return each(values);
    };
    let lane = |index| {
        let picked: Vec<Value> = values
            .iter()
            .map(|value| match value {
                Value::Parts(_) => value.part(index),
                one => one.clone(),
            })
            .collect();
        each(&picked)
    };
    Value::Parts((0..width).map(lane).collect())
}

pub(super) fn unary(op: U, value: &Value) -> Value {
    match (op, value) {
        (U::Negate, Value::I32(value)) => Value::I32(value.wrapping_neg()),
        (U::BitwiseNot, Value::I32(value)) => Value::I32(!value),
        (U::BitwiseNot, Value::U32(value)) => Value::U32(!value),
        (U::LogicalNot, Value::Bool(value)) => Value::Bool(!value),
        _ => Value::Unknown,
    }
}

pub(super) fn binary(op: B, left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::I32(a), Value::I32(b)) => signed(op, *a, *b),
        (Value::U32(a), Value::U32(b)) => unsigned(op, *a, *b),
        // The amount of a shift is unsigned.
        (Value::I32(a), Value::U32(b)) => match op {
            B::ShiftLeft => Value::I32(a.wrapping_shl(*b)),
            B::ShiftRight => Value::I32(a.wrapping_shr(*b)),
            _ => Value::Unknown,
        },
        (Value::Bool(a), Value::Bool(b)) => match op {
            B::And | B::LogicalAnd => Value::Bool(*a && *b),
            B::InclusiveOr | B::LogicalOr => Value::Bool(*a || *b),
            B::Equal => Value::Bool(a == b),
            B::NotEqual => Value::Bool(a != b),
            _ => Value::Unknown,
        },
        (Value::Bool(false), _) | (_, Value::Bool(false))
            if matches!(op, B::And | B::LogicalAnd) =>
        {
            Value::Bool(false)
        }
        (Value::Bool(true), _) | (_, Value::Bool(true))
            if matches!(op, B::InclusiveOr | B::LogicalOr) =>
        {
            Value::Bool(true)
        }
        _ => Value::Unknown,
    }
}

fn signed(op: B, a: i32, b: i32) -> Value {
    Value::I32(match op {
        B::Add => a.wrapping_add(b),
        B::Subtract => a.wrapping_sub(b),
        B::Multiply => a.wrapping_mul(b),
        // WGSL's results where mathematics has none.
        B::Divide if b == 0 => a,
        B::Divide => a.wrapping_div(b),
        B::Modulo if b == 0 => 0,
        B::Modulo => a.wrapping_rem(b),
        B::And => a & b,
        B::InclusiveOr => a | b,
        B::ExclusiveOr => a ^ b,
        _ => return compared(op, &a, &b),
    })
}

fn unsigned(op: B, a: u32, b: u32) -> Value {
    Value::U32(match op {
        B::Add => a.wrapping_add(b),
        B::Subtract => a.wrapping_sub(b),
        B::Multiply => a.wrapping_mul(b),
        B::Divide => a.checked_div(b).unwrap_or(a),
        B::Modulo => a.checked_rem(b).unwrap_or(0),
        B::And => a & b,
        B::InclusiveOr => a | b,
        B::ExclusiveOr => a ^ b,
        B::ShiftLeft => a.wrapping_shl(b),
        B::ShiftRight => a.wrapping_shr(b),
        _ => return compared(op, &a, &b),
    })
}

fn compared<T: Ord>(op: B, a: &T, b: &T) -> Value {
    Value::Bool(match op {
        B::Equal => a == b,
        B::NotEqual => a != b,
        B::Less => a < b,
        B::LessEqual => a <= b,
        B::Greater => a > b,
        B::GreaterEqual => a >= b,
        _ => return Value::Unknown,
    })
}

pub(super) fn math(fun: M, arguments: &[Value]) -> Value {
    match (fun, arguments) {
        (M::Min, [Value::I32(a), Value::I32(b)]) => Value::I32(*a.min(b)),
        (M::Min, [Value::U32(a), Value::U32(b)]) => Value::U32(*a.min(b)),
        (M::Max, [Value::I32(a), Value::I32(b)]) => Value::I32(*a.max(b)),
        (M::Max, [Value::U32(a), Value::U32(b)]) => Value::U32(*a.max(b)),
        (M::Clamp, [value, low, high]) => {
            let raised = math(M::Max, &[value.clone(), low.clone()]);
            math(M::Min, &[raised, high.clone()])
        }
        (M::Abs, [Value::I32(a)]) => Value::I32(a.wrapping_abs()),
        (M::Abs, [Value::U32(a)]) => Value::U32(*a),
        _ => Value::Unknown,
    }
}

pub(super) fn convert(kind: ScalarKind, value: &Value) -> Value {
    match (kind, value) {
        (ScalarKind::Sint, Value::I32(value)) => Value::I32(*value),
        (ScalarKind::Sint, Value::U32(value)) => Value::I32(*value as i32),
        (ScalarKind::Sint, Value::Bool(value)) => Value::I32(i32::from(*value)),
        (ScalarKind::Uint, Value::I32(value)) => Value::U32(*value as u32),
        (ScalarKind::Uint, Value::U32(value)) => Value::U32(*value),
        (ScalarKind::Uint, Value::Bool(value)) => Value::U32(u32::from(*value)),
        (ScalarKind::Bool, Value::Bool(value)) => Value::Bool(*value),
        (ScalarKind::Bool, Value::I32(value)) => Value::Bool(*value != 0),
        (ScalarKind::Bool, Value::U32(value)) => Value::Bool(*value != 0),
        _ => Value::Unknown,
    }
}
