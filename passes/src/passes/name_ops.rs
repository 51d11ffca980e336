//! `kforge-name-ops`: gives every kforge op without a name one.
//!
//! Before:
//! ```mlir
//! %0 = kforge.matmul %a, %b : ...
//! ```
//! After:
//! ```mlir
//! %0 = kforge.matmul %a, %b {kforge.name = "matmul_0"} : ...
//! ```
//! Requires: nothing.
//! Ensures: every kforge op of a function has a name of its own, so that the
//! option `op` of a pass can select it. Names that are there stay.
//! Does nothing when: every kforge op has a name.
//! Limits: none.

use std::collections::HashSet;

use kforge_dialect::{
    attributes, ir,
    pass::{Failed, PassDef, PassRun, StatisticDef},
};
use melior::{
    Context,
    ir::{OperationRef, attribute::StringAttribute},
};

use crate::select;

pub const PASS: PassDef = PassDef {
    argument: "kforge-name-ops",
    name: "NameOps",
    summary: "name every kforge op, so that knobs can select it",
    options: &[],
    statistics: &[StatisticDef {
        name: "named",
        description: "ops that got a name",
    }],
    dialects: &[],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    for function in select::functions(module) {
        let ops = select::kforge_ops(function);
        let mut taken: HashSet<String> = ops
            .iter()
            .filter_map(|op| select::name_of(*op))
            .map(Into::into)
            .collect();
        let mut counts = std::collections::HashMap::<&str, usize>::new();
        for op in ops.iter().filter(|op| select::name_of(**op).is_none()) {
            let mnemonic = ir::name(*op).trim_start_matches("kforge.");
            let count = counts.entry(mnemonic).or_default();
            let name = loop {
                let name = format!("{mnemonic}_{count}");
                *count += 1;
                if taken.insert(name.clone()) {
                    break name;
                }
            };
            ir::set_attribute(
                *op,
                attributes::NAME,
                StringAttribute::new(context, &name).into(),
            );
            pass.count("named", 1);
        }
    }
    Ok(())
}
