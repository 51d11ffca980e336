//! Mutants of kernels in half precision: what is to be computed in f32 and rounded
//! once is not. For the CPU, which has f16 wherever these tests run.

use kforge_verify::Reason::{self, NumericMismatch};

use crate::{
    gate::{Expected, all_refused, check, report},
    ir::{Ir, Op, run},
};

const WRONG: &[Reason] = &[NumericMismatch];

fn lowered(types: &[&str], op: &str, result: &str) -> String {
    let arguments: Vec<String> = (0..)
        .zip(types)
        .map(|(index, ty)| format!("%{index}: {ty}"))
        .collect();
    let (arguments, types) = (arguments.join(", "), types.join(", "));
    let source = format!(
        "func.func @f({arguments}) -> {result} {{\n\
         %y = kforge.{op} : ({types}) -> {result}\n return %y : {result}\n}}"
    );
    run(&source, "kforge-default-pipeline{target=cpu}")
}

fn matmul() -> String {
    let types = ["tensor<9x64xf16>", "tensor<64x11xf16>"];
    lowered(&types, "matmul %0, %1", "tensor<9x11xf16>")
}

fn softmax() -> String {
    lowered(&["tensor<5x37xf16>"], "softmax %0", "tensor<5x37xf16>")
}

fn layer_norm() -> String {
    let types = ["tensor<5x37xf16>", "tensor<37xf16>", "tensor<37xf16>"];
    lowered(&types, "layer_norm %0 gamma %1 beta %2", "tensor<5x37xf16>")
}

/// The type of an op's f32 results, and its f16 twin.
fn types(op: &Op) -> Option<(&'static str, &'static str)> {
    let line = op.text();
    let ty = line.rsplit([':', ' ']).next()?;
    [
        ("f32", "f16"),
        ("vector<4xf32>", "vector<4xf16>"),
        ("vector<8xf32>", "vector<8xf16>"),
        ("vector<16xf32>", "vector<16xf16>"),
    ]
    .into_iter()
    .find(|(single, _)| *single == ty)
}

/// Results of these ops are rounded to f16 and go on in f32.
fn rounded(ir: &mut Ir, names: &[&str]) {
    ir.kernel(|op| {
        if !names.iter().any(|name| op.is(name)) {
            return None;
        }
        let (single, half) = types(op)?;
        let result = op.result();
        Some(vec![
            op.replaced(&format!("{result} ="), "%raw_u ="),
            format!("%half_u = arith.truncf %raw_u : {single} to {half}"),
            format!("{result} = arith.extf %half_u : {half} to {single}"),
        ])
    });
}

/// What is rounded to f16 is changed before by ops that define `%new` from `%old`.
fn before_rounding(ir: &mut Ir, ops: &'static [&'static str]) {
    ir.kernel(|op| {
        (op.is("arith.truncf") && op.has(": f32 to f16")).then(|| {
            let old = op.operands()[0].to_owned();
            let lines = ops.iter().map(|line| line.replace("%old", &old));
            lines.chain([op.with_operand(0, "%new_u")]).collect()
        })
    });
}

/// Keeps some bits of an f32.
const TRUNCATED: &[&str] = &[
    "%mask_u = arith.constant -8192 : i32",
    "%bits_u = arith.bitcast %old : f32 to i32",
    "%kept_u = arith.andi %bits_u, %mask_u : i32",
    "%new_u = arith.bitcast %kept_u : i32 to f32",
];

const SCALED: &[&str] = &[
    "%factor_u = arith.constant 0.999 : f32",
    "%new_u = arith.mulf %old, %factor_u : f32",
];

const BRAIN: &[&str] = &[
    "%mask_u = arith.constant -65536 : i32",
    "%bits_u = arith.bitcast %old : f32 to i32",
    "%kept_u = arith.andi %bits_u, %mask_u : i32",
    "%new_u = arith.bitcast %kept_u : i32 to f32",
];

#[test]
fn wrong_half_matmuls_are_refused() {
    all_refused(
        "f16 matmul",
        &matmul(),
        &[
            ("f16 accumulators", WRONG, |ir| rounded(ir, &["math.fma"])),
            ("results times 0.999", WRONG, |ir| {
                before_rounding(ir, SCALED)
            }),
            ("results of 8 bits", WRONG, |ir| before_rounding(ir, BRAIN)),
            ("inputs of 8 bits", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("arith.extf") && op.has(": f16 to f32")).then(|| {
                        let result = op.result();
                        let mut lines = vec![op.replaced(&format!("{result} ="), "%raw_u =")];
                        let cut = BRAIN.iter().map(|line| line.replace("%old", "%raw_u"));
                        lines.extend(cut.map(|line| line.replace("%new_u", result)));
                        lines
                    })
                });
            }),
            ("the sum starts at 1e-2", WRONG, |ir| {
                ir.kernel(|op| {
                    (op.is("arith.constant") && op.has("0.000000e+00 : f32"))
                        .then(|| vec![op.replaced("0.000000e+00", "1.0e-2")])
                });
            }),
        ],
    );
}

#[test]
fn wrong_half_softmaxes_are_refused() {
    all_refused(
        "f16 softmax",
        &softmax(),
        &[
            ("exponentials of f16", WRONG, |ir| {
                rounded(ir, &["math.exp"])
            }),
            ("sums of f16", WRONG, |ir| rounded(ir, &["arith.addf"])),
            ("results times 0.999", WRONG, |ir| {
                before_rounding(ir, SCALED)
            }),
        ],
    );
}

#[test]
fn wrong_half_layer_norms_are_refused() {
    all_refused(
        "f16 layer_norm",
        &layer_norm(),
        &[
            ("sums of f16", WRONG, |ir| rounded(ir, &["arith.addf"])),
            ("the inverse deviation in f16", WRONG, |ir| {
                rounded(ir, &["math.rsqrt"])
            }),
            ("results times 0.999", WRONG, |ir| {
                before_rounding(ir, SCALED)
            }),
        ],
    );
}

#[test]
fn right_half_kernels_pass() {
    let mut complaints = Vec::new();
    for (name, module) in [
        ("matmul", matmul()),
        ("softmax", softmax()),
        ("layer_norm", layer_norm()),
    ] {
        let commuted = |op: &Op| ["math.fma", "arith.mulf"].iter().any(|name| op.is(name));
        complaints.extend(check(
            &format!("f16 {name}: commuted products"),
            &module,
            |ir| ir.kernel(|op| commuted(op).then(|| vec![op.swapped(0, 1)])),
            Expected::Pass,
        ));
    }
    // WGSL lets a conversion to f16 give either neighbour.
    complaints.extend(check(
        "f16 matmul: results truncated instead of rounded",
        &matmul(),
        |ir| before_rounding(ir, TRUNCATED),
        Expected::Pass,
    ));
    report(complaints);
}
