//! Barriers, the loop over K, masks and clamps.

use kforge_verify::Reason::Poison;

use super::{ANY, Mutant, TAIL, WRONG};
use crate::gate::STATIC;
use crate::ir::{Ir, Op, nth};

fn without_barrier(ir: &mut Ir, which: usize) {
    ir.kernel(nth(which, |op| op.is("gpu.barrier"), |_| Vec::new()));
}

pub fn k_loop(ir: &mut Ir, edit: impl Fn(&Op) -> Vec<String>) {
    ir.kernel(nth(0, |op| op.is("scf.for"), edit));
}

/// `scf.if`s of this indent get another condition.
fn condition(ir: &mut Ir, indent: usize, value: &str) {
    ir.prologue(&[
        "%true_m = arith.constant true",
        "%false_m = arith.constant false",
    ]);
    ir.kernel(|op| {
        (op.is("scf.if") && op.indent() == indent).then(|| vec![op.with_operand(0, value)])
    });
}

fn no_masks_nor_clamps(ir: &mut Ir, argument: &str) {
    // Clamps and masks of all operands go, for both are in the same form; only
    // the loads of `argument` lose theirs.
    let mut last = [String::new(), String::new()];
    let mut masked = String::new();
    ir.kernel(|op| {
        if op.is("arith.minui") {
            last.rotate_left(1);
            last[1] = op.operands()[0].to_owned();
        }
        if op.is("memref.load") && op.has(argument) {
            masked = op.result().to_owned();
            let first = crate::ir::Ir::new(&op.with_operand(2, &last[0]));
            let text = first.text();
            let value = op.operands()[3].to_owned();
            return Some(vec![text.trim_end().replacen(
                &format!(", {value}]"),
                &format!(", {}]", last[1]),
                1,
            )]);
        }
        (op.is("arith.select") && op.operands()[1] == masked)
            .then(|| vec![op.with_operand(2, &masked)])
    });
}

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no barrier before the tile is replaced",
        shapes: ANY,
        reasons: STATIC,
        edit: |ir| without_barrier(ir, 0),
    },
    Mutant {
        name: "no barrier after the tile is loaded",
        shapes: ANY,
        reasons: STATIC,
        edit: |ir| without_barrier(ir, 1),
    },
    Mutant {
        name: "no barrier at all",
        shapes: ANY,
        reasons: STATIC,
        edit: |ir| ir.kernel(|op| op.is("gpu.barrier").then(Vec::new)),
    },
    Mutant {
        name: "K loop one tile short",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            k_loop(ir, |op| {
                let last = op.operands()[2].to_owned();
                vec![
                    "%one_m = arith.constant 1 : index".into(),
                    format!("%short_u = arith.subi {last}, %one_m : index"),
                    op.with_operand(2, "%short_u"),
                ]
            })
        },
    },
    Mutant {
        name: "K loop from the second tile",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            ir.prologue(&["%one_m = arith.constant 1 : index"]);
            k_loop(ir, |op| vec![op.with_operand(1, "%one_m")]);
        },
    },
    Mutant {
        name: "K loop in steps of two",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            ir.prologue(&["%two_m = arith.constant 2 : index"]);
            k_loop(ir, |op| vec![op.with_operand(3, "%two_m")]);
        },
    },
    Mutant {
        name: "no mask on K",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| {
            ir.kernel(|op| {
                op.is("arith.select").then(|| {
                    let loaded = op.operands()[1].to_owned();
                    vec![op.with_operand(2, &loaded)]
                })
            })
        },
    },
    Mutant {
        name: "neither mask nor clamp on A",
        shapes: TAIL,
        reasons: STATIC,
        edit: |ir| no_masks_nor_clamps(ir, "%arg0["),
    },
    Mutant {
        name: "neither mask nor clamp on B",
        shapes: TAIL,
        reasons: STATIC,
        edit: |ir| no_masks_nor_clamps(ir, "%arg1["),
    },
    Mutant {
        name: "no mask on M of the store",
        shapes: TAIL,
        reasons: STATIC,
        edit: |ir| condition(ir, 6, "%true_m"),
    },
    Mutant {
        name: "no mask on N of the store",
        shapes: TAIL,
        reasons: STATIC,
        edit: |ir| condition(ir, 8, "%true_m"),
    },
    Mutant {
        name: "nothing is stored",
        shapes: TAIL,
        reasons: &[Poison],
        edit: |ir| condition(ir, 6, "%false_m"),
    },
    Mutant {
        name: "only the last row is stored",
        shapes: TAIL,
        reasons: &[Poison],
        edit: |ir| {
            ir.prologue(&["%last_m = arith.constant 18 : index"]);
            ir.kernel(|op| {
                (op.is("arith.cmpi") && op.indent() == 6)
                    .then(|| vec![op.with_operand(1, "%last_m").replace(" ult,", " eq,")])
            });
        },
    },
    Mutant {
        name: "remainder column dropped",
        shapes: TAIL,
        reasons: &[Poison],
        edit: |ir| {
            ir.prologue(&["%last_m = arith.constant 20 : index"]);
            ir.kernel(|op| {
                (op.is("arith.cmpi") && op.indent() == 8 && op.operands()[1] == "%c21")
                    .then(|| vec![op.with_operand(1, "%last_m")])
            });
        },
    },
];
