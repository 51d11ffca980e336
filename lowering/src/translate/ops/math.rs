//! `math`: WGSL builtins, and device functions where WGSL has none that is good
//! enough.

use crate::translate::{
    error::TranslateError,
    read::{self, fail},
    translator::Translator,
    types::{ScalarType, ValueType},
};
use melior::ir::{OperationRef, operation::OperationLike};
use naga::{BinaryOperator, Expression, Handle, MathFunction, Statement};

use super::arith::compose;

type Op<'c, 'a> = OperationRef<'c, 'a>;
type Done = Result<(), TranslateError>;

/// A WGSL function of `shaders/` that stands for an op. It takes and returns `f32`.
pub(super) struct DeviceFunction {
    pub(super) op: &'static str,
    function: &'static str,
    pub(super) source: &'static str,
}

pub(super) const DEVICE_FUNCTIONS: &[DeviceFunction] = &[
    DeviceFunction {
        op: "math.erf",
        function: "kforge_erf",
        source: include_str!("../../../../shaders/erf.wgsl"),
    },
    DeviceFunction {
        op: "math.tanh",
        function: "kforge_tanh",
        source: include_str!("../../../../shaders/tanh.wgsl"),
    },
];

/// A builtin of one to three operands.
pub(super) fn call(t: &mut Translator<'_>, op: Op<'_, '_>, fun: MathFunction) -> Done {
    let ty = t.result_type(op)?;
    if ty.scalar == ScalarType::Bool {
        return Err(fail(op, "computes with i1; extend to i32 first"));
    }
    let arg = t.operand(op, 0)?;
    let mut rest = Vec::new();
    for index in 1..op.operand_count() {
        rest.push(t.operand(op, index)?);
    }
    let value = t.b.place(Expression::Math {
        fun,
        arg,
        arg1: rest.first().copied(),
        arg2: rest.get(1).copied(),
        arg3: None,
    });
    t.set_value(op, value)
}

/// Rounds halves away from zero; WGSL's `round` rounds them to even. Adding 0.5
/// and truncating would be wrong just below 0.5.
pub(super) fn round(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let value = t.operand(op, 0)?;
    let apply = |t: &mut Translator<'_>, fun, arg| {
        t.b.place(Expression::Math {
            fun,
            arg,
            arg1: None,
            arg2: None,
            arg3: None,
        })
    };
    let whole = apply(t, MathFunction::Trunc, value);
    let fraction = t.b.binary(BinaryOperator::Subtract, value, whole);
    let fraction = apply(t, MathFunction::Abs, fraction);
    let half = t.b.literal(match ty.scalar {
        ScalarType::F16 => naga::Literal::F16(half::f16::from_f32(0.5)),
        _ => naga::Literal::F32(0.5),
    });
    let half = t.b.splat(ty, half);
    let up = t.b.binary(BinaryOperator::GreaterEqual, fraction, half);
    let sign = apply(t, MathFunction::Sign, value);
    let away = t.b.binary(BinaryOperator::Add, whole, sign);
    let rounded = t.b.select(up, away, whole);
    t.set_value(op, rounded)
}

/// A function of the device library, applied lane by lane, in `f32`.
pub(super) fn device_call(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let ty = t.result_type(op)?;
    let name = read::name(op);
    let function = DEVICE_FUNCTIONS
        .iter()
        .find(|function| function.op == name)
        .and_then(|wanted| {
            let functions = &t.b.module.functions;
            functions
                .iter()
                .find(|(_, function)| function.name.as_deref() == Some(wanted.function))
                .map(|(handle, _)| handle)
        })
        .ok_or_else(|| fail(op, "has no device function"))?;
    let value = t.operand(op, 0)?;
    let value = if ty.scalar == ScalarType::F32 {
        value
    } else {
        t.b.convert(value, naga::Scalar::F32)
    };
    let mut lanes = Vec::new();
    for lane in 0..ty.lanes {
        let argument = if ty.lanes == 1 {
            value
        } else {
            t.b.component(value, lane)
        };
        lanes.push(call_function(t, function, argument));
    }
    let single = ValueType {
        scalar: ScalarType::F32,
        lanes: ty.lanes,
    };
    let mut value = compose(t, single, lanes);
    if ty.scalar != ScalarType::F32 {
        value = t.b.convert(value, ty.scalar.naga());
    }
    t.set_value(op, value)
}

fn call_function(
    t: &mut Translator<'_>,
    function: Handle<naga::Function>,
    argument: Handle<Expression>,
) -> Handle<Expression> {
    let result = t.b.unplaced(Expression::CallResult(function));
    t.b.statement(Statement::Call {
        function,
        arguments: vec![argument],
        result: Some(result),
    });
    result
}
