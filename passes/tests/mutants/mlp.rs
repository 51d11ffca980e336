//! Mutants of the gated mlp: three matmuls, one unit.

use kforge_verify::Reason::{self, Execution, NumericMismatch, Poison, Program};

use crate::{
    gate::{Expected, STATIC, all_refused, check, report},
    ir::{Ir, Op, nth, run},
    matmul::ROUND,
};

const WRONG: &[Reason] = &[NumericMismatch];

fn lowered() -> String {
    let types = "tensor<9x6xf32>, tensor<6x11xf32>, tensor<11x7xf32>, tensor<6x11xf32>, \
                 tensor<11xf32>, tensor<7xf32>";
    let source = format!(
        "func.func @f(%x: tensor<9x6xf32>, %u: tensor<6x11xf32>, %d: tensor<11x7xf32>, \
         %g: tensor<6x11xf32>, %bu: tensor<11xf32>, %bd: tensor<7xf32>) -> tensor<9x7xf32> {{\n\
         %y = kforge.mlp %x, %u, %d gate %g up_bias %bu down_bias %bd {{activation = \"silu\"}} : \
         ({types}) -> tensor<9x7xf32>\n return %y : tensor<9x7xf32>\n}}"
    );
    run(&source, "kforge-default-pipeline")
}

fn launch(ir: &mut Ir, which: usize, edit: impl Fn(&Op) -> Vec<String>) {
    ir.host(nth(which, |op| op.is("gpu.launch_func"), edit));
}

/// The value of every load with `part` on its line.
fn loaded(ir: &mut Ir, part: &str, value: &str) {
    ir.kernel(|op| {
        (op.is("memref.load") && op.has(part))
            .then(|| vec![format!("{} = arith.constant {value} : f32", op.result())])
    });
}

/// The epilogue's product with what is behind the gate.
fn product(ir: &mut Ir, edit: impl Fn(&Op) -> Vec<String>) {
    let mut factor = String::new();
    ir.kernel(|op| {
        if op.is("memref.load") && op.has("%arg3[") && !op.has("workgroup") {
            factor = op.result().to_owned();
        }
        let ours = op.is("arith.mulf") && !factor.is_empty() && op.operands().contains(&&*factor);
        ours.then(|| edit(op))
    });
}

#[test]
fn wrong_mlps_are_refused() {
    all_refused(
        "mlp",
        &lowered(),
        &[
            ("the gate has no activation", WRONG, |ir| {
                ir.kernel(|op| {
                    op.is("arith.divf").then(|| {
                        let (result, value) = (op.result(), op.operands()[0]);
                        vec![
                            "%zero_u = arith.constant 0.0 : f32".into(),
                            format!("{result} = arith.addf {value}, %zero_u : f32"),
                        ]
                    })
                });
            }),
            ("exp2 for exp", WRONG, |ir| {
                ir.kernel(|op| {
                    op.is("math.exp")
                        .then(|| vec![op.replaced("math.exp", "math.exp2")])
                });
            }),
            ("the gate is added", WRONG, |ir| {
                product(ir, |op| vec![op.replaced("arith.mulf", "arith.addf")])
            }),
            ("the gate is squared", WRONG, |ir| {
                product(ir, |op| {
                    let gate = op.operands()[1].to_owned();
                    vec![op.with_operand(0, &gate)]
                })
            }),
            ("up_bias left out", WRONG, |ir| {
                loaded(ir, "memref<11xf32>", "0.0")
            }),
            ("down_bias left out", WRONG, |ir| {
                loaded(ir, "memref<7xf32>", "0.0")
            }),
            ("the hidden layer has 11 bits", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("memref.store") && op.has("memref<1x9x11xf32>")).then(|| {
                        let old = op.operands()[0].to_owned();
                        let lines = ROUND.iter().map(|line| line.replace("%old", &old));
                        lines.chain([op.with_operand(0, "%new_u")]).collect()
                    })
                });
            }),
            (
                "the last column of the hidden layer is not stored",
                &[Poison, NumericMismatch],
                |ir| {
                    ir.prologue(&["%nine_m = arith.constant 9 : index"]);
                    ir.kernel(|op| {
                        // Stores are masked within the mask of their row.
                        (op.is("arith.cmpi") && op.indent() >= 8 && op.operands()[1] == "%c11")
                            .then(|| vec![op.with_operand(1, "%nine_m")])
                    });
                },
            ),
            ("no barriers", STATIC, |ir| {
                ir.kernel(|op| op.is("gpu.barrier").then(Vec::new))
            }),
        ],
    );
}

#[test]
fn wrong_launches_of_mlps_are_refused() {
    all_refused(
        "mlp",
        &lowered(),
        &[
            ("up reads the weights of the gate", &[Program], |ir| {
                let mut gate = String::new();
                ir.host(|op| {
                    if !op.is("gpu.launch_func") {
                        return None;
                    }
                    if gate.is_empty() {
                        gate = op.operands()[7].to_owned();
                        return None;
                    }
                    let second = op.has("memref<11xf32>");
                    second.then(|| vec![op.with_operand(7, &gate)])
                });
            }),
            (
                "down reads the gate",
                &[Program, Poison, NumericMismatch],
                |ir| {
                    let mut gate = String::new();
                    ir.host(|op| {
                        if !op.is("gpu.launch_func") {
                            return None;
                        }
                        if gate.is_empty() {
                            gate = op.operands()[8].to_owned();
                            return None;
                        }
                        let third = op.has("memref<7xf32>");
                        third.then(|| vec![op.with_operand(6, &gate)])
                    });
                },
            ),
            (
                "the gate's launch is left out",
                &[Program, Execution, Poison],
                |ir| launch(ir, 0, |_| Vec::new()),
            ),
            (
                "up's launch is left out",
                &[Program, Execution, Poison],
                |ir| launch(ir, 1, |_| Vec::new()),
            ),
        ],
    );
    // The last kernel has the specification.
    let complaint = check(
        "mlp: down's launch is left out",
        &lowered(),
        |ir| launch(ir, 2, |_| Vec::new()),
        Expected::Before("does not say what it computes"),
    );
    report(complaint.into_iter().collect());
}

#[test]
fn right_mlps_pass() {
    let complaint = check(
        "mlp: commuted products",
        &lowered(),
        |ir| ir.kernel(|op| op.is("arith.mulf").then(|| vec![op.swapped(0, 1)])),
        Expected::Pass,
    );
    report(complaint.into_iter().collect());
}
