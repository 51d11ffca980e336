//! Softmax and norms.

use kforge_oracle::{Op, Program, ValueId};
use kforge_verify::Reason;

use crate::{all_refused, kernel, passes, program};

const NUMERIC: &[Reason] = &[Reason::NumericMismatch];
const STATIC: &[Reason] = &[Reason::Static];

fn softmax() -> Program {
    let op = Op::Softmax {
        x: ValueId(0),
        axis: -1,
    };
    program(op, &[("x", &[7, 100])], &[7, 100])
}

fn layer_norm() -> Program {
    let op = Op::LayerNorm {
        x: ValueId(0),
        gamma: Some(ValueId(1)),
        beta: Some(ValueId(2)),
        axis: -1,
        epsilon: 1e-5,
    };
    let parameter: (&str, &[usize]) = ("p", &[100]);
    program(op, &[("x", &[7, 100]), parameter, parameter], &[7, 100])
}

fn rms_norm() -> Program {
    let op = Op::RmsNorm {
        x: ValueId(0),
        gamma: Some(ValueId(1)),
        axis: -1,
        epsilon: 1e-5,
    };
    program(op, &[("x", &[7, 100]), ("g", &[100])], &[7, 100])
}

#[test]
fn right_kernels_pass_at_every_shape() {
    for (name, program) in [
        ("softmax", softmax()),
        ("softmax_length", softmax()),
        ("layer_norm", layer_norm()),
        ("rms_norm", rms_norm()),
    ] {
        let shapes = passes(&program, &kernel(name));
        assert!(shapes >= 12, "{name}: {shapes}");
    }
}

#[test]
fn wrong_softmax_is_refused() {
    all_refused(
        &softmax(),
        "softmax",
        &[
            ("no maximum subtracted", &[(" - largest)", ")")], NUMERIC),
            (
                "the maximum starts at 0",
                &[("= -3.4028235e38", "= 0.0")],
                NUMERIC,
            ),
            (
                "the tree starts at a quarter",
                &[("half = 32u", "half = 16u")],
                NUMERIC,
            ),
            (
                "n - 1 terms",
                &[("i < n; i += 64u) { sum", "i + 1u < n; i += 64u) { sum")],
                NUMERIC,
            ),
            ("no division", &[(" / sum;", ";")], NUMERIC),
            ("exp2", &[("exp(", "exp2(")], NUMERIC),
            (
                "uniform",
                &[("exp(x[base + i] - largest) / sum;", "1.0 / f32(n);")],
                NUMERIC,
            ),
            (
                "no barrier in the trees",
                &[("        workgroupBarrier();\n    }", "    }")],
                STATIC,
            ),
            (
                "the row after",
                &[("x[base + i]", "x[base + i + 1u]")],
                STATIC,
            ),
            (
                "one element short",
                &[("i < n; i += 64u) { y", "i + 1u < n; i += 64u) { y")],
                &[Reason::Poison],
            ),
        ],
    );
}

#[test]
fn wrong_lengths_are_refused() {
    all_refused(
        &softmax(),
        "softmax_length",
        &[
            (
                "a term too many",
                &[(
                    "var i = 0u; i < n; i++) { sum",
                    "var i = 0u; i <= n; i++) { sum",
                )],
                NUMERIC,
            ),
            (
                "an element too many",
                &[("i < n; i++) { y.values", "i <= n; i++) { y.values")],
                &[Reason::NumericMismatch, Reason::Poison, Reason::Determinism],
            ),
            (
                "a shorter array",
                &[("arrayLength(&x.values)", "(arrayLength(&x.values) - 1u)")],
                &[Reason::Poison, Reason::NumericMismatch],
            ),
        ],
    );
}

#[test]
fn wrong_norms_are_refused() {
    all_refused(
        &layer_norm(),
        "layer_norm",
        &[
            (
                "no epsilon",
                &[("variance + parameters.epsilon", "variance")],
                NUMERIC,
            ),
            (
                "epsilon 1e-3",
                &[("variance + parameters.epsilon", "variance + 1e-3")],
                NUMERIC,
            ),
            (
                "/(n - 1)",
                &[(
                    "let variance = add_up(lane, part) / f32(n)",
                    "let variance = add_up(lane, part) / f32(n - 1u)",
                )],
                NUMERIC,
            ),
            (
                "mean not subtracted",
                &[("(x[base + i] - mean) * scale", "x[base + i] * scale")],
                NUMERIC,
            ),
            (
                "beta ignored",
                &[(" + beta[i]", " + 0.0 * beta[i]")],
                NUMERIC,
            ),
            (
                "gamma ignored",
                &[(" * gamma[i]", " * (1.0 + 0.0 * gamma[i])")],
                NUMERIC,
            ),
            ("sqrt for 1/sqrt", &[("inverseSqrt(", "sqrt(")], NUMERIC),
            (
                "E[x²] - mean²",
                &[
                    ("let d = x[base + i] - mean;", "let d = x[base + i];"),
                    (
                        "let variance = add_up(lane, part) / f32(n)",
                        "let variance = add_up(lane, part) / f32(n) - mean * mean",
                    ),
                ],
                NUMERIC,
            ),
            (
                "no barrier before the sums",
                &[(
                    "sums[lane] = value;\n    workgroupBarrier();",
                    "sums[lane] = value;",
                )],
                STATIC,
            ),
            (
                "gamma of the element before",
                &[("gamma[i]", "gamma[max(i, 1u) - 1u]")],
                NUMERIC,
            ),
        ],
    );
    all_refused(
        &rms_norm(),
        "rms_norm",
        &[
            ("no epsilon", &[(" + parameters.epsilon", "")], NUMERIC),
            ("sum for mean", &[("sum / f32(n)", "sum")], NUMERIC),
            (
                "the mean subtracted",
                &[
                    (
                        "var sum = 0.0;",
                        "var mean = 0.0; for (var i = 0u; i < n; i++) { mean += x[base + i] / f32(n); } var sum = 0.0;",
                    ),
                    (
                        "sum += x[base + i] * x[base + i]",
                        "sum += (x[base + i] - mean) * (x[base + i] - mean)",
                    ),
                ],
                NUMERIC,
            ),
            (
                "last row missing",
                &[("id.x >= parameters.rows", "id.x + 1u >= parameters.rows")],
                &[Reason::Poison],
            ),
        ],
    );
}
