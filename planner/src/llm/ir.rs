//! The program as text: what a model is shown of it, before names are hidden.

use kforge_dialect::ir;
use melior::{
    Context,
    ir::{
        Module,
        operation::{OperationLike, OperationPrintingFlags},
    },
};

use crate::problem::{ExtractError, prepared};

/// Elements of a constant above which its values are not printed.
const MAX_ELEMENTS: usize = 8;

/// The module with calls inlined and ops named as a plan sees them, without locations,
/// comments, the values of large constants and the module's own attributes.
/// [`kforge_passes::register`] must have run.
pub fn program_text(context: &Context, module: &Module) -> Result<String, ExtractError> {
    let copy = prepared(context, module)?;
    let root = copy.as_operation();
    let names: Vec<String> = root
        .attributes()
        .filter_map(|(name, _)| Some(name.as_string_ref().as_str().ok()?.to_owned()))
        .collect();
    for name in names {
        ir::remove_attribute(root, &name);
    }
    let flags = OperationPrintingFlags::new()
        .elide_large_elements_attributes(MAX_ELEMENTS)
        .use_local_scope();
    root.to_string_with_flags(flags)
        .map_err(|_| ExtractError::Pass {
            pass: "the printer".into(),
        })
}
