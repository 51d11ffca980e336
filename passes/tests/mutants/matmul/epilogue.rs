//! Bias, activation, residual and what is stored.

use super::{ANY, Mutant, TAIL, WRONG};
use crate::ir::{Ir, Op};

fn is_output_store(op: &Op) -> bool {
    op.is("memref.store") && op.has("%arg4[")
}

/// The stored value, changed by ops that define `%new` from `%old`.
fn on_store(ir: &mut Ir, ops: &'static [&'static str]) {
    ir.kernel(|op| {
        is_output_store(op).then(|| {
            let old = op.operands()[0].to_owned();
            let mut lines: Vec<String> =
                ops.iter().map(|line| line.replace("%old", &old)).collect();
            lines.push(op.with_operand(0, "%new_u"));
            lines
        })
    });
}

/// Types of the stored value differ: vectors where N is aligned.
fn scaled(ir: &mut Ir) {
    ir.kernel(|op| {
        is_output_store(op).then(|| {
            let value = op.operands()[0].to_owned();
            let (ty, constant) = if op.has("vector<4xf32>") {
                ("vector<4xf32>", "dense<0.999> : vector<4xf32>")
            } else {
                ("f32", "0.999 : f32")
            };
            vec![
                format!("%factor_u = arith.constant {constant}"),
                format!("%new_u = arith.mulf {value}, %factor_u : {ty}"),
                op.with_operand(0, "%new_u"),
            ]
        })
    });
}

/// Keeps 11 bits of the significand, as f16 does, by truncation.
pub const ROUND: &[&str] = &[
    "%mask_u = arith.constant -8192 : i32",
    "%bits_u = arith.bitcast %old : f32 to i32",
    "%kept_u = arith.andi %bits_u, %mask_u : i32",
    "%new_u = arith.bitcast %kept_u : i32 to f32",
];

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "bias dropped",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            ir.kernel(|op| {
                (op.is("memref.load") && op.has("%arg2[")).then(|| {
                    let vector = op.has("vector<4xf32>");
                    let zero = if vector {
                        "dense<0.0> : vector<4xf32>"
                    } else {
                        "0.0 : f32"
                    };
                    vec![format!("{} = arith.constant {zero}", op.result())]
                })
            })
        },
    },
    Mutant {
        name: "bias of the first column",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            ir.kernel(|op| {
                (op.is("memref.load") && op.has("%arg2[")).then(|| vec![op.with_operand(1, "%c0")])
            })
        },
    },
    Mutant {
        name: "bias along the rows",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| {
            // The row is what the residual below is read at.
            let lines = ir.text();
            let rows: Vec<String> = lines
                .lines()
                .filter(|line| line.contains("%arg3[%c0, "))
                .map(|line| {
                    line.split("%arg3[%c0, ")
                        .nth(1)
                        .unwrap()
                        .split(',')
                        .next()
                        .unwrap()
                        .to_owned()
                })
                .collect();
            let mut rows = rows.into_iter();
            ir.kernel(|op| {
                (op.is("memref.load") && op.has("%arg2["))
                    .then(|| vec![op.with_operand(1, &rows.next().unwrap())])
            });
        },
    },
    Mutant {
        name: "activation before bias",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            // sum + bias becomes sum; act + residual becomes act + bias + residual.
            let mut bias = String::new();
            let mut first = true;
            ir.kernel(|op| {
                if op.is("memref.load") && op.has("%arg2[") {
                    bias = op.result().to_owned();
                    first = true;
                }
                if !op.is("arith.addf") || op.has("%cst") || op.indent() < 6 {
                    return None;
                }
                let ty = if op.has("vector<4xf32>") {
                    "vector<4xf32>"
                } else {
                    "f32"
                };
                let (result, operands) = (op.result().to_owned(), op.operands());
                let old = (operands[0].to_owned(), operands[1].to_owned());
                if std::mem::take(&mut first) {
                    let zero = if ty == "f32" {
                        "0.0 : f32"
                    } else {
                        "dense<0.0> : vector<4xf32>"
                    };
                    return Some(vec![
                        format!("%zero_u = arith.constant {zero}"),
                        format!("{result} = arith.addf {}, %zero_u : {ty}", old.0),
                    ]);
                }
                Some(vec![
                    format!("%sum_u = arith.addf {}, {bias} : {ty}", old.0),
                    format!("{result} = arith.addf %sum_u, {} : {ty}", old.1),
                ])
            });
        },
    },
    Mutant {
        name: "tanh for erf",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            ir.kernel(|op| {
                op.is("math.erf")
                    .then(|| vec![op.replaced("math.erf", "math.tanh")])
            })
        },
    },
    Mutant {
        name: "residual subtracted",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            let mut residual = String::new();
            ir.kernel(|op| {
                if op.is("memref.load") && op.has("%arg3[") {
                    residual = op.result().to_owned();
                }
                (op.is("arith.addf") && op.operands()[1] == residual)
                    .then(|| vec![op.replaced("arith.addf", "arith.subf")])
            });
        },
    },
    Mutant {
        name: "results times 0.999",
        shapes: ANY,
        reasons: WRONG,
        edit: scaled,
    },
    Mutant {
        name: "stray relu",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| {
            on_store(
                ir,
                &[
                    "%zero_u = arith.constant 0.0 : f32",
                    "%new_u = arith.maximumf %old, %zero_u : f32",
                ],
            )
        },
    },
    Mutant {
        name: "clamp at 1e4",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| {
            on_store(
                ir,
                &[
                    "%most_u = arith.constant 1.0e4 : f32",
                    "%new_u = arith.minimumf %old, %most_u : f32",
                ],
            )
        },
    },
    Mutant {
        name: "zeros",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| on_store(ir, &["%new_u = arith.constant 0.0 : f32"]),
    },
    Mutant {
        name: "results rounded to 11 bits",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| on_store(ir, ROUND),
    },
];
