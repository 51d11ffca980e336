//! The rewriting passes keep the meaning of every function of their lit tests:
//! the oracle computes both in f64 on the same inputs. A lit test shows the
//! rewrite one had in mind, this one that it was right.

#![allow(clippy::unwrap_used)]

use kforge_dialect::program::of_function;
use kforge_oracle::{Level, Program, compare_programs, generate, standard_cases};
use melior::{
    Context,
    ir::{Module, operation::OperationLike},
    pass::PassManager,
    utility::parse_pass_pipeline,
};

/// The parts of a lit test that the oracle can judge: static shapes, no loops, no
/// NaN.
fn parts(file: &str) -> Vec<String> {
    let path = format!("{}/../test/Transforms/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    text.split("// -----")
        .filter(|part| part.contains("func.func @"))
        .filter(|part| {
            let unjudged = ["<?x", "x?x", "scf.for", "0x7FC00000"];
            !unjudged.iter().any(|text| part.contains(text))
        })
        .map(Into::into)
        .collect()
}

fn run(context: &Context, module: &mut Module, pipeline: &str) {
    let manager = PassManager::new(context);
    parse_pass_pipeline(manager.as_operation_pass_manager(), pipeline).unwrap();
    manager.run(module).unwrap();
}

/// Whether the two agree on every family of inputs. A constant that only one of
/// them has, such as f32's nearest of 1/sqrt(2), was rounded when it was written:
/// it may be the one before the pass or the one after.
fn assert_same(before: &Program, after: &Program, place: &str) {
    for (values, salt) in standard_cases(Level::Quick) {
        let inputs = generate(before, values, 7 + salt).unwrap();
        let forth = compare_programs(before, after, &inputs).unwrap();
        let back = compare_programs(after, before, &inputs).unwrap();
        assert!(
            forth.equal || back.equal,
            "{place}, {values:?}: {:?}",
            forth.outputs
        );
    }
}

/// Runs `pass` on every part of `file`; how many functions it changed.
fn check(file: &str, pass: &str) -> usize {
    kforge_passes::register();
    let mut changed = 0;
    for part in parts(file) {
        let context = kforge_dialect::context();
        let _quiet = context.attach_diagnostic_handler(|_| true);
        let mut module = Module::parse(&context, &part).unwrap();
        let before_text = module.as_operation().to_string();
        let before = of_function(module.as_operation(), None).unwrap();
        // A constant that only dead ops read would count as one that both have.
        let pipeline = format!("builtin.module({pass},kforge-eliminate-dead-ops)");
        run(&context, &mut module, &pipeline);
        assert!(module.as_operation().verify(), "{pass} on {part}");
        let after = of_function(module.as_operation(), None).unwrap();
        changed += usize::from(module.as_operation().to_string() != before_text);
        assert_same(&before, &after, &format!("{pass} on {part}"));
    }
    changed
}

#[test]
fn fuse_matmul_activation() {
    let changed = check(
        "fuse-matmul-activation.mlir",
        "kforge-fuse-matmul-activation",
    );
    assert!(changed >= 9, "{changed}");
}

#[test]
fn fuse_mlp_block() {
    let changed = check("fuse-mlp-block.mlir", "kforge-fuse-mlp-block");
    assert!(changed >= 5, "{changed}");
}

#[test]
fn fuse_attention() {
    let changed = check("fuse-attention.mlir", "kforge-fuse-attention");
    assert!(changed >= 8, "{changed}");
}

#[test]
fn fold_constants() {
    let exact = check("fold-constants.mlir", "kforge-fold-constants");
    assert!(exact >= 3, "{exact}");
    let rounded = check(
        "fold-constants.mlir",
        "kforge-fold-constants{inexact-scales=true}",
    );
    assert!(rounded >= exact, "{rounded}");
}

#[test]
fn all_together() {
    let pipeline = "kforge-name-ops,kforge-fold-constants{inexact-scales=true},kforge-fuse-attention{assume-visible-rows=true},kforge-fuse-matmul-activation,kforge-fuse-mlp-block";
    for file in [
        "fuse-matmul-activation.mlir",
        "fuse-mlp-block.mlir",
        "fuse-attention.mlir",
        "fold-constants.mlir",
    ] {
        assert!(check(file, pipeline) > 0, "{file}");
    }
}
