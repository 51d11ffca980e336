//! Elementwise kernels in forms of their own.

use kforge_oracle::{ActivationKind, Op};

use crate::unit::{Case, bindings, value};

fn activation(kind: ActivationKind, formula: &str) -> (Case, String) {
    let op = Op::Activation { x: value(0), kind };
    let text = bindings(&["x"])
        + "
@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= 45u { return; }
    let v = x[i];
    y[i] = FORMULA;
}";
    let case = Case::new(&[("x", &[45])], op, &[45], 3);
    (case, text.replace("FORMULA", formula))
}

#[test]
fn activations_may_be_written_as_one_likes() {
    use ActivationKind::{GeluTanh, Relu, Silu, Tanh};
    let inner = "0.7978845608 * (v + 0.044715 * v * v * v)";
    for (kind, formula) in [
        (Relu, "max(v, 0.0)".to_owned()),
        (Relu, "select(0.0, v, v > 0.0)".into()),
        (Relu, "(v + abs(v)) * 0.5".into()),
        (Silu, "v / (1.0 + exp(-v))".into()),
        (Silu, "v * 0.5 * (1.0 + tanh(0.5 * v))".into()),
        (Silu, "v * exp(v) / (1.0 + exp(v))".into()),
        (Tanh, "tanh(v)".into()),
        (Tanh, "1.0 - 2.0 / (exp(2.0 * v) + 1.0)".into()),
        (
            Tanh,
            "1.0 - 2.0 / (exp2(2.8853900817779268 * v) + 1.0)".into(),
        ),
        (GeluTanh, format!("0.5 * v * (1.0 + tanh({inner}))")),
        (GeluTanh, format!("v / (1.0 + exp(-2.0 * {inner}))")),
    ] {
        let (case, text) = activation(kind, &formula);
        case.accepts(&text);
    }
}

#[test]
fn wrong_activations_are_refused() {
    use ActivationKind::{Gelu, GeluTanh, Relu, Silu};
    for (kind, formula) in [
        (Relu, "abs(v)"),
        (Relu, "v"),
        (Relu, "max(v, 0.001)"),
        (Silu, "v / (1.0 + exp(v))"),
        (Silu, "1.0 / (1.0 + exp(-v))"),
        (Silu, "v / (1.0 + exp2(-v))"),
        (
            Gelu,
            "0.5 * v * (1.0 + tanh(0.7978845608 * (v + 0.044715 * v * v * v)))",
        ),
        (
            GeluTanh,
            "0.5 * v * (1.0 + tanh(0.7978845608 * (v + 0.0447 * v * v * v)))",
        ),
        (GeluTanh, "0.5 * v * (1.0 + tanh(0.7978845608 * v))"),
    ] {
        let (case, text) = activation(kind, formula);
        case.refuses(
            &text.replace("y[i] = ", "y[i] =  "),
            "=  ",
            "= ",
            "modulo p",
        );
    }
}

#[test]
fn folded_constants_are_left_open_not_refused() {
    let formula = "0.5 * v * (1.0 + tanh(0.7978845608 * v + 0.0356774081 * v * v * v))";
    let (case, text) = activation(ActivationKind::GeluTanh, formula);
    case.leaves_open(&text, "let v", "let  v", "0.03567740");
}

/// A name alone makes no library function.
#[test]
fn functions_are_known_by_name_and_code() {
    let source = include_str!("../../../shaders/erf.wgsl");
    let (case, text) = activation(
        ActivationKind::Gelu,
        "0.5 * v * (1.0 + kforge_erf(v * 0.70710677))",
    );
    let text = format!("{source}\n{text}");
    case.accepts(&text);
    // Changed, it is interpreted as what it computes, which is a polynomial.
    case.leaves_open(&text, "7.88911493e-5", "7.88911493e-4", "not recognised");
    case.refuses(
        &text,
        source,
        "fn kforge_erf(x: f32) -> f32 { return x; }",
        "modulo p",
    );
}
