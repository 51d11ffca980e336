//! Mutants of host code, specifications and references.

use kforge_verify::Reason::{Execution, Poison, Program};

use crate::{
    gate::{Expected, STATIC, check, report},
    ir::{Ir, Op, nth, run},
    matmul::{ALIGNED, SQUARE, TAILS, lowered},
};

fn is_launch(op: &Op) -> bool {
    op.is("gpu.launch_func")
}

fn launch(ir: &mut Ir, edit: impl Fn(&Op) -> Vec<String>) {
    ir.host(nth(0, is_launch, edit));
}

/// Two kernels, one after the other: y = softmax-free chain of matmuls.
fn chain() -> String {
    let t = "tensor<16x16xf32>";
    let source = format!(
        "func.func @f(%a: {t}, %b: {t}, %c: {t}) -> {t} {{\n\
         %0 = kforge.matmul %a, %b {{kforge.name = \"one\"}} : ({t}, {t}) -> {t}\n\
         %1 = kforge.matmul %0, %c {{kforge.name = \"two\"}} : ({t}, {t}) -> {t}\n\
         return %1 : {t}\n}}"
    );
    run(&source, "kforge-default-pipeline")
}

#[test]
fn wrong_launches_are_refused() {
    let unwritten = Expected::Refuse(&[Poison]);
    // Grid 0..3, block 3..6, arguments from 6: a, b, bias, residual, result.
    let mut complaints = Vec::new();
    complaints.extend(check(
        "operands exchanged",
        &lowered(SQUARE, ""),
        |ir| {
            launch(ir, |op| vec![op.swapped(6, 7)]);
        },
        Expected::Refuse(&[Program]),
    ));
    complaints.extend(check(
        "the residual is an operand",
        &lowered(SQUARE, ""),
        |ir| {
            launch(ir, |op| {
                let a = op.operands()[6].to_owned();
                vec![op.with_operand(9, &a)]
            });
        },
        Expected::Refuse(&[Program]),
    ));
    for shape in [TAILS, ALIGNED] {
        let module = lowered(shape, "");
        complaints.extend(check(
            "one workgroup short",
            &module,
            |ir| {
                ir.host_prologue(&["%three_m = arith.constant 3 : index"]);
                launch(ir, |op| vec![op.with_operand(0, "%three_m")]);
            },
            unwritten,
        ));
        complaints.extend(check(
            "workgroups along y",
            &module,
            |ir| {
                launch(ir, |op| vec![op.swapped(0, 1)]);
            },
            // All workgroups write the first rows.
            Expected::Refuse(STATIC),
        ));
        complaints.extend(check(
            "launch left out",
            &module,
            |ir| {
                launch(ir, |_| Vec::new());
            },
            Expected::Before("gpu.launch_func"),
        ));
        complaints.extend(check(
            "output is the residual",
            &module,
            |ir| {
                let mut result = String::new();
                ir.host(|op| {
                    if op.is("builtin.unrealized_conversion_cast") && op.has("%arg3") {
                        result = op.result().to_owned();
                    }
                    is_launch(op).then(|| vec![op.with_operand(10, &result)])
                });
                ir.host(|op| op.is("return").then(|| vec![op.with_operand(0, "%arg3")]));
            },
            Expected::Refuse(&[Poison]),
        ));
    }
    report(complaints);
}

#[test]
fn wrong_wiring_is_refused() {
    let module = chain();
    let mut complaints = Vec::new();
    complaints.extend(check(
        "the second stage reads the input",
        &module,
        |ir| {
            let mut first = None;
            ir.host(|op| {
                if !is_launch(op) {
                    return None;
                }
                let input = op.operands()[6].to_owned();
                let first = first.get_or_insert(input.clone());
                (*first != input).then(|| vec![op.with_operand(6, first)])
            });
        },
        Expected::Refuse(&[Program]),
    ));
    complaints.extend(check(
        "the first stage's result is returned",
        &module,
        |ir| {
            let mut first = String::new();
            ir.host(|op| {
                if op.is("memref.alloc") && first.is_empty() {
                    first = op.result().split('(').next().unwrap().to_owned();
                }
                op.is("return").then(|| vec![op.with_operand(0, &first)])
            });
        },
        Expected::Refuse(&[Program]),
    ));
    complaints.extend(check(
        "the second stage is left out",
        &module,
        |ir| {
            ir.host(nth(1, is_launch, |_| Vec::new()));
        },
        Expected::Refuse(&[Program]),
    ));
    complaints.extend(check(
        "the result overwrites an argument",
        &module,
        |ir| {
            let mut argument = String::new();
            ir.host(|op| {
                if op.is("builtin.unrealized_conversion_cast") && op.operands()[0] == "%arg0" {
                    argument = op.result().to_owned();
                }
                op.is("return").then(|| vec![op.with_operand(0, "%arg0")])
            });
            ir.host(nth(1, is_launch, |op| vec![op.with_operand(8, &argument)]));
        },
        Expected::Refuse(&[Poison]),
    ));
    complaints.extend(check(
        "the second stage writes over what it reads",
        &module,
        |ir| {
            ir.host(nth(1, is_launch, |op| {
                let input = op.operands()[6].to_owned();
                vec![op.with_operand(8, &input)]
            }));
        },
        Expected::Refuse(&[Program, Execution]),
    ));
    complaints.extend(check(
        "the stages are exchanged",
        &module,
        |ir| {
            let mut held = None;
            ir.host(|op| match (is_launch(op), held.take()) {
                (true, None) => {
                    held = Some(op.text());
                    Some(Vec::new())
                }
                (true, Some(first)) => Some(vec![op.text(), first]),
                (false, kept) => {
                    held = kept;
                    None
                }
            });
        },
        Expected::Refuse(&[Program]),
    ));
    report(complaints);
}

#[test]
fn wrong_programs_are_refused() {
    let module = lowered(TAILS, "");
    let program = Expected::Refuse(&[Program]);
    let mut complaints = Vec::new();
    let gelu = "activation = \\22gelu\\22, ";
    complaints.extend(check(
        "specification without the activation",
        &module,
        |ir| {
            ir.header("gpu.func", gelu, "");
        },
        program,
    ));
    complaints.extend(check(
        "reference without the activation: a fusion added it",
        &module,
        |ir| {
            ir.header("module", gelu, "");
        },
        program,
    ));
    complaints.extend(check(
        "reference with another activation",
        &module,
        |ir| {
            ir.header("module", gelu, "activation = \\22gelu_tanh\\22, ");
        },
        program,
    ));
    complaints.extend(check(
        "kernel and specification without the residual",
        &module,
        |ir| {
            ir.header("gpu.func", " residual %arg3", "");
            ir.header(
                "gpu.func",
                "tensor<21xf32>, tensor<19x21xf32>) -> tensor<19x21xf32>\\0A    return",
                "tensor<21xf32>) -> tensor<19x21xf32>\\0A    return",
            );
            let mut residual = String::new();
            ir.kernel(|op| {
                if op.is("memref.load") && op.has("%arg3[") {
                    residual = op.result().to_owned();
                }
                (op.is("arith.addf") && op.operands()[1] == residual).then(|| {
                    vec![
                        "%zero_m = arith.constant 0.0 : f32".into(),
                        format!("%gone_m = arith.mulf {residual}, %zero_m : f32"),
                        op.with_operand(1, "%zero_m"),
                    ]
                })
            });
        },
        program,
    ));
    complaints.extend(check(
        "no specification",
        &module,
        |ir| {
            ir.header("gpu.func", "kforge.spec", "unused");
        },
        Expected::Before("does not say what it computes"),
    ));
    complaints.extend(check(
        "no reference",
        &module,
        |ir| {
            ir.header("module", "kforge.reference", "gpu.unused");
        },
        Expected::Before("no reference program"),
    ));
    report(complaints);
}

#[test]
fn a_missing_function_is_refused() {
    let t = "tensor<8x8xf32>";
    let function = |name: &str| {
        format!(
            "func.func @{name}(%a: {t}, %b: {t}) -> {t} {{\n\
             %0 = kforge.matmul %a, %b : ({t}, {t}) -> {t}\n return %0 : {t}\n}}\n"
        )
    };
    let module = run(&(function("f") + &function("g")), "kforge-default-pipeline");
    let complaint = check(
        "the second function is gone",
        &module,
        |ir| {
            let text = ir.text();
            let at = text.find("\n  func.func @g").unwrap();
            *ir = Ir::new(&(text[..at].to_owned() + "\n}\n"));
        },
        Expected::Before("no reference program for entry 'f'"),
    );
    report(complaint.into_iter().collect());
}
