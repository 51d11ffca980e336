//! Products, norms, softmax, attention, mlp and rope over the fields.

use crate::{
    infer::axis_index,
    op::{ActivationKind, Op},
    program::{TensorType, ValueId},
};

use super::{
    Field, Function, Number,
    evaluate::Operands,
    literal::{attention_scale, single},
    moves::{broadcast_number, coordinates},
    tensor::size,
};

/// The result of a layer; `None` for any other op.
pub(super) fn evaluate(on: &Operands, op: &Op, ty: &TensorType) -> Option<Vec<Number>> {
    Some(match op {
        Op::Matmul { .. } => matmul(on, op, ty),
        Op::Softmax { x, axis } => rows(on, *x, *axis, |row| softmax(on.field, row)),
        Op::LayerNorm {
            x,
            gamma,
            beta,
            axis,
            epsilon,
        } => rows(on, *x, *axis, |row| {
            let n = Number::integer(row.len() as i64);
            let mean = sum(row.iter().copied()) / n;
            let centred: Vec<Number> = row.iter().map(|x| *x - mean).collect();
            let variance = sum(centred.iter().map(|c| *c * *c)) / n;
            scaled(on, &centred, variance, *epsilon, [*gamma, *beta])
        }),
        Op::RmsNorm {
            x,
            gamma,
            axis,
            epsilon,
        } => rows(on, *x, *axis, |row| {
            let square = sum(row.iter().map(|x| *x * *x)) / Number::integer(row.len() as i64);
            scaled(on, row, square, *epsilon, [*gamma, None])
        }),
        Op::Attention { .. } => attention(on, op),
        Op::Mlp { .. } => mlp(on, op),
        Op::Rope { .. } => rope(on, op),
        _ => return None,
    })
}

pub(super) fn activation(field: &Field, kind: ActivationKind, x: Number) -> Number {
    let one = Number::integer(1);
    let half = x / Number::integer(2);
    match kind {
        ActivationKind::Relu => field.max(x, Number::ZERO),
        ActivationKind::Tanh => field.apply(Function::Tanh, x),
        ActivationKind::Silu => x / (one + field.apply(Function::Exp, -x)),
        ActivationKind::Gelu => {
            let factor = field.literal(single(std::f64::consts::FRAC_1_SQRT_2));
            half * (one + field.apply(Function::Erf, x * factor))
        }
        ActivationKind::GeluTanh => {
            let factor = field.literal(single((2.0 / std::f64::consts::PI).sqrt()));
            let cubic = field.literal(single(0.044715));
            let inner = factor * (x + cubic * x * x * x);
            half * (one + field.apply(Function::Tanh, inner))
        }
    }
}

fn sum(values: impl Iterator<Item = Number>) -> Number {
    values.fold(Number::ZERO, |sum, value| sum + value)
}

/// Applies `of` to each row along an axis.
fn rows(
    on: &Operands,
    x: ValueId,
    axis: i64,
    of: impl Fn(&[Number]) -> Vec<Number>,
) -> Vec<Number> {
    let values = on.floats(x);
    let Some(ty) = on.ty(x) else {
        return Vec::new();
    };
    let Ok(axis) = axis_index(axis, ty) else {
        return Vec::new();
    };
    let length = ty.shape[axis];
    let inner: usize = ty.shape[axis + 1..].iter().product();
    let mut result = values.to_vec();
    if values.is_empty() {
        return result;
    }
    for outer in 0..values.len() / (length * inner) {
        for column in 0..inner {
            let place = |j: usize| (outer * length + j) * inner + column;
            let row: Vec<Number> = (0..length).map(|j| values[place(j)]).collect();
            for (j, value) in of(&row).into_iter().enumerate() {
                result[place(j)] = value;
            }
        }
    }
    result
}

/// exp(x) / Σ exp(x); the largest element is subtracted for the real numbers' sake.
fn softmax(field: &Field, row: &[Number]) -> Vec<Number> {
    let Some(largest) = row
        .iter()
        .copied()
        .reduce(|a, b| if b.real > a.real { b } else { a })
    else {
        return Vec::new();
    };
    let powers: Vec<Number> = row
        .iter()
        .map(|x| field.apply(Function::Exp, *x - largest))
        .collect();
    let inverse = sum(powers.iter().copied()).reciprocal();
    powers.into_iter().map(|power| power * inverse).collect()
}

/// x / √(square + epsilon) · gamma + beta.
fn scaled(
    on: &Operands,
    row: &[Number],
    square: Number,
    epsilon: f32,
    [gamma, beta]: [Option<ValueId>; 2],
) -> Vec<Number> {
    let epsilon = on.field.literal(epsilon.into());
    let scale = on.field.apply(Function::Rsqrt, square + epsilon);
    let element = |(j, x): (usize, &Number)| {
        let mut value = *x * scale;
        if let Some(gamma) = gamma {
            value = value * on.floats(gamma)[j];
        }
        match beta {
            Some(beta) => value + on.floats(beta)[j],
            None => value,
        }
    };
    row.iter().enumerate().map(element).collect()
}

fn matmul(on: &Operands, op: &Op, ty: &TensorType) -> Vec<Number> {
    let Op::Matmul {
        a,
        b,
        bias,
        residual,
        transpose_a,
        transpose_b,
        activation: kind,
    } = op
    else {
        return Vec::new();
    };
    let (a_shape, b_shape) = (on.shape(*a), on.shape(*b));
    let (a_values, b_values) = (on.floats(*a), on.floats(*b));
    let depth = a_shape[a_shape.len() - if *transpose_a { 2 } else { 1 }];
    let rank = ty.shape.len();
    let matrix = |shape: &[usize]| shape[shape.len() - 2] * shape[shape.len() - 1];
    let element = |index: usize| {
        let at = coordinates(index, &ty.shape);
        let (batch, row, column) = (&at[..rank - 2], at[rank - 2], at[rank - 1]);
        let start =
            |shape: &[usize]| broadcast_number(batch, &shape[..shape.len() - 2]) * matrix(shape);
        let (a_start, b_start) = (start(a_shape), start(b_shape));
        let (a_width, b_width) = (a_shape[a_shape.len() - 1], b_shape[b_shape.len() - 1]);
        let product = |k: usize| {
            let left = if *transpose_a {
                k * a_width + row
            } else {
                row * a_width + k
            };
            let right = if *transpose_b {
                column * b_width + k
            } else {
                k * b_width + column
            };
            a_values[a_start + left] * b_values[b_start + right]
        };
        let mut value = sum((0..depth).map(product));
        if let Some(bias) = bias {
            value = value + on.floats(*bias)[column];
        }
        if let Some(kind) = kind {
            value = activation(on.field, *kind, value);
        }
        match residual {
            Some(residual) => value + on.floats(*residual)[index],
            None => value,
        }
    };
    (0..ty.elements()).map(element).collect()
}

fn attention(on: &Operands, op: &Op) -> Vec<Number> {
    let Op::Attention {
        q,
        k,
        v,
        mask,
        causal,
        scale,
    } = op
    else {
        return Vec::new();
    };
    let (Some(q_ty), Some(k_ty), Some(v_ty)) = (on.ty(*q), on.ty(*k), on.ty(*v)) else {
        return Vec::new();
    };
    let (heads, queries, depth) = (size(q_ty, 2), size(q_ty, 1), size(q_ty, 0));
    let (kv_heads, keys, width) = (size(k_ty, 2), size(k_ty, 1), size(v_ty, 0));
    let (q, k, v) = (on.floats(*q), on.floats(*k), on.floats(*v));
    let factor = on.field.literal(attention_scale(*scale, depth));
    let full = [size(q_ty, 3), heads, queries, keys];
    // The mask's value for a key; `None` where it is absent.
    let masked = |at: [usize; 4]| {
        let Some(mask) = mask else {
            return Some(Number::ZERO);
        };
        let value = on.floats(*mask)[broadcast_number(&at, on.shape(*mask))];
        let limit = on
            .ty(*mask)
            .map_or(0.0, |ty| crate::eval::absent_below(ty.dtype));
        (value.real > limit).then_some(value)
    };
    let mut result = Vec::with_capacity(full[0] * heads * queries * width);
    for row in 0..full[0] * heads * queries {
        let at = coordinates(row, &full[..3]);
        let kv = at[0] * kv_heads + at[1] * kv_heads / heads;
        let seen = match causal {
            true => (at[2] + keys + 1).saturating_sub(queries).min(keys),
            false => keys,
        };
        let mut scores = Vec::new();
        for key in 0..seen {
            if let Some(bias) = masked([at[0], at[1], at[2], key]) {
                let product = |d: usize| q[row * depth + d] * k[(kv * keys + key) * depth + d];
                scores.push((key, factor * sum((0..depth).map(product)) + bias));
            }
        }
        let values: Vec<Number> = scores.iter().map(|(_, score)| *score).collect();
        let weights = softmax(on.field, &values);
        for d in 0..width {
            let terms = scores.iter().zip(&weights);
            let terms = terms.map(|((key, _), weight)| *weight * v[(kv * keys + key) * width + d]);
            result.push(sum(terms));
        }
    }
    result
}

fn mlp(on: &Operands, op: &Op) -> Vec<Number> {
    let Op::Mlp {
        x,
        up,
        down,
        gate,
        up_bias,
        down_bias,
        gate_bias,
        activation: kind,
        transpose_weights,
    } = op
    else {
        return Vec::new();
    };
    let Some(x_ty) = on.ty(*x) else {
        return Vec::new();
    };
    let (x, inputs) = (on.floats(*x), size(x_ty, 0));
    let project = |x: &[Number], inputs: usize, weight: ValueId, bias: &Option<ValueId>| {
        let values = on.floats(weight);
        let outputs = on.shape(weight)[usize::from(!*transpose_weights)];
        let mut result = Vec::with_capacity(x.len() / inputs.max(1) * outputs);
        for row in x.chunks(inputs.max(1)) {
            for column in 0..outputs {
                let product = |k: usize| match transpose_weights {
                    true => row[k] * values[column * inputs + k],
                    false => row[k] * values[k * outputs + column],
                };
                let value = sum((0..inputs).map(product));
                result.push(match bias {
                    Some(bias) => value + on.floats(*bias)[column],
                    None => value,
                });
            }
        }
        (result, outputs)
    };
    let active = |x: Vec<Number>| -> Vec<Number> {
        x.into_iter()
            .map(|x| activation(on.field, *kind, x))
            .collect()
    };
    let (mut hidden, width) = project(x, inputs, *up, up_bias);
    match gate {
        None => hidden = active(hidden),
        Some(gate) => {
            let gates = active(project(x, inputs, *gate, gate_bias).0);
            hidden = hidden.into_iter().zip(gates).map(|(h, g)| h * g).collect();
        }
    }
    project(&hidden, width, *down, down_bias).0
}

fn rope(on: &Operands, op: &Op) -> Vec<Number> {
    let Op::Rope {
        x,
        positions,
        inv_freq,
        theta,
        interleaved,
        rotary_dim,
    } = op
    else {
        return Vec::new();
    };
    let Some(ty) = on.ty(*x) else {
        return Vec::new();
    };
    let (heads, sequence, depth) = (size(ty, 2), size(ty, 1), size(ty, 0));
    let frequencies: Vec<Number> = match inv_freq {
        Some(inv_freq) => on.floats(*inv_freq).to_vec(),
        None => {
            let rotated = rotary_dim.unwrap_or(depth);
            let theta = f64::from(*theta);
            let frequency = |i: usize| theta.powf(-2.0 * i as f64 / rotated as f64);
            (0..rotated / 2)
                .map(|i| on.field.literal(single(frequency(i))))
                .collect()
        }
    };
    let batched = on.shape(*positions).len() == 2;
    let positions = on.integers(*positions);
    let half = frequencies.len();
    let mut result = on.floats(*x).to_vec();
    for (row, line) in result.chunks_mut(depth.max(1)).enumerate() {
        let (s, batch) = (row % sequence, row / (heads * sequence));
        let position = positions[if batched { batch * sequence + s } else { s }];
        for (i, frequency) in frequencies.iter().enumerate() {
            let (first, second) = match interleaved {
                true => (2 * i, 2 * i + 1),
                false => (i, i + half),
            };
            let angle = Number::integer(position) * *frequency;
            let sin = on.field.apply(Function::Sin, angle);
            let cos = on.field.apply(Function::Cos, angle);
            let (a, b) = (line[first], line[second]);
            line[first] = a * cos - b * sin;
            line[second] = a * sin + b * cos;
        }
    }
    result
}
