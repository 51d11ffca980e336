//! Random valid modules. A module is a list of small choices, each read as the next op on
//! the values that are there, so that every list is a module and shrinks to a smaller one.

use proptest::{collection::vec, prelude::*};

use crate::draft::{Choice, Draft, Value};

const SIZES: [u64; 8] = [4, 2, 3, 1, 8, 5, 6, 16];
const KINDS: [&str; 6] = ["none", "relu", "gelu", "gelu_tanh", "silu", "tanh"];

fn size(choice: u8) -> u64 {
    SIZES[usize::from(choice) % SIZES.len()]
}

fn flag(name: &str, choice: u8) -> String {
    if choice & 1 == 1 {
        name.into()
    } else {
        String::new()
    }
}

/// Modules of up to `most` ops, patterns of several ops counted as one.
pub fn module(most: usize) -> impl Strategy<Value = String> {
    let choices = vec(any::<Choice>(), 1..=most);
    let ends = (
        any::<bool>(),
        any::<Choice>(),
        proptest::option::of(any::<u8>()),
    );
    (ends, choices).prop_map(|((half, start, also), choices)| {
        let mut draft = Draft::new(if half { "f16" } else { "f32" });
        let rank = 2 + usize::from(start[0]) % 3;
        let shape: Vec<u64> = start[1..][..rank].iter().map(|it| size(*it)).collect();
        let first = draft.argument(&shape);
        draft.values.push(first);
        for choice in choices {
            let value = append(&mut draft, choice);
            draft.values.push(value);
        }
        draft.finish(also)
    })
}

type Rule = fn(&mut Draft, Choice) -> Value;

const RULES: [Rule; 18] = [
    matmul,
    attention,
    mlp,
    rope,
    softmax,
    layer_norm,
    rms_norm,
    activation,
    binary,
    unary,
    scaled,
    transpose,
    reshape,
    biased,
    attention_by_hand,
    mlp_by_hand,
    gelu_by_hand,
    concat,
];

fn append(draft: &mut Draft, choice: Choice) -> Value {
    RULES[usize::from(choice[0]) % RULES.len()](draft, choice)
}

/// A value of rank 4, or a new argument.
fn of_heads(draft: &mut Draft, c: Choice) -> Value {
    let value = draft.value(c[1]);
    match value.shape.len() {
        4 => value,
        _ => draft.argument(&[
            size(c[1] >> 4),
            size(c[2] >> 4),
            size(c[3] >> 4),
            size(c[4] >> 4),
        ]),
    }
}

fn matmul(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let rank = x.shape.len();
    let (rows, columns) = (x.shape[rank - 2], x.shape[rank - 1]);
    let transposed = c[2] & 1 == 1;
    let (m, k) = if transposed {
        (columns, rows)
    } else {
        (rows, columns)
    };
    let n = size(c[3]);
    // Weights for all, for each batch, or for all of a broadcast batch.
    let mut weights = match c[4] % 3 {
        0 => Vec::new(),
        1 => x.shape[..rank - 2].to_vec(),
        _ => vec![1; rank - 2],
    };
    let flipped = c[2] & 2 == 2;
    weights.extend(if flipped { [n, k] } else { [k, n] });
    let w = draft.operand(&weights, c[4]);
    let mut shape = x.shape[..rank - 2].to_vec();
    shape.extend([m, n]);
    let bias = (c[2] & 4 == 4).then(|| draft.operand(&[n], c[5]));
    let residual = (c[2] & 8 == 8).then(|| draft.operand(&shape, c[5]));
    draft.kforge(
        "matmul",
        &[&x, &w],
        &[("bias", bias.as_ref()), ("residual", residual.as_ref())],
        &[
            flag("transpose_a", c[2]),
            flag("transpose_b", c[2] >> 1),
            format!("activation = \"{}\"", KINDS[usize::from(c[5]) % 6]),
        ],
        &shape,
    )
}

fn attention(draft: &mut Draft, c: Choice) -> Value {
    let q = of_heads(draft, c);
    let [b, h, sq, d] = q.shape[..] else {
        unreachable!()
    };
    let hkv = if h % 2 == 0 && c[2] & 1 == 1 {
        h / 2
    } else {
        h
    };
    let (sk, dv) = (size(c[3]), size(c[4]));
    let k = draft.operand(&[b, hkv, sk, d], c[3]);
    let v = draft.operand(&[b, hkv, sk, dv], c[4]);
    let mask = match c[5] % 4 {
        0 => Some(draft.argument(&[sq, sk])),
        1 => Some(draft.argument(&[b, 1, 1, sk])),
        _ => None,
    };
    draft.kforge(
        "attention",
        &[&q, &k, &v],
        &[("mask", mask.as_ref())],
        &[
            flag("causal", c[2] >> 1),
            flag("scale = 0.3 : f32", c[2] >> 2),
        ],
        &[b, h, sq, dv],
    )
}

fn mlp(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let k = x.shape[x.shape.len() - 1];
    let (inner, n) = (size(c[3]), size(c[4]));
    let side = |a: u64, b: u64| if c[2] & 1 == 1 { [b, a] } else { [a, b] };
    let up = draft.operand(&side(k, inner), c[3]);
    let down = draft.operand(&side(inner, n), c[4]);
    let gate = (c[2] & 2 == 2).then(|| draft.argument(&side(k, inner)));
    let up_bias = (c[2] & 4 == 4).then(|| draft.operand(&[inner], c[5]));
    let down_bias = (c[2] & 8 == 8).then(|| draft.operand(&[n], c[5]));
    let gate_bias = (c[2] & 18 == 18).then(|| draft.operand(&[inner], c[5]));
    let mut shape = x.shape.clone();
    *shape.last_mut().unwrap() = n;
    draft.kforge(
        "mlp",
        &[&x, &up, &down],
        &[
            ("gate", gate.as_ref()),
            ("up_bias", up_bias.as_ref()),
            ("down_bias", down_bias.as_ref()),
            ("gate_bias", gate_bias.as_ref()),
        ],
        &[
            flag("transpose_weights", c[2]),
            format!("activation = \"{}\"", KINDS[usize::from(c[5]) % 6]),
        ],
        &shape,
    )
}

fn rope(draft: &mut Draft, c: Choice) -> Value {
    let mut x = of_heads(draft, c);
    if x.shape[3] % 2 == 1 {
        let shape = [x.shape[0], x.shape[1], x.shape[2], 2 * x.shape[3]];
        x = draft.argument(&shape);
    }
    let [b, _, s, d] = x.shape[..] else {
        unreachable!()
    };
    let positions = if c[2] & 1 == 1 { vec![b, s] } else { vec![s] };
    let p = draft.argument_of(&positions, "i32");
    let f = (c[2] & 2 == 2).then(|| {
        let half = 1 + u64::from(c[3]) % (d / 2);
        draft.argument_of(&[half], "f32")
    });
    let (ty, positions) = (draft.ty(&x), crate::draft::ty(&positions, "i32"));
    let (name, mut types) = (x.name.clone(), format!("{ty}, {positions}"));
    let mut operands = format!("{name}, {}", p.name);
    if let Some(f) = &f {
        operands += &format!(" inv_freq {}", f.name);
        types += &format!(", {}", crate::draft::ty(&f.shape, "f32"));
    }
    let interleaved = if c[2] & 4 == 4 { " {interleaved}" } else { "" };
    let text = format!("kforge.rope {operands}{interleaved} : ({types}) -> {ty}");
    draft.op(&x.shape, text)
}

fn axis(x: &Value, choice: u8) -> (usize, String) {
    let rank = x.shape.len();
    let axis = if choice & 1 == 1 {
        usize::from(choice / 2) % rank
    } else {
        rank - 1
    };
    let stated = if choice & 2 == 2 {
        axis as i64
    } else {
        axis as i64 - rank as i64
    };
    (axis, format!("axis = {stated} : i64"))
}

fn softmax(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let (_, axis) = axis(&x, c[2]);
    draft.kforge("softmax", &[&x], &[], &[axis], &x.shape)
}

fn layer_norm(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let (at, axis) = axis(&x, c[2]);
    let n = [x.shape[at]];
    let gamma = (c[3] & 1 == 1).then(|| draft.operand(&n, c[4]));
    let beta = (c[3] & 2 == 2).then(|| draft.operand(&n, c[5]));
    let optional = [("gamma", gamma.as_ref()), ("beta", beta.as_ref())];
    let epsilon = flag("epsilon = 1.0e-3 : f32", c[3] >> 2);
    draft.kforge("layer_norm", &[&x], &optional, &[axis, epsilon], &x.shape)
}

fn rms_norm(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let (at, axis) = axis(&x, c[2]);
    let gamma = (c[3] & 1 == 1).then(|| draft.operand(&[x.shape[at]], c[4]));
    let optional = [("gamma", gamma.as_ref())];
    draft.kforge("rms_norm", &[&x], &optional, &[axis], &x.shape)
}

fn activation(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let kind = format!("kind = \"{}\"", KINDS[usize::from(c[2]) % 6]);
    draft.kforge("activation", &[&x], &[], &[kind], &x.shape)
}

fn binary(draft: &mut Draft, c: Choice) -> Value {
    const OPS: [&str; 5] = ["addf", "mulf", "subf", "maximumf", "minimumf"];
    let x = draft.value(c[1]);
    let y = draft.operand(&x.shape, c[2]);
    let op = format!("arith.{}", OPS[usize::from(c[3]) % OPS.len()]);
    match c[4] & 1 {
        0 => draft.same(&op, &[&x, &y]),
        _ => draft.same(&op, &[&y, &x]),
    }
}

fn unary(draft: &mut Draft, c: Choice) -> Value {
    const OPS: [&str; 4] = ["math.tanh", "arith.negf", "math.absf", "math.erf"];
    let x = draft.value(c[1]);
    draft.same(OPS[usize::from(c[2]) % OPS.len()], &[&x])
}

/// A product with or a quotient by a number, which folds into weights and scales.
fn scaled(draft: &mut Draft, c: Choice) -> Value {
    const NUMBERS: [&str; 6] = ["0.5", "4.0", "0.353553385", "1.0", "-3.0", "0.1"];
    let x = draft.value(c[1]);
    let number = draft.splat(&x.shape, NUMBERS[usize::from(c[2]) % NUMBERS.len()]);
    match c[3] % 3 {
        0 => draft.same("arith.mulf", &[&x, &number]),
        1 => draft.same("arith.mulf", &[&number, &x]),
        _ => draft.same("arith.divf", &[&x, &number]),
    }
}

fn transpose(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let mut order: Vec<usize> = (0..x.shape.len()).collect();
    order.rotate_left(usize::from(c[2]) % x.shape.len());
    let last = order.len() - 1;
    if c[3] & 1 == 1 {
        order.swap(0, last);
    }
    let shape: Vec<u64> = order.iter().map(|at| x.shape[*at]).collect();
    let to = crate::draft::ty(&shape, draft.element);
    let empty = draft.op(&shape, format!("tensor.empty() : {to}"));
    let text = format!(
        "linalg.transpose ins({} : {}) outs({} : {to}) permutation = {order:?}",
        x.name,
        draft.ty(&x),
        empty.name
    );
    draft.op(&shape, text)
}

/// Leading dimensions as one, or a leading dimension in two.
fn reshape(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let from = draft.ty(&x);
    let rest = &x.shape[1..];
    let (shape, op) = match rest.len() {
        2.. => (
            [&[x.shape[0] * rest[0]], &rest[1..]].concat(),
            "collapse_shape",
        ),
        _ => ([&[x.shape[0], 1], rest].concat(), "expand_shape"),
    };
    let rank = x.shape.len().max(shape.len());
    let groups: Vec<String> = (2..rank).map(|at| format!("[{at}]")).collect();
    let groups = [vec!["[0, 1]".to_owned()], groups].concat().join(", ");
    let to = crate::draft::ty(&shape, draft.element);
    let sizes = match op {
        "expand_shape" => format!(" output_shape {shape:?}"),
        _ => String::new(),
    };
    let text = format!(
        "tensor.{op} {} [{groups}]{sizes} : {from} into {to}",
        x.name
    );
    draft.op(&shape, text)
}

/// A row that is added to every row.
fn biased(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let bias = draft.operand(&[x.shape[x.shape.len() - 1]], c[2]);
    let spread = broadcast(draft, &bias, &x.shape);
    draft.same("arith.addf", &[&x, &spread])
}

/// A tensor over leading dimensions.
fn broadcast(draft: &mut Draft, x: &Value, shape: &[u64]) -> Value {
    let to = crate::draft::ty(shape, draft.element);
    let added: Vec<usize> = (0..shape.len() - x.shape.len()).collect();
    let empty = draft.op(shape, format!("tensor.empty() : {to}"));
    let text = format!(
        "linalg.broadcast ins({} : {}) outs({} : {to}) dimensions = {added:?}",
        x.name,
        draft.ty(x),
        empty.name
    );
    draft.op(shape, text)
}

fn attention_by_hand(draft: &mut Draft, c: Choice) -> Value {
    let q = of_heads(draft, c);
    let [b, h, sq, d] = q.shape[..] else {
        unreachable!()
    };
    let (sk, dv) = (size(c[3]), size(c[4]));
    let k = draft.argument(&[b, h, sk, d]);
    let v = draft.operand(&[b, h, sk, dv], c[4]);
    let scores = [b, h, sq, sk];
    let plain = ["transpose_b".to_owned()];
    let mut weights = draft.kforge("matmul", &[&q, &k], &[], &plain, &scores);
    if c[2] & 1 == 1 {
        let number = draft.splat(&scores, "0.25");
        let op = if c[2] & 2 == 2 {
            "arith.divf"
        } else {
            "arith.mulf"
        };
        weights = draft.same(op, &[&weights, &number]);
    }
    if c[2] & 4 == 4 {
        let mask = draft.operand(&[sq, sk], c[5]);
        let mask = broadcast(draft, &mask, &scores);
        weights = draft.same("arith.addf", &[&weights, &mask]);
    }
    let weights = draft.kforge("softmax", &[&weights], &[], &[], &scores);
    if c[2] & 8 == 8 {
        // A second user, across which nothing may be fused.
        draft.values.push(weights.clone());
    }
    draft.kforge("matmul", &[&weights, &v], &[], &[], &[b, h, sq, dv])
}

fn mlp_by_hand(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let rank = x.shape.len();
    let (k, inner, n) = (x.shape[rank - 1], size(c[3]), size(c[4]));
    let with = |last: u64| [&x.shape[..rank - 1], &[last]].concat();
    let kind = [format!("activation = \"{}\"", KINDS[usize::from(c[5]) % 6])];
    let up = draft.operand(&[k, inner], c[3]);
    let mut hidden = draft.kforge("matmul", &[&x, &up], &[], &kind, &with(inner));
    if c[2] & 1 == 1 {
        let gate = draft.argument(&[k, inner]);
        let other = draft.kforge("matmul", &[&x, &gate], &[], &[], &with(inner));
        hidden = draft.same("arith.mulf", &[&hidden, &other]);
    }
    if c[2] & 2 == 2 {
        draft.values.push(hidden.clone());
    }
    let down = draft.operand(&[inner, n], c[4]);
    let bias = (c[2] & 4 == 4).then(|| draft.argument(&[n]));
    draft.kforge(
        "matmul",
        &[&hidden, &down],
        &[("bias", bias.as_ref())],
        &[],
        &with(n),
    )
}

/// x · 0.5 · (1 + erf(x / √2)), or a maximum with zero.
fn gelu_by_hand(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let shape = x.shape.clone();
    if c[2] & 1 == 1 {
        let zero = draft.splat(&shape, "0.0");
        return draft.same("arith.maximumf", &[&x, &zero]);
    }
    let root = if draft.element == "f16" {
        "0.70703125"
    } else {
        "0.707106769"
    };
    let [root, one, half] = [root, "1.0", "0.5"].map(|it| draft.splat(&shape, it));
    let scaled = draft.same("arith.mulf", &[&x, &root]);
    let erf = draft.same("math.erf", &[&scaled]);
    let sum = draft.same("arith.addf", &[&erf, &one]);
    let halved = draft.same("arith.mulf", &[&x, &half]);
    draft.same("arith.mulf", &[&halved, &sum])
}

fn concat(draft: &mut Draft, c: Choice) -> Value {
    let x = draft.value(c[1]);
    let mut shape = x.shape.clone();
    let at = usize::from(c[2]) % shape.len();
    shape[at] = size(c[3]);
    let y = draft.operand(&shape, c[4]);
    shape[at] += x.shape[at];
    let to = crate::draft::ty(&shape, draft.element);
    let text = format!(
        "tensor.concat dim({at}) {}, {} : ({}, {}) -> {to}",
        x.name,
        y.name,
        draft.ty(&x),
        draft.ty(&y)
    );
    draft.op(&shape, text)
}
