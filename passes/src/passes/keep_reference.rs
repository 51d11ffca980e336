//! `kforge-keep-reference`: stores the module as it is now, for verification.
//!
//! Before:
//! ```mlir
//! module { func.func @f(...) { kforge.matmul ... } }
//! ```
//! After:
//! ```mlir
//! module attributes {kforge.reference = "module {...}"} { func.func @f(...) {...} }
//! ```
//! Requires: nothing. It is the first pass of every pipeline.
//! Ensures: `kforge.reference` is the text of the module before any pass. Text,
//! because passes rewrite whatever IR they can reach: a nested clone was tried
//! and CSE merged it with the code it should check.
//! Does nothing when: the module has a reference already (a remark says so).
//! Limits: none.

use kforge_dialect::{
    attributes, diagnostics,
    pass::{Failed, PassDef, PassRun},
};
use melior::{
    Context,
    ir::{OperationRef, attribute::StringAttribute, operation::OperationLike},
};

pub const PASS: PassDef = PassDef {
    argument: "kforge-keep-reference",
    name: "KeepReference",
    summary: "store the module's text as the reference that verification trusts",
    options: &[],
    statistics: &[],
    dialects: &[],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    _: &PassRun,
) -> Result<(), Failed> {
    let location = module.location();
    if module.has_attribute(attributes::REFERENCE) {
        diagnostics::remark(location, "the module keeps a reference already; it stays");
        return Ok(());
    }
    // A verdict of an earlier run says nothing about this one.
    kforge_dialect::ir::remove_attribute(module, attributes::VERIFIED);
    // Without locations: the same program is the same text wherever it lay.
    let text = module.to_string();
    let text = StringAttribute::new(context, &text);
    kforge_dialect::ir::set_attribute(module, attributes::REFERENCE, text.into());
    Ok(())
}
