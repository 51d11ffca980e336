//! Mutants of the matmul kernel with bias, gelu and residual.

mod epilogue;
mod masks;
mod operands;

use kforge_verify::Reason::{self, NumericMismatch};

pub use epilogue::ROUND;

use crate::{
    gate::{Expected, STATIC, check, report},
    ir::{Ir, nth, run},
};

/// M, N and K of a module. Tiles are 16 x 16 x 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape(pub usize, pub usize, pub usize);

/// A tail in every dimension, two tiles in M and N, three in K.
pub const TAILS: Shape = Shape(19, 21, 11);
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

fn mutants() -> impl Iterator<Item = &'static Mutant> {
    let parts = [masks::MUTANTS, operands::MUTANTS, epilogue::MUTANTS];
    parts.into_iter().flatten()
}

#[test]
fn wrong_kernels_are_refused() {
    let mut complaints = Vec::new();
    for shape in [TAILS, ALIGNED, SQUARE] {
        let module = lowered(shape, "");
        for mutant in mutants().filter(|mutant| mutant.shapes.contains(&shape)) {
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

/// Numbers alone do not show this: the values read are never used.
#[test]
fn what_level_2_cannot_see_is_refused_by_level_1() {
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
        Expected::Refuse(STATIC),
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
        Expected::Refuse(STATIC),
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
        Expected::Refuse(STATIC),
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
