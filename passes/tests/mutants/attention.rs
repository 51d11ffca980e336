//! Mutants of the attention kernel: an online softmax over blocks of keys.
//!
//! 37 queries in blocks of 32 and 21 keys in blocks of 8, of 2 heads for 4: tails
//! everywhere, and more invocations than a lavapipe thread runs in one go.

use kforge_verify::Reason::{self, NumericMismatch, Program};

use crate::{
    gate::{Expected, STATIC, all_refused, check, report},
    ir::{Ir, Op, nth, run},
};

const WRONG: &[Reason] = &[NumericMismatch];

fn lowered(operands: &str, attributes: &str, types: &str) -> String {
    let (q, k) = ("tensor<1x4x37x8xf32>", "tensor<1x2x21x8xf32>");
    let source = format!(
        "func.func @f(%q: {q}, %k: {k}, %v: {k}, %m: tensor<37x21xf32>) -> {q} {{\n\
         %y = kforge.attention %q, %k, %v {operands} {{kforge.name = \"a\" {attributes}}} : \
         ({q}, {k}, {k} {types}) -> {q}\n return %y : {q}\n}}"
    );
    let pipeline = "kforge-keep-reference,kforge-attach-device,\
                    kforge-tile-attention{op=a block-q=32 block-kv=8},kforge-default-pipeline";
    run(&source, pipeline)
}

/// With a causal limit and a mask.
fn masked() -> String {
    lowered("mask %m", ", causal", ", tensor<37x21xf32>")
}

/// Without either.
fn plain() -> String {
    lowered("", "", "")
}

/// Another value for the constant that has `value`.
fn constant(ir: &mut Ir, value: &str, new: &str) {
    ir.kernel(|op| {
        (op.is("arith.constant") && op.has(value)).then(|| vec![op.replaced(value, new)])
    });
}

/// Products of a carried value with the factor that rescales it, left out.
fn not_rescaled(ir: &mut Ir, ty: &str) {
    let zero = match ty {
        "f32" => "0.0 : f32".to_owned(),
        vector => format!("dense<0.0> : {vector}"),
    };
    ir.kernel(|op| {
        let carried = op
            .operands()
            .first()
            .is_some_and(|it| it.starts_with("%arg"));
        (op.is("arith.mulf") && carried && op.has(&format!(": {ty}"))).then(|| {
            let (result, value) = (op.result(), op.operands()[0]);
            vec![
                format!("%zero_u = arith.constant {zero}"),
                format!("{result} = arith.addf {value}, %zero_u : {ty}"),
            ]
        })
    });
}

/// Absent keys count in the sum, and only then are their weights dropped.
fn masked_late(ir: &mut Ir) {
    let lowest = ir.constant("-1.700000e+38");
    let mut exps: Vec<String> = Vec::new();
    let mut weights: Vec<(String, String)> = Vec::new();
    ir.kernel(|op| {
        let operands = op.operands();
        if op.is("math.exp") {
            exps.push(op.result().to_owned());
        }
        if op.is("arith.select") && operands[2] == lowest {
            return Some(vec![op.with_operand(2, operands[1])]);
        }
        if op.is("arith.select") && exps.iter().any(|exp| exp == operands[1]) {
            weights.push((op.result().to_owned(), operands[1].to_owned()));
        }
        let weight = weights
            .iter()
            .find(|(weight, _)| op.is("arith.addf") && operands.get(1) == Some(&weight.as_str()));
        weight.map(|(_, exp)| vec![op.with_operand(1, exp)])
    });
}

/// The maximum that blocks carry on stays what it was.
fn stale_maximum(ir: &mut Ir) {
    let mut carried = String::new();
    let mut loops = 0;
    ir.kernel(|op| {
        if op.is("scf.for") {
            loops += 1;
            carried = op.operands()[4].to_owned();
        }
        let inner = op.is("scf.yield") && op.operands().len() == 4 && loops == 2;
        loops += usize::from(inner);
        inner.then(|| vec![op.with_operand(0, &carried)])
    });
}

fn is_kv_head(op: &Op) -> bool {
    op.is("arith.divui") && op.operands() == ["%0", "%c2"]
}

fn keys(ir: &mut Ir, count: usize) {
    let name = format!("%c{count}_m");
    ir.reuse("%c21", &name);
    ir.prologue(&[&format!("{name} = arith.constant {count} : index")]);
}

#[test]
fn wrong_attentions_are_refused() {
    all_refused(
        "attention",
        &plain(),
        &[
            ("no 1/sqrt(d)", WRONG, |ir| {
                constant(ir, "0.353553385", "1.0")
            }),
            ("1/d", WRONG, |ir| constant(ir, "0.353553385", "0.125")),
            ("one key less", WRONG, |ir| keys(ir, 20)),
            ("one key more", WRONG, |ir| keys(ir, 22)),
            ("the last block of keys is dropped", WRONG, |ir| {
                ir.prologue(&["%two_m = arith.constant 2 : index"]);
                ir.kernel(nth(
                    0,
                    |op| op.is("scf.for"),
                    |op| vec![op.with_operand(2, "%two_m")],
                ));
            }),
            ("O is not rescaled", WRONG, |ir| {
                not_rescaled(ir, "vector<4xf32>")
            }),
            ("l is not rescaled", WRONG, |ir| not_rescaled(ir, "f32")),
            ("the running maximum is not updated", WRONG, stale_maximum),
            ("no maximum is subtracted", WRONG, |ir| {
                ir.prologue(&["%zero_m = arith.constant 0.0 : f32"]);
                ir.kernel(|op| {
                    op.is("arith.subf")
                        .then(|| vec![op.with_operand(1, "%zero_m")])
                });
            }),
            ("the maximum starts at 0", WRONG, |ir| {
                constant(ir, "-1.700000e+38", "0.0")
            }),
            ("exp2 for exp", WRONG, |ir| {
                ir.kernel(|op| {
                    op.is("math.exp")
                        .then(|| vec![op.replaced("math.exp", "math.exp2")])
                });
            }),
            ("not divided", WRONG, |ir| {
                ir.prologue(&["%ones_m = arith.constant dense<1.0> : vector<4xf32>"]);
                ir.kernel(|op| {
                    op.is("arith.divf")
                        .then(|| vec![op.with_operand(1, "%ones_m")])
                });
            }),
            ("heads are stored in reverse", WRONG, |ir| {
                ir.prologue(&["%last_m = arith.constant 3 : index"]);
                ir.kernel(|op| {
                    let store = op.is("memref.store") && !op.has("workgroup");
                    store.then(|| {
                        let head = op.operands()[2];
                        vec![
                            format!("%head_u = arith.subi %last_m, {head} : index"),
                            op.with_operand(2, "%head_u"),
                        ]
                    })
                });
            }),
            ("no barriers", STATIC, |ir| {
                ir.kernel(|op| op.is("gpu.barrier").then(Vec::new))
            }),
            ("no barrier behind the loads", STATIC, |ir| {
                ir.kernel(nth(1, |op| op.is("gpu.barrier"), |_| Vec::new()))
            }),
            ("no barrier before the next block", STATIC, |ir| {
                ir.kernel(nth(0, |op| op.is("gpu.barrier"), |_| Vec::new()))
            }),
        ],
    );
}

#[test]
fn wrong_masks_of_attention_are_refused() {
    all_refused(
        "masked attention",
        &masked(),
        &[
            ("key and value heads by remainder", WRONG, |ir| {
                ir.kernel(|op| {
                    is_kv_head(op).then(|| vec![op.replaced("arith.divui", "arith.remui")])
                });
            }),
            ("the first key and value head for all", WRONG, |ir| {
                ir.kernel(|op| {
                    is_kv_head(op)
                        .then(|| vec![format!("{} = arith.constant 0 : index", op.result())])
                });
            }),
            ("the mask comes after the softmax", WRONG, masked_late),
            ("finite values of the mask are left out", WRONG, |ir| {
                let mut loaded: Vec<String> = Vec::new();
                ir.kernel(|op| {
                    if op.is("memref.load") && op.has("%arg3[") {
                        loaded.push(op.result().to_owned());
                    }
                    let own = op.is("arith.select")
                        && loaded.iter().any(|value| value == op.operands()[1]);
                    own.then(|| vec![format!("{} = arith.constant 0.0 : f32", op.result())])
                });
            }),
            ("queries see one key more", WRONG, |ir| causal(ir, 15)),
            ("queries see one key less", WRONG, |ir| causal(ir, 17)),
            ("rows without a key are divided by 0", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("arith.cmpf") && op.has(" oeq,"))
                        .then(|| vec![format!("{} = arith.constant false", op.result())])
                });
            }),
            ("the mask of the first query for all", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("memref.load") && op.has("%arg3["))
                        .then(|| vec![op.with_operand(3, "%c0")])
                });
            }),
            ("keys for values", &[Program], |ir| {
                ir.host(nth(
                    0,
                    |op| op.is("gpu.launch_func"),
                    |op| vec![op.swapped(7, 8)],
                ));
            }),
        ],
    );
}

/// Their values of -1e9 leave no weight, except where a row has nothing else.
#[test]
fn rows_of_absent_keys_are_noticed() {
    all_refused(
        "attention with a mask",
        &lowered("mask %m", "", ", tensor<37x21xf32>"),
        &[("keys that the mask makes absent count", WRONG, |ir| {
            ir.kernel(|op| {
                (op.is("arith.cmpf") && op.has(" ugt,"))
                    .then(|| vec![format!("{} = arith.constant true", op.result())])
            });
        })],
    );
}

/// Query i sees keys up to i + 21 - 37: a maximum with 16, less 16.
fn causal(ir: &mut Ir, less: usize) {
    let name = format!("%c{less}_m");
    ir.prologue(&[&format!("{name} = arith.constant {less} : index")]);
    ir.kernel(|op| {
        let limit = op.is("arith.subi") && op.operands()[1] == "%c16";
        limit.then(|| vec![op.with_operand(1, &name)])
    });
}

#[test]
fn right_attentions_pass() {
    let mut complaints = Vec::new();
    for (name, module) in [("attention", plain()), ("masked attention", masked())] {
        complaints.extend(check(
            &format!("{name}: sums the other way round"),
            &module,
            |ir| ir.kernel(|op| op.is("arith.addf").then(|| vec![op.swapped(0, 1)])),
            Expected::Pass,
        ));
    }
    report(complaints);
}
