//! The f64 oracle before and after a pass.

use kforge_dialect::program::of_function;
use kforge_oracle::{Level, Program, compare_programs, generate, standard_cases};
use melior::{
    Context,
    ir::{Module, operation::OperationLike},
    pass::PassManager,
    utility::parse_pass_pipeline,
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{config, generate::module};

/// Every pass that rewrites functions or attaches to their ops, and settings that change
/// what it does.
const PASSES: &[&str] = &[
    "kforge-eliminate-dead-ops",
    "kforge-name-ops",
    "kforge-keep-reference",
    "kforge-attach-device{target=gpu workgroup-memory=32768}",
    "kforge-fold-constants",
    "kforge-fold-constants{inexact-scales=true}",
    "kforge-fold-constants{max-elements=4}",
    "kforge-fuse-attention",
    "kforge-fuse-matmul-activation",
    "kforge-fuse-mlp-block",
    "kforge-tile-matmul",
    "kforge-tile-attention",
    "kforge-vectorize-layernorm",
    "canonicalize",
    "cse",
];

thread_local! {
    static CONTEXT: Context = {
        kforge_passes::register();
        let context = kforge_dialect::context();
        // Remarks on what is not fused.
        context.attach_diagnostic_handler(|_| true);
        context
    };
}

fn parse<'c>(context: &'c Context, text: &str) -> Module<'c> {
    let module = kforge_dialect::parse(context, text, "random").expect("the module parses");
    assert!(module.as_operation().verify());
    module
}

/// The module after `pass`. A constant that only dead ops read would count as one that both
/// have, so dead ops are dropped as well.
fn run(context: &Context, module: &mut Module, pass: &str) {
    let manager = PassManager::new(context);
    let pipeline = format!("builtin.module({pass},kforge-eliminate-dead-ops)");
    parse_pass_pipeline(manager.as_operation_pass_manager(), &pipeline).unwrap();
    manager.run(module).unwrap();
    assert!(module.as_operation().verify());
}

fn program(module: &Module) -> Program {
    of_function(module.as_operation(), None).unwrap()
}

/// Whether two programs agree on every family of inputs. A constant that only one of them
/// has was rounded when it was written: it may be the one before the pass or the one after.
fn same(before: &Program, after: &Program) -> Result<(), String> {
    for (values, salt) in standard_cases(Level::Quick) {
        let inputs = generate(before, values, 7 + salt).unwrap();
        let forth = compare_programs(before, after, &inputs).unwrap();
        let back = compare_programs(after, before, &inputs).unwrap();
        if !(forth.equal || back.equal) {
            return Err(format!("{values:?}: {:?}", forth.outputs));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn every_pass_keeps_the_meaning(text in module(5)) {
        CONTEXT.with(|context| {
            let before = program(&parse(context, &text));
            for pass in PASSES {
                let mut module = parse(context, &text);
                run(context, &mut module, pass);
                let same = same(&before, &program(&module));
                prop_assert!(same.is_ok(), "{pass}: {}\n{text}\n{}", same.unwrap_err(), module.as_operation());
            }
            Ok(())
        })?;
    }

    #[test]
    fn every_order_keeps_the_meaning(text in module(6), passes in vec(select(PASSES), 2..8)) {
        CONTEXT.with(|context| {
            let mut module = parse(context, &text);
            let mut before = program(&module);
            for (index, pass) in passes.iter().enumerate() {
                run(context, &mut module, pass);
                let after = program(&module);
                let same = same(&before, &after);
                prop_assert!(same.is_ok(), "{:?}: {}\n{text}\n{}", &passes[..=index], same.unwrap_err(), module.as_operation());
                before = after;
            }
            Ok(())
        })?;
    }

    #[test]
    fn what_is_printed_parses_as_the_same(text in module(8)) {
        CONTEXT.with(|context| {
            let printed = parse(context, &text).as_operation().to_string();
            prop_assert_eq!(parse(context, &printed).as_operation().to_string(), printed);
            Ok(())
        })?;
    }
}
