//! What is read, by whom, and what is added up.

use super::{ALIGNED, ANY, Mutant, SQUARE, TAIL, WRONG, epilogue::ROUND, masks::k_loop};
use crate::gate::STATIC;
use crate::ir::nth;

fn rounded(raw: &str, result: &str) -> Vec<String> {
    ROUND
        .iter()
        .map(|line| line.replace("%new_u", result).replace("%old", raw))
        .collect()
}

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "accumulators start at 1e-3",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            ir.prologue(&["%start_m = arith.constant dense<1.0e-3> : vector<4xf32>"]);
            k_loop(ir, |op| vec![op.with_operand(5, "%start_m")]);
        },
    },
    Mutant {
        name: "accumulators reset per tile",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            ir.prologue(&["%reset_m = arith.constant dense<0.0> : vector<4xf32>"]);
            ir.kernel(|op| {
                (op.is("math.fma") && op.operands()[2].starts_with("%arg"))
                    .then(|| vec![op.with_operand(2, "%reset_m")])
            });
        },
    },
    Mutant {
        name: "inputs rounded to 11 bits",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| {
            let mut done = std::collections::HashSet::new();
            ir.kernel(|op| {
                let lane = op.is("vector.extract") && op.has("f32 from vector<4xf32>");
                (lane && done.insert(op.text())).then(|| {
                    let result = op.result().to_owned();
                    let raw = "%raw_u";
                    let mut lines = vec![op.replaced(&format!("{result} ="), &format!("{raw} ="))];
                    lines.extend(rounded(raw, &result));
                    lines
                })
            });
        },
    },
    Mutant {
        name: "accumulators rounded to 11 bits",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| {
            ir.kernel(|op| {
                op.is("math.fma").then(|| {
                    let (result, ty) = (op.result(), ("vector<4xf32>", "vector<4xi32>"));
                    vec![
                        op.replaced(&format!("{result} ="), "%raw_u ="),
                        format!("%mask_u = arith.constant dense<-8192> : {}", ty.1),
                        format!("%bits_u = arith.bitcast %raw_u : {} to {}", ty.0, ty.1),
                        format!("%kept_u = arith.andi %bits_u, %mask_u : {}", ty.1),
                        format!("{result} = arith.bitcast %kept_u : {} to {}", ty.1, ty.0),
                    ]
                })
            });
        },
    },
    Mutant {
        name: "rows of A are M elements apart",
        shapes: TAIL,
        reasons: STATIC,
        edit: |ir| ir.everywhere("memref<1x19x11xf32>", "memref<1x11x19xf32>"),
    },
    Mutant {
        name: "A is read transposed",
        shapes: &[SQUARE],
        reasons: WRONG,
        edit: |ir| {
            ir.kernel(|op| {
                (op.is("memref.load") && op.has("%arg5[")).then(|| vec![op.swapped(2, 3)])
            })
        },
    },
    Mutant {
        name: "rows and columns of threads exchanged",
        shapes: ANY,
        reasons: STATIC,
        edit: |ir| {
            let mut seen = 0;
            ir.kernel(|op| {
                let ours = op.indent() == 6 && op.operands().first() == Some(&"%thread_id_x");
                seen += usize::from(ours);
                if !ours || seen > 2 {
                    return None;
                }
                let (div, rem) = ("arith.divui", "arith.remui");
                Some(vec![if op.is(div) {
                    op.replaced(div, rem)
                } else {
                    op.replaced(rem, div)
                }])
            });
        },
    },
    Mutant {
        name: "one row of a thread is used for both",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| {
            let mut last = String::new();
            ir.kernel(|op| {
                if !op.is("vector.broadcast") {
                    return None;
                }
                let value = op.operands()[0].to_owned();
                match last.is_empty() {
                    true => {
                        last = value;
                        None
                    }
                    false => Some(vec![op.with_operand(0, &std::mem::take(&mut last))]),
                }
            });
        },
    },
    Mutant {
        name: "row tiles overlap by one",
        shapes: &[ALIGNED],
        reasons: STATIC,
        edit: |ir| {
            ir.prologue(&["%fifteen_m = arith.constant 15 : index"]);
            ir.kernel(nth(
                0,
                |op| op.is("arith.muli") && op.indent() == 6 && op.has("%c16"),
                |op| vec![op.with_operand(1, "%fifteen_m")],
            ));
        },
    },
];
