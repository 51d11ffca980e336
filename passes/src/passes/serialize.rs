//! `kforge-serialize`: translates the kernels to WGSL and, if asked, writes the
//! package that kforge-run runs.
//!
//! Before:
//! ```mlir
//! module { gpu.module @kernels { gpu.func @add(...) kernel {...} } func.func @f(...) {...} }
//! ```
//! After:
//! ```mlir
//! module attributes {kforge.wgsl = {add = "@group(0) ..."}} { ... }
//! ```
//! Requires: host functions and kernels within the subset that
//! `kforge_lowering::serialize` lists, and at least one function with a launch.
//! Ensures: `kforge.wgsl` holds the WGSL of every kernel that is launched. With
//! `out-dir` that folder holds the package, whole or not at all; its plan is the
//! pipeline before this pass, if the tool is kforge-opt.
//! Does nothing when: never; a module that cannot be a package is an error.
//! Limits: those of the device attached to the module.

use kforge_dialect::{
    attributes, diagnostics, ir,
    pass::{Failed, OptionDef, OptionKind, PassDef, PassRun},
};
use kforge_lowering::serialize::{self, Options};
use melior::{
    Context,
    ir::{
        Attribute, Identifier, OperationRef,
        attribute::{DictionaryAttribute, StringAttribute},
        operation::OperationLike,
    },
};

pub const PASS: PassDef = PassDef {
    argument: "kforge-serialize",
    name: "Serialize",
    summary: "translate kernels to WGSL and write the package that kforge-run runs",
    options: &[OptionDef {
        name: "out-dir",
        description: "folder of the package, made or replaced; empty = none is written",
        kind: OptionKind::Text(""),
    }],
    statistics: &[],
    dialects: &[],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    let location = module.location();
    let options = Options {
        plan: pass.previous(),
        ..Options::default()
    };
    let mut serialized = serialize::package(module, &options).map_err(|error| {
        error.emit(context, location);
        Failed
    })?;
    for remark in &serialized.remarks {
        diagnostics::remark(location, remark);
    }
    let folder = pass.text("out-dir");
    if !folder.is_empty() {
        serialized.link().map_err(|error| {
            error.emit(context, location);
            Failed
        })?;
    }
    let package = &mut serialized.package;
    let texts: Vec<(Identifier, Attribute)> = package
        .manifest
        .kernels
        .keys()
        .filter_map(|name| {
            let text = StringAttribute::new(context, package.wgsl(name)?);
            Some((Identifier::new(context, name), text.into()))
        })
        .collect();
    let texts = DictionaryAttribute::new(context, &texts);
    ir::set_attribute(module, attributes::WGSL, texts.into());
    if folder.is_empty() {
        return Ok(());
    }
    package.save(&folder).map_err(|error| {
        diagnostics::error(location, &format!("{}: {error}", pass.argument()));
        Failed
    })
}
