//! Layers as hand-written kernels, and what may be wrong with them.

use kforge_oracle::Op;

use crate::unit::{Case, bindings, value};

const DIFFERS: &str = "modulo p";

fn softmax() -> (Case, String) {
    let op = Op::Softmax {
        x: value(0),
        axis: -1,
    };
    let text = bindings(&["x"])
        + "
var<workgroup> part: array<f32, 8>;
const n = 37u;
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) row: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let t = id.x;
    let base = row.x * n;
    var m = -1e30;
    for (var i = t; i < n; i += 8u) { m = max(m, x[base + i]); }
    part[t] = m;
    workgroupBarrier(); // first
    for (var h = 4u; h > 0u; h /= 2u) {
        if t < h { part[t] = max(part[t], part[t + h]); }
        workgroupBarrier(); // tree
    }
    let largest = part[0];
    workgroupBarrier(); // read
    var l = 0.0;
    for (var i = t; i < n; i += 8u) { l += exp2((x[base + i] - largest) * 1.4426950408889634); }
    part[t] = l;
    workgroupBarrier();
    for (var h = 4u; h > 0u; h /= 2u) {
        if t < h { part[t] += part[t + h]; }
        workgroupBarrier();
    }
    for (var i = t; i < n; i += 8u) {
        y[base + i] = exp2((x[base + i] - largest) * 1.4426950408889634) / part[0];
    }
}";
    (Case::new(&[("x", &[5, 37])], op, &[5, 37], 5), text)
}

#[test]
fn softmax_by_powers_of_two() {
    let (case, text) = softmax();
    case.accepts(&text);
    case.refuses(&text, "1.4426950408889634", "1.0", DIFFERS);
    case.refuses(&text, ") / part[0]", ")", DIFFERS);
    case.refuses(
        &text,
        "part[t] = l;",
        "part[t] = select(l, 0.0, t == 7u);",
        DIFFERS,
    );
    case.refuses(
        &text,
        "part[t] += part[t + h];",
        "if h < 4u { part[t] += part[t + h]; }",
        DIFFERS,
    );
    case.refuses(&text, "array<f32, 8>", "array<f32, 7>", "outside its array");
    case.refuses(&text, "var l = 0.0;", "var l = 1e-3;", DIFFERS);
}

#[test]
fn races_of_a_tree() {
    let (case, text) = softmax();
    for barrier in ["first", "tree", "read"] {
        let from = format!("workgroupBarrier(); // {barrier}");
        case.refuses(&text, &from, "", "with no barrier between");
    }
}

fn attention(kv: &str) -> (Case, String) {
    let op = Op::Attention {
        q: value(0),
        k: value(1),
        v: value(2),
        mask: None,
        causal: true,
        scale: None,
    };
    let text = bindings(&["q", "k", "v"])
        + "
// 1/sqrt(6) · log2(e)
const factor = 0.58897778;
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if row >= 20u { return; }
    let head = row / 5u;
    let kv = KV;
    var m = -1e30;
    var l = 0.0;
    var o: array<f32, 6>;
    for (var j = 0u; j < 7u; j++) {
        if j > row % 5u + 2u { continue; }
        var s = 0.0;
        for (var d = 0u; d < 6u; d++) { s = fma(q[row * 6u + d], k[(kv * 7u + j) * 6u + d], s); }
        s *= factor;
        let n = max(m, s);
        let r = exp2(m - n);
        let p = exp2(s - n);
        l = l * r + p;
        for (var d = 0u; d < 6u; d++) { o[d] = o[d] * r + p * v[(kv * 7u + j) * 6u + d]; }
        m = n;
    }
    for (var d = 0u; d < 6u; d++) { y[row * 6u + d] = o[d] / l; }
}";
    let q: &[usize] = &[1, 4, 5, 6];
    let k: &[usize] = &[1, 2, 7, 6];
    let case = Case::new(&[("q", q), ("k", k), ("v", k)], op, q, 1);
    (case, text.replace("KV", kv))
}

#[test]
fn attention_with_a_folded_scale() {
    let (case, text) = attention("head / 2u");
    case.accepts(&text);
    for (from, to) in [
        ("s *= factor;", ""),
        ("0.58897778", "1.4426950408889634"),
        ("0.58897778", "0.5"),
        ("o[d] * r +", "o[d] +"),
        ("l * r + p", "l + p"),
        ("m = n;", ""),
        ("head / 2u", "head % 2u"),
        ("j < 7u", "j < 6u"),
        ("+ 2u { continue", "+ 1u { continue"),
        ("+ 2u { continue", "+ 3u { continue"),
        ("o[d] / l", "o[d]"),
        ("p * v[", "p * k["),
    ] {
        case.refuses(&text, from, to, DIFFERS);
    }
    // A constant that no rule knows: numbers on a device decide.
    case.leaves_open(&text, "0.58897778", "0.58897", "is not recognised");
}

fn layer_norm() -> (Case, String) {
    let op = Op::LayerNorm {
        x: value(0),
        gamma: Some(value(1)),
        beta: Some(value(2)),
        axis: -1,
        epsilon: 1e-5,
    };
    let text = bindings(&["x", "g", "b"])
        + "
const n = 24u;
fn square(x: f32) -> f32 { return x * x; }
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let base = id.x * n;
    var sum = 0.0;
    var squares = 0.0;
    for (var i = 0u; i < n; i++) { sum += x[base + i]; squares += square(x[base + i]); }
    let mean = sum / f32(n);
    let deviation = sqrt(squares / f32(n) - mean * mean + 1e-5);
    for (var i = 0u; i < n; i++) {
        y[base + i] = (x[base + i] - mean) / deviation * g[i] + b[i];
    }
}";
    let row: &[usize] = &[24];
    let case = Case::new(&[("x", &[8, 24]), ("g", row), ("b", row)], op, &[8, 24], 2);
    (case, text)
}

#[test]
fn layer_norm_by_mean_squares() {
    let (case, text) = layer_norm();
    case.accepts(&text);
    case.accepts(&text.replace("/ deviation", "* (1.0 / deviation)"));
    case.accepts(&text.replace("/ f32(n)", "* 0.041666666666"));
    case.accepts(&text.replace("sqrt(", "1.0 / inverseSqrt("));
    for (from, to) in [
        ("1e-5", "1e-3"),
        (" + 1e-5", ""),
        ("squares / f32(n)", "squares / f32(n - 1u)"),
        ("(x[base + i] - mean) /", "x[base + i] /"),
        (" + b[i]", ""),
        (" * g[i]", ""),
        ("/ deviation", "* deviation"),
        ("g[i] + b", "g[i] * 0.999 + b"),
        ("i < n; i++) { sum", "i < n - 1u; i++) { sum"),
        ("return x * x", "return x"),
    ] {
        case.refuses(&text, from, to, DIFFERS);
    }
}

fn rope() -> (Case, String) {
    let op = Op::Rope {
        x: value(0),
        positions: value(1),
        inv_freq: None,
        theta: 10000.0,
        interleaved: false,
        rotary_dim: None,
    };
    let text = bindings(&["x", "positions"])
        + "
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x / 4u;
    let i = id.x % 4u;
    if row >= 6u { return; }
    let frequency = pow(10000.0, -2.0 * f32(i) / 8.0);
    let angle = f32(positions[row % 3u]) * frequency;
    let a = x[row * 8u + i];
    let b = x[row * 8u + i + 4u];
    y[row * 8u + i] = a * cos(angle) - b * sin(angle);
    y[row * 8u + i + 4u] = a * sin(angle) + b * cos(angle);
}";
    let x: &[usize] = &[1, 2, 3, 8];
    (Case::new(&[("x", x), ("positions", &[3])], op, x, 3), text)
}

/// Whoever writes a kernel may know the sine of the device; the compiler does not.
#[test]
fn angles_are_those_whose_sine_is_promised() {
    let (mut case, text) = rope();
    case.foreign = false;
    let product = "f32(positions[row % 3u]) * frequency;";
    let reduced = |half: &str| {
        let turns = format!("floor(t / 6.2831855 + {half})");
        let angle = format!("{product} let angle = t - 6.2831855 * {turns};");
        text.replace(
            &format!("let angle = {product}"),
            &format!("let t = {angle}"),
        )
    };
    case.accepts(&reduced("0.5"));
    case.refuses(
        &reduced("0.5"),
        "+ 0.5",
        "- 0.5",
        "promises nothing outside",
    );
    case.refuses(
        &reduced("0.5"),
        "+ 0.5",
        "+ 0.0",
        "promises nothing outside",
    );
    case.foreign = true;
    case.accepts(&reduced("- 0.5"));
}

#[test]
fn rope_by_pow() {
    let (case, text) = rope();
    case.accepts(&text);
    let by_exp = "exp2(-2.0 * f32(i) / 8.0 * 13.287712)";
    case.accepts(&text.replace("pow(10000.0, -2.0 * f32(i) / 8.0)", by_exp));
    let inverse = "1.0 / pow(10000.0, 2.0 * f32(i) / 8.0)";
    case.accepts(&text.replace("pow(10000.0, -2.0 * f32(i) / 8.0)", inverse));
    let reduced = "let angle = ANGLE - 6.2831855 * floor(ANGLE / 6.2831855 + 0.5);";
    let reduced = reduced.replace("ANGLE", "(f32(positions[row % 3u]) * frequency)");
    case.accepts(&text.replace(
        "let angle = f32(positions[row % 3u]) * frequency;",
        &reduced,
    ));
    for (from, to) in [
        ("- b * sin", "+ b * sin"),
        ("positions[row % 3u])", "positions[row % 3u] + 1)"),
        ("f32(i) / 8.0", "f32(i + 1u) / 8.0"),
        ("a * sin(angle) + b", "a * sin(angle) - b"),
        ("* frequency", "* frequency * 2.0"),
    ] {
        case.refuses(&text, from, to, DIFFERS);
    }
}
