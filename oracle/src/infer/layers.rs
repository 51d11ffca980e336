//! Types of the ops that multiply or rotate: matmul, attention, mlp, rope.

use super::{Inferred, broadcast_shapes, float, shape};
use crate::dtype::DType;
use crate::op::Op;
use crate::program::{TensorType, ValueId};

pub(super) fn matmul<'a>(
    op: &Op,
    of: &dyn Fn(ValueId) -> &'a TensorType,
    declared: &TensorType,
) -> Inferred {
    let Op::Matmul {
        a,
        b,
        bias,
        residual,
        transpose_a,
        transpose_b,
        ..
    } = op
    else {
        return Err("not a matmul".to_owned());
    };
    let (a, b) = (of(*a), of(*b));
    let (batch_a, m, k) = matrix(a, *transpose_a, "a")?;
    let (batch_b, k_b, n) = matrix(b, *transpose_b, "b")?;
    if k != k_b {
        return Err(format!("a has K = {k} but b has K = {k_b} ({a}, {b})"));
    }
    let mut result = broadcast_shapes(batch_a, batch_b)?;
    result.extend([m, n]);
    if let Some(bias) = bias.map(of) {
        float(bias, "bias")?;
        shape(bias, &[n], "bias")?;
    }
    if let Some(residual) = residual.map(of) {
        float(residual, "residual")?;
        shape(residual, &result, "residual")?;
    }
    // Mixed precision may be stored in either operand's type or in the accumulator's, f32.
    let dtype = match declared.dtype {
        d if d == b.dtype || d == DType::F32 => d,
        _ => a.dtype,
    };
    Ok(TensorType {
        dtype,
        shape: result,
    })
}

/// Batch sizes, rows, columns of a stack of matrices after an optional transpose.
fn matrix<'t>(
    ty: &'t TensorType,
    transpose: bool,
    what: &str,
) -> Result<(&'t [usize], usize, usize), String> {
    float(ty, what)?;
    match ty.shape.as_slice() {
        [batch @ .., r, c] => Ok(if transpose {
            (batch, *c, *r)
        } else {
            (batch, *r, *c)
        }),
        _ => Err(format!("{what} is {ty}, must have at least 2 dimensions")),
    }
}

pub(super) fn attention<'a>(op: &Op, of: &dyn Fn(ValueId) -> &'a TensorType) -> Inferred {
    let Op::Attention {
        q,
        k,
        v,
        mask,
        scale,
        ..
    } = op
    else {
        return Err("not an attention".to_owned());
    };
    let (q, k, v) = (of(*q), of(*k), of(*v));
    for (ty, what) in [(q, "q"), (k, "k"), (v, "v")] {
        float(ty, what)?;
        if ty.dtype != q.dtype {
            return Err(format!(
                "{what} is {ty} but q is {q}: element types must agree"
            ));
        }
    }
    let (&[batch, heads, rows, depth], &[kb, kv_heads, keys, kd], &[vb, vh, vs, vd]) =
        (q.shape.as_slice(), k.shape.as_slice(), v.shape.as_slice())
    else {
        return Err(format!("q, k, v must have 4 dimensions, are {q}, {k}, {v}"));
    };
    if kb != batch || vb != batch || kd != depth || vh != kv_heads || vs != keys {
        return Err(format!(
            "shapes of q {q}, k {k} and v {v} do not fit [B,H,S,D]"
        ));
    }
    if kv_heads == 0 || heads % kv_heads != 0 {
        return Err(format!(
            "{heads} query heads are no multiple of {kv_heads} kv heads"
        ));
    }
    if scale.is_some_and(|s| !s.is_finite()) {
        return Err("scale must be finite".to_owned());
    }
    if let Some(mask) = mask.map(of) {
        float(mask, "mask")?;
        let scores = [batch, heads, rows, keys];
        if broadcast_shapes(&mask.shape, &scores).ok().as_deref() != Some(&scores) {
            return Err(format!("mask {mask} does not broadcast to {scores:?}"));
        }
    }
    Ok(TensorType {
        dtype: q.dtype,
        shape: vec![batch, heads, rows, vd],
    })
}

pub(super) fn mlp<'a>(op: &Op, of: &dyn Fn(ValueId) -> &'a TensorType) -> Inferred {
    let Op::Mlp {
        x,
        up,
        down,
        gate,
        up_bias,
        down_bias,
        gate_bias,
        transpose_weights,
        ..
    } = op
    else {
        return Err("not an mlp".to_owned());
    };
    let x = of(*x);
    float(x, "x")?;
    let Some((&width, rows)) = x.shape.split_last() else {
        return Err("x is a scalar, must have at least 1 dimension".to_owned());
    };
    let weight = |ty: &TensorType, what: &str| {
        if ty.shape.len() != 2 {
            return Err(format!("{what} is {ty}, must have 2 dimensions"));
        }
        matrix(ty, *transpose_weights, what).map(|(_, i, o)| (i, o))
    };
    let (input, hidden) = weight(of(*up), "up")?;
    let (hidden_down, output) = weight(of(*down), "down")?;
    if input != width || hidden_down != hidden {
        return Err(format!(
            "up {} and down {} do not fit x {x}",
            of(*up),
            of(*down)
        ));
    }
    match gate.map(of) {
        Some(gate) if weight(gate, "gate")? != (input, hidden) => {
            return Err(format!(
                "gate is {gate}, must have the shape of up {}",
                of(*up)
            ));
        }
        None if gate_bias.is_some() => return Err("gate_bias without gate".to_owned()),
        _ => {}
    }
    for (bias, size, what) in [
        (up_bias, hidden, "up_bias"),
        (gate_bias, hidden, "gate_bias"),
        (down_bias, output, "down_bias"),
    ] {
        if let Some(bias) = bias.map(of) {
            float(bias, what)?;
            shape(bias, &[size], what)?;
        }
    }
    let mut result = rows.to_vec();
    result.push(output);
    Ok(TensorType {
        dtype: x.dtype,
        shape: result,
    })
}

pub(super) fn rope<'a>(op: &Op, of: &dyn Fn(ValueId) -> &'a TensorType) -> Inferred {
    let Op::Rope {
        x,
        positions,
        inv_freq,
        theta,
        rotary_dim,
        ..
    } = op
    else {
        return Err("not a rope".to_owned());
    };
    let (x, positions) = (of(*x), of(*positions));
    float(x, "x")?;
    let &[batch, _, sequence, depth] = x.shape.as_slice() else {
        return Err(format!("x is {x}, must have 4 dimensions [B,H,S,D]"));
    };
    if !positions.dtype.is_integer() {
        return Err(format!(
            "positions is {positions}, must be an integer tensor"
        ));
    }
    if positions.shape != [sequence] && positions.shape != [batch, sequence] {
        return Err(format!(
            "positions is {positions}, must be [{sequence}] or [{batch}, {sequence}]"
        ));
    }
    if !(theta.is_finite() && *theta > 0.0) {
        return Err(format!("theta is {theta}, must be finite and positive"));
    }
    let rotated = match inv_freq.map(of) {
        Some(ty) => {
            float(ty, "inv_freq")?;
            let &[half] = ty.shape.as_slice() else {
                return Err(format!("inv_freq is {ty}, must have 1 dimension"));
            };
            half.saturating_mul(2)
        }
        None => rotary_dim.unwrap_or(depth),
    };
    if rotary_dim.is_some_and(|r| r != rotated) {
        return Err(format!(
            "rotary_dim {rotary_dim:?} contradicts inv_freq, which rotates {rotated}"
        ));
    }
    if rotated > depth || rotated % 2 != 0 {
        return Err(format!(
            "{rotated} rotated dimensions, must be even and at most D = {depth}"
        ));
    }
    Ok(x.clone())
}
