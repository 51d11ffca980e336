//! Activations on f32 scalars and vectors, in upstream `arith` and `math`.

use kforge_dialect::ActivationKind;
use melior::ir::{Type, Value, ValueLike};

use crate::emit::{Emit, Emitted};

/// Applies an activation to an f32 scalar or vector.
pub fn activation<'c, 'a>(
    emit: &Emit<'c, 'a>,
    kind: ActivationKind,
    x: Value<'c, 'a>,
) -> Emitted<Value<'c, 'a>> {
    let ty = x.r#type();
    let number = |value: f64| emit.float(Type::float32(emit.context), ty, value);
    match kind {
        ActivationKind::None => Ok(x),
        ActivationKind::Relu => emit.same("arith.maximumf", &[x, number(0.0)?]),
        ActivationKind::Gelu => {
            let scaled = emit.same("arith.mulf", &[x, number(std::f64::consts::FRAC_1_SQRT_2)?])?;
            let erf = emit.same("math.erf", &[scaled])?;
            let sum = emit.same("arith.addf", &[erf, number(1.0)?])?;
            let half = emit.same("arith.mulf", &[x, number(0.5)?])?;
            emit.same("arith.mulf", &[half, sum])
        }
        ActivationKind::GeluTanh => {
            // x/2·(1 + tanh(√(2/π)·x·(1 + 0.044715·x²)))
            let square = emit.same("arith.mulf", &[x, x])?;
            let inner = emit.same("math.fma", &[square, number(0.044715)?, number(1.0)?])?;
            let scaled = emit.same(
                "arith.mulf",
                &[x, number((2.0 / std::f64::consts::PI).sqrt())?],
            )?;
            let product = emit.same("arith.mulf", &[scaled, inner])?;
            let tanh = emit.same("math.tanh", &[product])?;
            let sum = emit.same("arith.addf", &[tanh, number(1.0)?])?;
            let half = emit.same("arith.mulf", &[x, number(0.5)?])?;
            emit.same("arith.mulf", &[half, sum])
        }
        ActivationKind::Silu => {
            let negated = emit.same("arith.negf", &[x])?;
            let exp = emit.same("math.exp", &[negated])?;
            let sum = emit.same("arith.addf", &[exp, number(1.0)?])?;
            emit.same("arith.divf", &[x, sum])
        }
        ActivationKind::Tanh => emit.same("math.tanh", &[x]),
    }
}
