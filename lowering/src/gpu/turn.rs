//! Angles as sine and cosine want them: reduced to [-π, π] in f32, since WGSL promises nothing
//! outside.
//!
//! 2π is taken as three numbers of so few bits that their multiples up to 2^16 are exact: angles
//! of 400,000 radians keep an error of a unit of their last place.

use melior::ir::{Type, Value, ValueLike};

use crate::emit::{Emit, Emitted};

/// 2π as 8 bits, 8 bits and the rest.
const TURN: [f64; 3] = [
    6.28125,
    // 127 · 2^-16
    0.0019378662109375,
    std::f64::consts::TAU - 6.28125 - 0.0019378662109375,
];

/// angle - 2π·k, k the nearest integer to angle/2π.
pub(super) fn reduced<'c, 'a>(emit: &Emit<'c, 'a>, angle: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
    let (f32, ty) = (Type::float32(emit.context), angle.r#type());
    let number = |value: f64| emit.float(f32, ty, value);
    let turns = emit.same("arith.mulf", &[angle, number(1.0 / std::f64::consts::TAU)?])?;
    let turns = emit.same("arith.addf", &[turns, number(0.5)?])?;
    let turns = emit.same("math.floor", &[turns])?;
    let mut rest = angle;
    for part in TURN {
        let part = emit.same("arith.mulf", &[turns, number(part)?])?;
        rest = emit.same("arith.subf", &[rest, part])?;
    }
    Ok(rest)
}
