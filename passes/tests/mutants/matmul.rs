//! Mutants of the matmul kernel with bias, gelu and residual.

use kforge_verify::Reason::{self, Determinism, NumericMismatch, Poison};

use crate::{
    gate::{Expected, check, report},
    ir::{Ir, Op, nth, run},
};

/// M, N and K of a module. Tiles are 16 x 16 x 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape(pub usize, pub usize, pub usize);

/// A tail in every dimension, two tiles in M and N, three in K.
pub const TAILS: Shape = Shape(19, 21, 10);
/// Tiles divide every dimension; two of each.
pub const ALIGNED: Shape = Shape(32, 32, 8);
/// All operands have one type; tails everywhere.
pub const SQUARE: Shape = Shape(21, 21, 21);

/// The lowered module: 32 invocations, which is more than a lavapipe thread runs
/// in one go, so that a race shows.
pub fn lowered(Shape(m, n, k): Shape, knobs: &str) -> String {
    let source = format!(
        "func.func @f(%a: tensor<{m}x{k}xf32>, %b: tensor<{k}x{n}xf32>, %bias: tensor<{n}xf32>, \
         %r: tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32> {{\n\
         %y = kforge.matmul %a, %b bias %bias residual %r {{activation = \"gelu\", \
         kforge.name = \"q\"}} : (tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>, tensor<{n}xf32>, \
         tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>\n\
         return %y : tensor<{m}x{n}xf32>\n}}"
    );
    let pipeline = format!(
        "kforge-keep-reference,kforge-attach-device,kforge-tile-matmul{{op=q tile-m=16 tile-n=16 \
         tile-k=4 thread-m=2 thread-n=4 vector-width=4 {knobs}}},kforge-default-pipeline"
    );
    run(&source, &pipeline)
}

/// One mutant and the shapes at which it shows.
struct Mutant {
    name: &'static str,
    shapes: &'static [Shape],
    reasons: &'static [Reason],
    edit: fn(&mut Ir),
}

const WRONG: &[Reason] = &[NumericMismatch];
const ANY: &[Shape] = &[TAILS, ALIGNED];
const TAIL: &[Shape] = &[TAILS];

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

fn without_barrier(ir: &mut Ir, which: usize) {
    ir.kernel(nth(which, |op| op.is("gpu.barrier"), |_| Vec::new()));
}

fn k_loop(ir: &mut Ir, edit: impl Fn(&Op) -> Vec<String>) {
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

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no barrier before the tile is replaced",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| without_barrier(ir, 0),
    },
    Mutant {
        name: "no barrier after the tile is loaded",
        shapes: ANY,
        reasons: WRONG,
        edit: |ir| without_barrier(ir, 1),
    },
    Mutant {
        name: "no barrier at all",
        shapes: ANY,
        reasons: WRONG,
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
        reasons: &[NumericMismatch, Determinism],
        edit: |ir| no_masks_nor_clamps(ir, "%arg0["),
    },
    Mutant {
        name: "neither mask nor clamp on B",
        shapes: TAIL,
        reasons: &[NumericMismatch, Determinism],
        edit: |ir| no_masks_nor_clamps(ir, "%arg1["),
    },
    Mutant {
        name: "no mask on M of the store",
        shapes: TAIL,
        reasons: &[Poison],
        edit: |ir| condition(ir, 6, "%true_m"),
    },
    Mutant {
        name: "no mask on N of the store",
        shapes: TAIL,
        reasons: &[Poison, NumericMismatch],
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
    Mutant {
        name: "inputs rounded to 11 bits",
        shapes: TAIL,
        reasons: WRONG,
        edit: |ir| {
            let mut done = std::collections::HashSet::new();
            ir.kernel(|op| {
                let load = op.is("memref.load") && (op.has("%arg5[") || op.has("%arg6["));
                (load && op.has("xf32, #gpu") && !op.has("vector") && done.insert(op.text())).then(
                    || {
                        let result = op.result().to_owned();
                        let raw = "%raw_u";
                        let mut lines =
                            vec![op.replaced(&format!("{result} ="), &format!("{raw} ="))];
                        lines.extend(rounded(raw, &result));
                        lines
                    },
                )
            });
        },
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
        reasons: &[Poison],
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
        reasons: &[Poison],
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

/// Keeps 11 bits of the significand, as f16 does, by truncation.
const ROUND: &[&str] = &[
    "%mask_u = arith.constant -8192 : i32",
    "%bits_u = arith.bitcast %old : f32 to i32",
    "%kept_u = arith.andi %bits_u, %mask_u : i32",
    "%new_u = arith.bitcast %kept_u : i32 to f32",
];

fn rounded(raw: &str, result: &str) -> Vec<String> {
    ROUND
        .iter()
        .map(|line| line.replace("%new_u", result).replace("%old", raw))
        .collect()
}

#[test]
fn wrong_kernels_are_refused() {
    let mut complaints = Vec::new();
    for shape in [TAILS, ALIGNED, SQUARE] {
        let module = lowered(shape, "");
        for mutant in MUTANTS
            .iter()
            .filter(|mutant| mutant.shapes.contains(&shape))
        {
            let name = format!("{} at {shape:?}", mutant.name);
            complaints.extend(check(
                &name,
                &module,
                mutant.edit,
                Expected::Refuse(mutant.reasons),
            ));
        }
    }
    report(complaints);
}

/// Numbers alone do not show these: the values read are never used. Bounds are
/// what level 1 would prove.
#[test]
fn what_level_2_cannot_see() {
    let unclamped = check(
        "no clamp, masks kept",
        &lowered(TAILS, ""),
        |ir| {
            ir.kernel(|op| {
                op.is("arith.minui").then(|| {
                    vec![
                        "%zero_u = arith.constant 0 : index".into(),
                        format!(
                            "{} = arith.addi {}, %zero_u : index",
                            op.result(),
                            op.operands()[0]
                        ),
                    ]
                })
            })
        },
        Expected::Pass,
    );
    report(unclamped.into_iter().collect());
}

#[test]
fn wrong_pipelining_is_refused() {
    let module = lowered(TAILS, "stages=2");
    let barriers = check(
        "stages=2 without barriers",
        &module,
        |ir| ir.kernel(|op| op.is("gpu.barrier").then(Vec::new)),
        Expected::Refuse(WRONG),
    );
    let slot = check(
        "stages=2 reads the slot that is being filled",
        &module,
        |ir| {
            ir.kernel(nth(
                0,
                |op| op.is("arith.remui") && op.indent() == 8,
                |op| vec![format!("{} = arith.constant 0 : index", op.result())],
            ));
        },
        Expected::Refuse(WRONG),
    );
    report(barriers.into_iter().chain(slot).collect());
}

#[test]
fn wrong_reductions_of_split_k_are_refused() {
    let module = lowered(TAILS, "split-k=2");
    let wrong = Expected::Refuse(WRONG);
    let dropped = check(
        "the last part is dropped",
        &module,
        |ir| {
            ir.prologue(&["%one_m = arith.constant 1 : index"]);
            ir.kernel(nth(
                1,
                |op| op.is("scf.for"),
                |op| vec![op.with_operand(2, "%one_m")],
            ));
        },
        wrong,
    );
    let twice = check(
        "the first part is added twice",
        &module,
        |ir| {
            ir.kernel(nth(
                0,
                |op| op.is("memref.load") && op.has("memref<2x19x21xf32>"),
                |op| vec![op.with_operand(1, "%c0")],
            ));
        },
        wrong,
    );
    report(dropped.into_iter().chain(twice).collect());
}

#[test]
fn harmless_rewrites_pass() {
    let mut complaints = Vec::new();
    for shape in [TAILS, ALIGNED, SQUARE] {
        let module = lowered(shape, "");
        let mut control = |name: &str, edit: fn(&mut Ir)| {
            let name = format!("{name} at {shape:?}");
            complaints.extend(check(&name, &module, edit, Expected::Pass));
        };
        control("a remark", |ir| {
            ir.everywhere("module {", "module {  // unchanged")
        });
        control("commuted additions", |ir| {
            ir.kernel(|op| op.is("arith.addf").then(|| vec![op.swapped(0, 1)]));
        });
        control("commuted products", |ir| {
            ir.kernel(|op| op.is("arith.mulf").then(|| vec![op.swapped(0, 1)]));
        });
        control("another name of the kernel", |ir| {
            ir.everywhere("@q", "@other")
        });
        control("another name of the function", |ir| {
            ir.header("func.func", "@f(", "@g(");
        });
        control("one more barrier", |ir| {
            ir.kernel(nth(
                0,
                |op| op.is("gpu.barrier"),
                |op| vec![op.text(), op.text()],
            ));
        });
        control("products and sums for fused ones", |ir| {
            let mut number = 0;
            ir.kernel(|op| {
                op.is("math.fma").then(|| {
                    number += 1;
                    let o = op.operands();
                    let ty = "vector<4xf32>";
                    vec![
                        format!("%p{number}_m = arith.mulf {}, {} : {ty}", o[0], o[1]),
                        format!("{} = arith.addf %p{number}_m, {} : {ty}", op.result(), o[2]),
                    ]
                })
            });
        });
        let again = run(&module, "canonicalize,cse");
        complaints.extend(match crate::gate::judge(&again) {
            crate::gate::Outcome::Passed => None,
            other => Some(format!("canonicalized at {shape:?}: {other:?}")),
        });
    }
    report(complaints);
}
