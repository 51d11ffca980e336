//! Mutants of kernels along rows: softmax and the normalisations.
//!
//! 37 elements per row and 64 invocations: a row is a part of a workgroup.

use kforge_verify::Reason::{self, NumericMismatch};

use crate::{
    gate::{Expected, STATIC, all_refused, check, report},
    ir::{Ir, Op, nth, run},
};

fn lowered(op: &str, operands: &str, types: &str) -> String {
    let x = "tensor<5x37xf32>";
    let source = format!(
        "func.func @f(%x: {x}, %g: tensor<37xf32>, %b: tensor<37xf32>) -> {x} {{\n\
         %y = kforge.{op} {operands} : ({types}) -> {x}\n return %y : {x}\n}}"
    );
    run(
        &source,
        "kforge-vectorize-layernorm{workgroup-size=64 block-size=37 vector-width=1},\
         kforge-default-pipeline",
    )
}

fn softmax() -> String {
    lowered("softmax", "%x", "tensor<5x37xf32>")
}

fn layer_norm() -> String {
    let types = "tensor<5x37xf32>, tensor<37xf32>, tensor<37xf32>";
    lowered("layer_norm", "%x gamma %g beta %b", types)
}

fn attention(attributes: &str) -> String {
    let (q, k) = ("tensor<1x4x9x8xf32>", "tensor<1x2x11x8xf32>");
    let source = format!(
        "func.func @f(%q: {q}, %k: {k}, %v: {k}) -> {q} {{\n\
         %y = kforge.attention %q, %k, %v {{{attributes}}} : ({q}, {k}, {k}) -> {q}\n\
         return %y : {q}\n}}"
    );
    run(&source, "kforge-default-pipeline")
}

fn rms_norm() -> String {
    lowered(
        "rms_norm",
        "%x gamma %g",
        "tensor<5x37xf32>, tensor<37xf32>",
    )
}

const WRONG: &[Reason] = &[NumericMismatch];

/// Another value for the constants that have `value`.
fn constant(ir: &mut Ir, value: &str, new: &str) {
    ir.kernel(|op| {
        (op.is("arith.constant") && op.has(value)).then(|| vec![op.replaced(value, new)])
    });
}

/// Match number `which` of an op becomes the value of its operand.
fn bypassed(ir: &mut Ir, name: &str, which: usize, operand: usize) {
    ir.kernel(nth(
        which,
        |op| op.is(name) && op.has(": f32"),
        |op| {
            vec![
                "%zero_u = arith.constant 0.0 : f32".into(),
                format!(
                    "{} = arith.addf {}, %zero_u : f32",
                    op.result(),
                    op.operands()[operand]
                ),
            ]
        },
    ));
}

fn is_global_load(op: &Op) -> bool {
    op.is("memref.load") && !op.has("workgroup")
}

#[test]
fn wrong_softmaxes_are_refused() {
    all_refused(
        "softmax",
        &softmax(),
        &[
            ("no maximum subtracted", WRONG, |ir| {
                bypassed(ir, "arith.subf", 0, 0)
            }),
            ("the maximum starts at 0", WRONG, |ir| {
                constant(ir, "-3.40282347E+38", "0.0")
            }),
            ("exp2 for exp", WRONG, |ir| {
                ir.kernel(|op| {
                    op.is("math.exp")
                        .then(|| vec![op.replaced("math.exp", "math.exp2")])
                });
            }),
            ("not divided", WRONG, |ir| {
                ir.kernel(|op| {
                    op.is("arith.divf")
                        .then(|| vec![format!("{} = arith.constant 1.0 : f32", op.result())])
                });
            }),
            ("masked lanes count", WRONG, |ir| {
                ir.kernel(nth(
                    1,
                    |op| op.is("arith.select"),
                    |op| {
                        let value = op.operands()[1].to_owned();
                        vec![op.with_operand(2, &value)]
                    },
                ));
            }),
            ("one term less", WRONG, |ir| {
                ir.kernel(nth(
                    1,
                    |op| op.is("arith.select"),
                    |op| {
                        vec![
                            "%last_u = arith.constant 36 : index".into(),
                            "%kept_u = arith.cmpi ult, %thread_id_x, %last_u : index".into(),
                            op.with_operand(0, "%kept_u"),
                        ]
                    },
                ));
            }),
            ("uniform output", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("memref.store") && !op.has("workgroup")).then(|| {
                        vec![
                            "%part_u = arith.constant 0.0270270277 : f32".into(),
                            op.with_operand(0, "%part_u"),
                        ]
                    })
                });
            }),
            ("zeros", WRONG, |ir| {
                ir.prologue(&["%zero_m = arith.constant 0.0 : f32"]);
                ir.kernel(|op| {
                    (op.is("memref.store") && !op.has("workgroup"))
                        .then(|| vec![op.with_operand(0, "%zero_m")])
                });
            }),
            ("the maximum of a part", WRONG, |ir| {
                let last = ir.text().matches("arith.maximumf").count() - 1;
                bypassed(ir, "arith.maximumf", last, 0);
            }),
            ("the tree starts at half", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("arith.cmpi") && op.has("%c32")).then(|| vec![op.with_operand(1, "%c0")])
                });
            }),
            ("every row is the first", STATIC, |ir| {
                ir.kernel(|op| {
                    op.is("gpu.block_id")
                        .then(|| vec![format!("{} = arith.constant 0 : index", op.result())])
                });
            }),
            ("no barriers", STATIC, |ir| {
                ir.kernel(|op| op.is("gpu.barrier").then(Vec::new))
            }),
        ],
    );
}

/// (x - mean)² becomes x² - mean².
fn squares(ir: &mut Ir) {
    let (mut value, mut mean) = (String::new(), String::new());
    ir.kernel(|op| {
        let operands = op.operands();
        if op.is("arith.subf") && value.is_empty() {
            (value, mean) = (operands[0].to_owned(), operands[1].to_owned());
        }
        let squared = op.is("arith.mulf") && operands[0] == operands[1];
        (squared && !value.is_empty()).then(|| {
            vec![
                format!("%square_u = arith.mulf {value}, {value} : f32"),
                format!("%mean_u = arith.mulf {mean}, {mean} : f32"),
                format!("{} = arith.subf %square_u, %mean_u : f32", op.result()),
            ]
        })
    });
}

/// 1 / sqrt(variance + epsilon) becomes 1 / (sqrt(variance) + epsilon).
fn late_epsilon(ir: &mut Ir) {
    let epsilon = ir.constant("9.99999974E-6");
    let mut variance = String::new();
    ir.kernel(|op| {
        if op.is("arith.addf") && op.operands().contains(&&*epsilon) {
            variance = op.operands()[0].to_owned();
        }
        op.is("math.rsqrt").then(|| {
            vec![
                format!("%root_u = math.sqrt {variance} : f32"),
                format!("%sum_u = arith.addf %root_u, {epsilon} : f32"),
                "%one_u = arith.constant 1.0 : f32".into(),
                format!("{} = arith.divf %one_u, %sum_u : f32", op.result()),
            ]
        })
    });
}

#[test]
fn wrong_layer_norms_are_refused() {
    all_refused(
        "layer_norm",
        &layer_norm(),
        &[
            ("no epsilon", WRONG, |ir| {
                constant(ir, "9.99999974E-6", "0.0")
            }),
            ("epsilon of 1e-3", WRONG, |ir| {
                constant(ir, "9.99999974E-6", "1.0e-3")
            }),
            ("variance over n - 1", WRONG, |ir| {
                ir.kernel(nth(
                    2,
                    |op| op.is("arith.mulf") && op.has(": f32"),
                    |op| {
                        vec![
                            "%part_u = arith.constant 0.0277777778 : f32".into(),
                            op.with_operand(1, "%part_u"),
                        ]
                    },
                ));
            }),
            (
                "the mean of squares less the square of the mean",
                WRONG,
                squares,
            ),
            ("epsilon outside the root", WRONG, late_epsilon),
            ("mean not subtracted", WRONG, |ir| {
                bypassed(ir, "arith.subf", 0, 0)
            }),
            ("gamma left out", WRONG, |ir| {
                one_for_load(ir, "%arg1[", "1.0")
            }),
            ("beta left out", WRONG, |ir| {
                one_for_load(ir, "%arg2[", "0.0")
            }),
            ("standard deviation for its inverse", WRONG, |ir| {
                ir.kernel(|op| {
                    op.is("math.rsqrt")
                        .then(|| vec![op.replaced("math.rsqrt", "math.sqrt")])
                });
            }),
            ("no barriers", STATIC, |ir| {
                ir.kernel(|op| op.is("gpu.barrier").then(Vec::new))
            }),
        ],
    );
}

fn one_for_load(ir: &mut Ir, argument: &str, value: &str) {
    ir.kernel(|op| {
        (is_global_load(op) && op.has(argument))
            .then(|| vec![format!("{} = arith.constant {value} : f32", op.result())])
    });
}

#[test]
fn wrong_rms_norms_are_refused() {
    all_refused(
        "rms_norm",
        &rms_norm(),
        &[
            ("no epsilon", WRONG, |ir| {
                constant(ir, "9.99999974E-6", "0.0")
            }),
            ("the mean of |x|", WRONG, |ir| {
                ir.kernel(nth(
                    0,
                    |op| op.is("arith.mulf"),
                    |op| {
                        vec![format!(
                            "{} = math.absf {} : f32",
                            op.result(),
                            op.operands()[0]
                        )]
                    },
                ));
            }),
            ("gamma left out", WRONG, |ir| {
                one_for_load(ir, "%arg1[", "1.0")
            }),
        ],
    );
}

#[test]
fn right_row_kernels_pass() {
    let mut complaints = Vec::new();
    for (name, module) in [
        ("softmax", softmax()),
        ("layer_norm", layer_norm()),
        ("rms_norm", rms_norm()),
        ("attention", attention("")),
        ("causal attention", attention("causal")),
    ] {
        complaints.extend(check(
            name,
            &module,
            |ir| {
                ir.kernel(nth(
                    0,
                    |op| op.is("gpu.barrier"),
                    |op| vec![op.text(), op.text()],
                ))
            },
            Expected::Pass,
        ));
    }
    report(complaints);
}

/// Barriers one by one, 64 invocations per row. A lavapipe thread runs eight of them in
/// one go, one such group behind the other, so most of these races never show there; the
/// static proof finds every one. Only behind the last reduction nothing follows that a
/// barrier would have to wait for.
#[test]
fn single_barriers_are_refused() {
    let x = "tensor<5x512xf32>";
    let mut complaints = Vec::new();
    for op in ["softmax", "layer_norm"] {
        let source = format!(
            "func.func @f(%x: {x}) -> {x} {{\n\
             %y = kforge.{op} %x : ({x}) -> {x}\n return %y : {x}\n}}"
        );
        let module = run(&source, "kforge-default-pipeline");
        assert_eq!(module.matches("gpu.barrier").count(), 16);
        complaints.extend((0..16).filter_map(|which| {
            let expected = match which {
                15 => Expected::Pass,
                _ => Expected::Refuse(STATIC),
            };
            check(
                &format!("{op}: barrier {which} left out"),
                &module,
                |ir| ir.kernel(nth(which, |op| op.is("gpu.barrier"), |_| Vec::new())),
                expected,
            )
        }));
    }
    report(complaints);
}
