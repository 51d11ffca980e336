//! Wrong passes and wrong generators, as modules that are lowered from something
//! else than they claim.
//!
//! A module made of wrong ops gets the reference of the right ones: that is what a
//! pass leaves that folds, fuses or drops wrongly. With the specifications of the
//! right ops, too, it is what a wrong generator leaves, and only the device can
//! tell.

use kforge_verify::Reason::{self, NumericMismatch, Program};

use crate::{
    gate::{Expected, check, report},
    ir::run,
};

/// A function: argument types, body with `%y...` returned, result types.
struct Source {
    types: &'static [&'static str],
    body: &'static str,
    results: &'static [(&'static str, &'static str)],
}

impl Source {
    fn lowered(&self, body: &str) -> String {
        let arguments: Vec<String> = (0..)
            .zip(self.types)
            .map(|(index, ty)| format!("%{index}: {ty}"))
            .collect();
        let names: Vec<&str> = self.results.iter().map(|(name, _)| *name).collect();
        let types: Vec<&str> = self.results.iter().map(|(_, ty)| *ty).collect();
        let source = format!(
            "func.func @f({}) -> ({}) {{\n{body}\nreturn {} : {}\n}}",
            arguments.join(", "),
            types.join(", "),
            names.join(", "),
            types.join(", ")
        );
        // No fusion: units of both modules are to be the same.
        run(
            &source,
            "kforge-keep-reference,kforge-attach-device,kforge-name-ops,\
             convert-kforge-to-gpu,canonicalize,cse",
        )
    }
}

/// Name, the right function, what it becomes.
type Mutant = (&'static str, Source, &'static str);

fn refused(mutants: Vec<Mutant>, kernels: bool, reasons: &'static [Reason]) {
    let mut complaints = Vec::new();
    for (name, source, wrong) in mutants {
        let (right, made) = (source.lowered(source.body), source.lowered(wrong));
        complaints.extend(check(
            name,
            &made,
            |ir| ir.claim(&right, kernels),
            Expected::Refuse(reasons),
        ));
        complaints.extend(check(
            &format!("{name}: not so"),
            &right,
            |ir| ir.everywhere("module {", "module {  // unchanged"),
            Expected::Pass,
        ));
    }
    report(complaints);
}

const X: &str = "tensor<6x6xf32>";

#[test]
fn wrong_rewrites_are_refused() {
    let one = |body| Source {
        types: &[X, X],
        body,
        results: &[("%y", X)],
    };
    let mutants = vec![
        (
            "a value with two uses loses one",
            one("%e = math.exp %0 : tensor<6x6xf32>
                 %m = arith.mulf %e, %1 : tensor<6x6xf32>
                 %y = arith.addf %m, %e : tensor<6x6xf32>"),
            "%e = math.exp %0 : tensor<6x6xf32>
             %m = arith.mulf %e, %1 : tensor<6x6xf32>
             %y = arith.addf %m, %0 : tensor<6x6xf32>",
        ),
        (
            "an activation is fused across a second user",
            Source {
                types: &[X, X],
                body: "%m = kforge.matmul %0, %1 : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
                       %y = kforge.activation %m {kind = \"relu\"} : (tensor<6x6xf32>) -> tensor<6x6xf32>",
                results: &[("%y", X), ("%m", X)],
            },
            "%m = kforge.matmul %0, %1 {activation = \"relu\"} : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
             %y = kforge.activation %m {kind = \"relu\"} : (tensor<6x6xf32>) -> tensor<6x6xf32>",
        ),
        (
            "ops that differ in an attribute are taken for one",
            one("%a = kforge.softmax %0 {axis = 0 : i64} : (tensor<6x6xf32>) -> tensor<6x6xf32>
                 %b = kforge.softmax %0 {axis = 1 : i64} : (tensor<6x6xf32>) -> tensor<6x6xf32>
                 %y = arith.mulf %a, %b : tensor<6x6xf32>"),
            "%a = kforge.softmax %0 {axis = 0 : i64} : (tensor<6x6xf32>) -> tensor<6x6xf32>
             %y = arith.mulf %a, %a : tensor<6x6xf32>",
        ),
        (
            "a constant is folded in f16",
            one("%c = arith.constant dense<0.1> : tensor<6x6xf32>
                 %y = arith.mulf %0, %c : tensor<6x6xf32>"),
            "%c = arith.constant dense<0.0999755859375> : tensor<6x6xf32>
             %y = arith.mulf %0, %c : tensor<6x6xf32>",
        ),
        (
            "a transpose is folded with the old strides",
            one("%e = tensor.empty() : tensor<6x6xf32>
                 %t = linalg.transpose ins(%0 : tensor<6x6xf32>) outs(%e : tensor<6x6xf32>) permutation = [1, 0]
                 %y = kforge.matmul %t, %1 : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>"),
            "%y = kforge.matmul %0, %1 : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>",
        ),
        (
            "a remainder is dropped",
            one("%a = tensor.extract_slice %0[0, 0] [4, 6] [1, 1] : tensor<6x6xf32> to tensor<4x6xf32>
                 %b = tensor.extract_slice %0[4, 0] [2, 6] [1, 1] : tensor<6x6xf32> to tensor<2x6xf32>
                 %e = math.exp %a : tensor<4x6xf32>
                 %r = math.exp %b : tensor<2x6xf32>
                 %y = tensor.concat dim(0) %e, %r : (tensor<4x6xf32>, tensor<2x6xf32>) -> tensor<6x6xf32>"),
            "%a = tensor.extract_slice %0[0, 0] [4, 6] [1, 1] : tensor<6x6xf32> to tensor<4x6xf32>
             %b = tensor.extract_slice %0[4, 0] [2, 6] [1, 1] : tensor<6x6xf32> to tensor<2x6xf32>
             %e = math.exp %a : tensor<4x6xf32>
             %y = tensor.concat dim(0) %e, %b : (tensor<4x6xf32>, tensor<2x6xf32>) -> tensor<6x6xf32>",
        ),
        (
            "a select takes the other side",
            one("%p = arith.cmpf ogt, %0, %1 : tensor<6x6xf32>
                 %y = arith.select %p, %0, %1 : tensor<6x6xi1>, tensor<6x6xf32>"),
            "%p = arith.cmpf oge, %0, %1 : tensor<6x6xf32>
             %y = arith.select %p, %1, %0 : tensor<6x6xi1>, tensor<6x6xf32>",
        ),
        (
            "a division becomes a product with a rounded inverse",
            one("%c = arith.constant dense<3.0> : tensor<6x6xf32>
                 %y = arith.divf %0, %c : tensor<6x6xf32>"),
            "%c = arith.constant dense<0.3333> : tensor<6x6xf32>
             %y = arith.mulf %0, %c : tensor<6x6xf32>",
        ),
    ];
    refused(mutants, false, &[Program]);
}

const HEADS: &str = "tensor<1x4x4x8xf32>";
const POSITIONS: &str = "tensor<4xi32>";

#[test]
fn wrong_decoders_are_refused() {
    let decoder = |body| Source {
        types: &[HEADS, HEADS, HEADS, POSITIONS],
        body,
        results: &[("%y", HEADS)],
    };
    let rotated = "%q = kforge.rope %0, %3 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
                   %k = kforge.rope %1, %3 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
                   %y = kforge.attention %q, %k, %2 {causal} : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>";
    let mutants = vec![
        (
            "values are rotated, too",
            decoder(rotated),
            "%q = kforge.rope %0, %3 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
             %k = kforge.rope %1, %3 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
             %v = kforge.rope %2, %3 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
             %y = kforge.attention %q, %k, %v {causal} : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>",
        ),
        (
            "keys are one position further",
            decoder(rotated),
            "%one = arith.constant dense<1> : tensor<4xi32>
             %p = arith.addi %3, %one : tensor<4xi32>
             %q = kforge.rope %0, %3 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
             %k = kforge.rope %1, %p : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
             %y = kforge.attention %q, %k, %2 {causal} : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>",
        ),
        (
            "queries see the future",
            decoder(rotated),
            "%q = kforge.rope %0, %3 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
             %k = kforge.rope %1, %3 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>
             %y = kforge.attention %q, %k, %2 : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>",
        ),
        (
            "heads and queries are merged the wrong way",
            decoder("%a = kforge.attention %0, %1, %2 : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
                     %e = tensor.empty() : tensor<1x4x4x8xf32>
                     %y = linalg.transpose ins(%a : tensor<1x4x4x8xf32>) outs(%e : tensor<1x4x4x8xf32>) permutation = [0, 2, 1, 3]"),
            "%y = kforge.attention %0, %1, %2 : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>",
        ),
        (
            "keys are written one position too early",
            Source {
                types: &["tensor<1x2x9x8xf32>", "tensor<1x2x1x8xf32>"],
                body: "%y = tensor.insert_slice %1 into %0[0, 0, 5, 0] [1, 2, 1, 8] [1, 1, 1, 1] : tensor<1x2x1x8xf32> into tensor<1x2x9x8xf32>",
                results: &[("%y", "tensor<1x2x9x8xf32>")],
            },
            "%y = tensor.insert_slice %1 into %0[0, 0, 4, 0] [1, 2, 1, 8] [1, 1, 1, 1] : tensor<1x2x1x8xf32> into tensor<1x2x9x8xf32>",
        ),
    ];
    refused(mutants, false, &[Program]);
}

/// The same wrong ops as the work of a wrong generator.
#[test]
fn wrong_generators_are_refused() {
    let two = |body| Source {
        types: &["tensor<5x37xf32>", "tensor<37xf32>"],
        body,
        results: &[("%y", "tensor<5x37xf32>")],
    };
    let attention = |body| Source {
        types: &[HEADS, HEADS, HEADS],
        body,
        results: &[("%y", HEADS)],
    };
    let rms =
        "%y = kforge.rms_norm %0 gamma %1 : (tensor<5x37xf32>, tensor<37xf32>) -> tensor<5x37xf32>";
    let plain = "%y = kforge.attention %0, %1, %2 : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>";
    let mutants = vec![
        (
            "layer_norm for rms_norm",
            two(rms),
            "%y = kforge.layer_norm %0 gamma %1 : (tensor<5x37xf32>, tensor<37xf32>) -> tensor<5x37xf32>",
        ),
        (
            "another epsilon",
            two(rms),
            "%y = kforge.rms_norm %0 gamma %1 {epsilon = 1.0e-3 : f32} : (tensor<5x37xf32>, tensor<37xf32>) -> tensor<5x37xf32>",
        ),
        (
            "no 1/sqrt(d)",
            attention(plain),
            "%y = kforge.attention %0, %1, %2 {scale = 1.0 : f32} : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>",
        ),
        (
            "1/d",
            attention(plain),
            "%y = kforge.attention %0, %1, %2 {scale = 0.125 : f32} : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>",
        ),
        (
            "interleaved pairs for halves",
            Source {
                types: &[HEADS, POSITIONS],
                body: "%y = kforge.rope %0, %1 : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>",
                results: &[("%y", HEADS)],
            },
            "%y = kforge.rope %0, %1 {interleaved} : (tensor<1x4x4x8xf32>, tensor<4xi32>) -> tensor<1x4x4x8xf32>",
        ),
        (
            "B read transposed",
            Source {
                types: &[X, X],
                body: "%y = kforge.matmul %0, %1 {transpose_b} : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>",
                results: &[("%y", X)],
            },
            "%y = kforge.matmul %0, %1 : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>",
        ),
        (
            "the tanh approximation for erf",
            Source {
                types: &[X],
                body: "%y = kforge.activation %0 {kind = \"gelu\"} : (tensor<6x6xf32>) -> tensor<6x6xf32>",
                results: &[("%y", X)],
            },
            "%y = kforge.activation %0 {kind = \"gelu_tanh\"} : (tensor<6x6xf32>) -> tensor<6x6xf32>",
        ),
        (
            "a transpose that copies",
            Source {
                types: &[X, X],
                body: "%e = tensor.empty() : tensor<6x6xf32>
                       %t = linalg.transpose ins(%0 : tensor<6x6xf32>) outs(%e : tensor<6x6xf32>) permutation = [1, 0]
                       %y = arith.addf %t, %1 : tensor<6x6xf32>",
                results: &[("%y", X)],
            },
            "%y = arith.addf %0, %1 : tensor<6x6xf32>",
        ),
        (
            "a slice one row further",
            Source {
                types: &[X],
                body: "%y = tensor.extract_slice %0[1, 0] [4, 6] [1, 1] : tensor<6x6xf32> to tensor<4x6xf32>",
                results: &[("%y", "tensor<4x6xf32>")],
            },
            "%y = tensor.extract_slice %0[2, 0] [4, 6] [1, 1] : tensor<6x6xf32> to tensor<4x6xf32>",
        ),
    ];
    refused(mutants, true, &[NumericMismatch]);
}
