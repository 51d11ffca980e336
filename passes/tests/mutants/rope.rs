//! Mutants of rotary embeddings.
//!
//! One has half-split pairs and positions for all batches, the other interleaved
//! pairs, frequencies as an operand, positions per batch, and heads that are
//! rotated in part.

use kforge_verify::Reason::{self, NumericMismatch, Poison};

use crate::{
    gate::{Expected, STATIC, all_refused, check, report},
    ir::{Ir, nth, run},
};

const WRONG: &[Reason] = &[NumericMismatch];

fn halves() -> String {
    let x = "tensor<2x3x5x8xf32>";
    let source = format!(
        "func.func @f(%x: {x}, %p: tensor<5xi32>) -> {x} {{\n\
         %y = kforge.rope %x, %p : ({x}, tensor<5xi32>) -> {x}\n return %y : {x}\n}}"
    );
    run(&source, "kforge-default-pipeline")
}

fn interleaved() -> String {
    let x = "tensor<2x3x5x8xf32>";
    let source = format!(
        "func.func @f(%x: {x}, %p: tensor<2x5xi32>, %i: tensor<2xf32>) -> {x} {{\n\
         %y = kforge.rope %x, %p inv_freq %i {{interleaved}} : \
         ({x}, tensor<2x5xi32>, tensor<2xf32>) -> {x}\n return %y : {x}\n}}"
    );
    run(&source, "kforge-default-pipeline")
}

/// The position that was loaded, and `more`.
fn shifted(ir: &mut Ir, more: i32) {
    ir.kernel(|op| {
        (op.is("memref.load") && op.has("xi32>")).then(|| {
            let result = op.result();
            vec![
                op.replaced(&format!("{result} ="), "%raw_u ="),
                format!("%more_u = arith.constant {more} : i32"),
                format!("{result} = arith.addi %raw_u, %more_u : i32"),
            ]
        })
    });
}

fn exchanged(ir: &mut Ir, first: &str, second: &str, from: usize) {
    let mut seen = 0;
    ir.kernel(|op| {
        let (a, b) = (op.is(first), op.is(second));
        seen += usize::from(a || b);
        if seen <= from {
            return None;
        }
        match (a, b) {
            (true, _) => Some(vec![op.replaced(first, second)]),
            (_, true) => Some(vec![op.replaced(second, first)]),
            _ => None,
        }
    });
}

#[test]
fn wrong_ropes_are_refused() {
    all_refused(
        "rope",
        &halves(),
        &[
            ("position + 1", WRONG, |ir| shifted(ir, 1)),
            ("position - 1", WRONG, |ir| shifted(ir, -1)),
            ("the first position for all", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("memref.load") && op.has("xi32>"))
                        .then(|| vec![op.with_operand(1, "%c0")])
                });
            }),
            ("turned the other way", WRONG, |ir| {
                // The reduction of the angle has an addition and three subtractions.
                exchanged(ir, "arith.subf", "arith.addf", 4);
            }),
            ("sine and cosine exchanged", WRONG, |ir| {
                exchanged(ir, "math.sin", "math.cos", 0)
            }),
            ("another theta", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("arith.constant") && op.has("1.000000e-01,"))
                        .then(|| vec![op.replaced("1.000000e-01", "1.010000e-01")])
                });
            }),
            ("2π of 8 bits", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("arith.constant") && op.has("0.00193786621"))
                        .then(|| vec![op.replaced("0.00193786621", "0.0")])
                });
            }),
            ("the second half is not stored", &[Poison], |ir| {
                ir.kernel(nth(1, |op| op.is("memref.store"), |_| Vec::new()))
            }),
            ("the second half is copied", WRONG, |ir| {
                let mut halves: Vec<String> = Vec::new();
                ir.kernel(|op| {
                    if op.is("memref.load") && op.has("vector<4xf32>") {
                        halves.push(op.result().to_owned());
                    }
                    (op.is("memref.store") && op.has("%c1]"))
                        .then(|| vec![op.with_operand(0, &halves[1])])
                });
            }),
            ("one row short", &[Poison], |ir| {
                ir.prologue(&["%rows_m = arith.constant 29 : index"]);
                ir.kernel(|op| {
                    (op.is("arith.cmpi") && op.operands()[1] == "%c30")
                        .then(|| vec![op.with_operand(1, "%rows_m")])
                });
            }),
            ("rows beyond the last are stored", STATIC, |ir| {
                ir.prologue(&["%rows_m = arith.constant 31 : index"]);
                ir.kernel(|op| {
                    (op.is("arith.cmpi") && op.operands()[1] == "%c30")
                        .then(|| vec![op.with_operand(1, "%rows_m")])
                });
            }),
        ],
    );
}

/// Lane `from` of what `op` defines is read as lane `to`, and back.
fn lanes(ir: &mut Ir, op_names: &[&str], from: usize, to: usize, both: bool) {
    let mut sources: Vec<String> = Vec::new();
    ir.kernel(|op| {
        if op_names.iter().any(|name| op.is(name)) && op.has("vector<") {
            sources.push(op.result().to_owned());
        }
        let ours = op.is("vector.extract") && sources.iter().any(|it| it == op.operands()[0]);
        let lane = |lane: usize| format!("[{lane}]");
        match ours {
            true if op.has(&lane(from)) => Some(vec![op.replaced(&lane(from), &lane(to))]),
            true if both && op.has(&lane(to)) => Some(vec![op.replaced(&lane(to), &lane(from))]),
            _ => None,
        }
    });
}

#[test]
fn wrong_interleaved_ropes_are_refused() {
    all_refused(
        "interleaved rope",
        &interleaved(),
        &[
            ("position + 1", WRONG, |ir| shifted(ir, 1)),
            ("the first batch's positions for all", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("arith.muli") && op.operands()[1] == "%c5")
                        .then(|| vec![format!("{} = arith.constant 0 : index", op.result())])
                });
            }),
            ("positions per head for those per batch", STATIC, |ir| {
                ir.kernel(|op| {
                    (op.is("arith.divui") && op.operands()[1] == "%c15")
                        .then(|| vec![op.replaced("arith.divui", "arith.remui")])
                });
            }),
            ("the second pair at the angle of the first", WRONG, |ir| {
                lanes(ir, &["math.sin", "math.cos"], 1, 0, false)
            }),
            ("pairs are halves", WRONG, |ir| {
                lanes(ir, &["memref.load"], 1, 2, true);
                ir.kernel(|op| {
                    op.is("vector.from_elements")
                        .then(|| vec![op.swapped(1, 2)])
                });
            }),
            ("what is not rotated is left out", &[Poison], |ir| {
                ir.prologue(&["%false_m = arith.constant false"]);
                ir.kernel(nth(
                    2,
                    |op| op.is("scf.if"),
                    |op| vec![op.with_operand(0, "%false_m")],
                ));
            }),
            ("what is not rotated is scaled", WRONG, |ir| {
                let mut copied = String::new();
                ir.kernel(|op| {
                    if op.is("memref.load") && op.has("%arg0[") {
                        copied = op.result().to_owned();
                    }
                    (op.is("memref.store") && op.operands()[0] == copied).then(|| {
                        vec![
                            "%f_u = arith.constant dense<1.0001> : vector<4xf32>".into(),
                            format!("%new_u = arith.mulf {copied}, %f_u : vector<4xf32>"),
                            op.with_operand(0, "%new_u"),
                        ]
                    })
                });
            }),
        ],
    );
}

#[test]
fn right_ropes_pass() {
    let mut complaints = Vec::new();
    for (name, module) in [("rope", halves()), ("interleaved rope", interleaved())] {
        complaints.extend(check(
            &format!("{name}: products the other way round"),
            &module,
            |ir| ir.kernel(|op| op.is("arith.mulf").then(|| vec![op.swapped(0, 1)])),
            Expected::Pass,
        ));
    }
    report(complaints);
}
