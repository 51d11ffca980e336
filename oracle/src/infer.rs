//! Result types: each op's rules on operand types, and the type they give.
//!
//! Operand ids are known to be defined. `declared` is consulted only where the operands do
//! not determine the result (reshape, cast, constant, added broadcast sizes, and whether
//! a product of half-precision operands is stored in f32).

use crate::dtype::DType;
use crate::op::{BinaryKind, Op, UnaryKind};
use crate::program::{TensorType, ValueId};

type Inferred = Result<TensorType, String>;

/// The type of `op`'s result, or the rule it breaks.
pub(crate) fn infer<'a>(
    op: &Op,
    of: &dyn Fn(ValueId) -> &'a TensorType,
    declared: &TensorType,
) -> Inferred {
    match op {
        Op::Matmul { .. } => matmul(op, of, declared),
        Op::Attention { .. } => attention(op, of),
        Op::Mlp { .. } => mlp(op, of),
        Op::Rope { .. } => rope(op, of),
        Op::Softmax { x, axis } => {
            float(of(*x), "x")?;
            axis_index(*axis, of(*x))?;
            Ok(of(*x).clone())
        }
        Op::LayerNorm {
            x,
            gamma,
            beta,
            axis,
            epsilon,
        } => norm(
            of(*x),
            *axis,
            *epsilon,
            &[("gamma", gamma.map(of)), ("beta", beta.map(of))],
        ),
        Op::RmsNorm {
            x,
            gamma,
            axis,
            epsilon,
        } => norm(of(*x), *axis, *epsilon, &[("gamma", gamma.map(of))]),
        Op::Activation { x, .. } => float(of(*x), "x").map(|()| of(*x).clone()),
        Op::Unary { x, kind } => {
            let signed = matches!(kind, UnaryKind::Neg | UnaryKind::Abs);
            if !(signed && of(*x).dtype.is_integer()) {
                float(of(*x), "x")?;
            }
            Ok(of(*x).clone())
        }
        Op::Binary { a, b, kind } => binary(of(*a), of(*b), *kind),
        Op::Fma { a, b, c } => {
            float(of(*a), "a")?;
            same(of(*a), of(*b), "a", "b")?;
            same(of(*a), of(*c), "a", "c")?;
            Ok(of(*a).clone())
        }
        Op::Compare { a, b, .. } => {
            same(of(*a), of(*b), "a", "b")?;
            Ok(TensorType {
                dtype: DType::Bool,
                shape: of(*a).shape.clone(),
            })
        }
        Op::Select {
            condition,
            on_true,
            on_false,
        } => {
            same(of(*on_true), of(*on_false), "on_true", "on_false")?;
            let wanted = TensorType {
                dtype: DType::Bool,
                shape: of(*on_true).shape.clone(),
            };
            same(
                of(*condition),
                &wanted,
                "condition",
                "the bool type of on_true",
            )?;
            Ok(of(*on_true).clone())
        }
        Op::Cast { x } => {
            if of(*x).dtype.is_float() && declared.dtype == DType::Bool {
                return Err("float to bool has no meaning: compare with 0".to_owned());
            }
            Ok(TensorType {
                dtype: declared.dtype,
                shape: of(*x).shape.clone(),
            })
        }
        Op::Constant { .. } => Ok(declared.clone()),
        Op::Reshape { x } => {
            if of(*x).elements() != declared.elements() {
                return Err(format!("cannot reshape {} to {declared}", of(*x)));
            }
            Ok(TensorType {
                dtype: of(*x).dtype,
                shape: declared.shape.clone(),
            })
        }
        Op::Transpose { x, permutation } => transpose(of(*x), permutation),
        Op::Broadcast { x, dimensions } => broadcast(of(*x), dimensions, declared),
        Op::Slice {
            x,
            offsets,
            sizes,
            strides,
        } => {
            slice(of(*x), offsets, sizes, strides)?;
            Ok(TensorType {
                dtype: of(*x).dtype,
                shape: sizes.clone(),
            })
        }
        Op::InsertSlice {
            source,
            destination,
            offsets,
            sizes,
            strides,
        } => {
            slice(of(*destination), offsets, sizes, strides)?;
            let wanted = TensorType {
                dtype: of(*destination).dtype,
                shape: sizes.clone(),
            };
            same(of(*source), &wanted, "source", "the inserted slice")?;
            Ok(of(*destination).clone())
        }
        Op::Concat { inputs, axis } => {
            concat(&inputs.iter().map(|&id| of(id)).collect::<Vec<_>>(), *axis)
        }
        Op::Reduce { x, init, axes, .. } => reduce(of(*x), init.map(of), axes),
    }
}

/// Position of an axis that may count from the end.
pub(crate) fn axis_index(axis: i64, ty: &TensorType) -> Result<usize, String> {
    let rank = ty.shape.len() as i64;
    let from_start = if axis < 0 {
        axis.saturating_add(rank)
    } else {
        axis
    };
    if (0..rank).contains(&from_start) {
        Ok(from_start as usize)
    } else {
        Err(format!(
            "axis {axis} is outside [{}, {rank}) of type {ty}",
            -rank
        ))
    }
}

/// NumPy's broadcast of two shapes.
pub(crate) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], i: usize| {
        (i + shape.len())
            .checked_sub(rank)
            .map_or(1, |at| shape[at])
    };
    (0..rank)
        .map(|i| match (size(a, i), size(b, i)) {
            (m, n) if m == n => Ok(m),
            (1, n) => Ok(n),
            (m, 1) => Ok(m),
            (m, n) => Err(format!(
                "batch sizes {m} and {n} do not broadcast ({a:?}, {b:?})"
            )),
        })
        .collect()
}

fn float(ty: &TensorType, what: &str) -> Result<(), String> {
    if ty.dtype.is_float() {
        Ok(())
    } else {
        Err(format!("{what} is {ty}, must be a float tensor"))
    }
}

fn same(a: &TensorType, b: &TensorType, a_name: &str, b_name: &str) -> Result<(), String> {
    if a == b {
        Ok(())
    } else {
        Err(format!("{a_name} is {a} but {b_name} is {b}"))
    }
}

fn shape(ty: &TensorType, wanted: &[usize], what: &str) -> Result<(), String> {
    if ty.shape == wanted {
        Ok(())
    } else {
        Err(format!("{what} is {ty}, must have shape {wanted:?}"))
    }
}

fn matmul<'a>(op: &Op, of: &dyn Fn(ValueId) -> &'a TensorType, declared: &TensorType) -> Inferred {
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

fn attention<'a>(op: &Op, of: &dyn Fn(ValueId) -> &'a TensorType) -> Inferred {
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

fn mlp<'a>(op: &Op, of: &dyn Fn(ValueId) -> &'a TensorType) -> Inferred {
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

fn rope<'a>(op: &Op, of: &dyn Fn(ValueId) -> &'a TensorType) -> Inferred {
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

fn norm(
    x: &TensorType,
    axis: i64,
    epsilon: f32,
    weights: &[(&str, Option<&TensorType>)],
) -> Inferred {
    float(x, "x")?;
    let size = x.shape[axis_index(axis, x)?];
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        return Err(format!(
            "epsilon is {epsilon}, must be finite and not negative"
        ));
    }
    for (what, weight) in weights {
        if let Some(weight) = weight {
            float(weight, what)?;
            shape(weight, &[size], what)?;
        }
    }
    Ok(x.clone())
}

fn binary(a: &TensorType, b: &TensorType, kind: BinaryKind) -> Inferred {
    same(a, b, "a", "b")?;
    let fits = match kind {
        BinaryKind::And | BinaryKind::Or | BinaryKind::Xor => a.dtype == DType::Bool,
        BinaryKind::Div | BinaryKind::Pow | BinaryKind::Maxnum | BinaryKind::Minnum => {
            a.dtype.is_float()
        }
        _ => a.dtype != DType::Bool,
    };
    if fits {
        Ok(a.clone())
    } else {
        Err(format!("{kind:?} is not defined on {a}"))
    }
}

fn transpose(x: &TensorType, permutation: &[usize]) -> Inferred {
    let mut seen = vec![false; x.shape.len()];
    for &p in permutation {
        match seen.get_mut(p) {
            Some(s) if !*s => *s = true,
            _ => return Err(format!("permutation {permutation:?} does not permute {x}")),
        }
    }
    if permutation.len() != x.shape.len() {
        return Err(format!("permutation {permutation:?} does not permute {x}"));
    }
    let shape = permutation.iter().map(|&p| x.shape[p]).collect();
    Ok(TensorType {
        dtype: x.dtype,
        shape,
    })
}

fn broadcast(x: &TensorType, dimensions: &[usize], declared: &TensorType) -> Inferred {
    let rank = declared.shape.len();
    let distinct = (0..rank).filter(|d| dimensions.contains(d)).count();
    if distinct != dimensions.len() || rank != x.shape.len() + distinct {
        return Err(format!(
            "dimensions {dimensions:?} do not extend {x} to {declared}"
        ));
    }
    let mut kept = x.shape.iter();
    let shape = (0..rank)
        .map(|d| match dimensions.contains(&d) {
            true => declared.shape[d],
            false => kept.next().copied().unwrap_or(0),
        })
        .collect();
    Ok(TensorType {
        dtype: x.dtype,
        shape,
    })
}

fn slice(
    x: &TensorType,
    offsets: &[usize],
    sizes: &[usize],
    strides: &[usize],
) -> Result<(), String> {
    let rank = x.shape.len();
    if offsets.len() != rank || sizes.len() != rank || strides.len() != rank {
        return Err(format!(
            "offsets, sizes and strides must have {rank} entries for {x}"
        ));
    }
    for d in 0..rank {
        let (offset, size, stride) = (offsets[d], sizes[d], strides[d]);
        let last = size
            .checked_sub(1)
            .map(|s| s.checked_mul(stride).and_then(|s| s.checked_add(offset)));
        let fits = match last {
            None => offset <= x.shape[d],
            Some(last) => last.is_some_and(|l| l < x.shape[d]),
        };
        if !fits || stride == 0 {
            return Err(format!(
                "slice offset {offset}, size {size}, stride {stride} leaves dimension {d} of {x}"
            ));
        }
    }
    Ok(())
}

fn concat(types: &[&TensorType], axis: usize) -> Inferred {
    let Some(first) = types.first() else {
        return Err("no operands".to_owned());
    };
    if axis >= first.shape.len() {
        return Err(format!("axis {axis} is outside type {first}"));
    }
    let mut result = TensorType {
        dtype: first.dtype,
        shape: first.shape.clone(),
    };
    result.shape[axis] = 0;
    for ty in types {
        let agrees = ty.dtype == first.dtype
            && ty.shape.len() == first.shape.len()
            && (0..ty.shape.len()).all(|d| d == axis || ty.shape[d] == first.shape[d]);
        if !agrees {
            return Err(format!(
                "{ty} does not concatenate with {first} along {axis}"
            ));
        }
        result.shape[axis] = result.shape[axis].saturating_add(ty.shape[axis]);
    }
    Ok(result)
}

fn reduce(x: &TensorType, init: Option<&TensorType>, axes: &[usize]) -> Inferred {
    if x.dtype == DType::Bool {
        return Err(format!("x is {x}, must be a float or integer tensor"));
    }
    let ascending = axes.windows(2).all(|w| w[0] < w[1]);
    if !ascending || axes.last().is_some_and(|&a| a >= x.shape.len()) {
        return Err(format!("axes {axes:?} must ascend and lie inside {x}"));
    }
    let kept = (0..x.shape.len())
        .filter(|d| !axes.contains(d))
        .map(|d| x.shape[d])
        .collect();
    let result = TensorType {
        dtype: x.dtype,
        shape: kept,
    };
    if let Some(init) = init {
        same(init, &result, "init", "the result")?;
    }
    Ok(result)
}
