//! Registration of the dialect, and contexts that have it.

use melior::{Context, dialect::DialectRegistry, ir::Module};

use crate::bridge;

/// Makes the dialect loadable from `registry`.
pub fn register(registry: &DialectRegistry) {
    bridge::dialect::insert_dialect(registry);
}

/// Makes the dialect loadable from the `mlir::DialectRegistry` that MLIR hands
/// to a plugin.
pub fn register_raw(registry: *mut std::ffi::c_void) {
    bridge::dialect::insert_dialect_raw(registry);
}

/// A context with every upstream dialect and kforge loaded, single-threaded.
pub fn context() -> Context {
    let context = Context::new_with_registry(&bridge::tools::full_registry(), false);
    context.load_all_available_dialects();
    melior::utility::register_all_llvm_translations(&context);
    context
}

/// Parses a module; `file` is what its locations and diagnostics call it.
pub fn parse<'c>(context: &'c Context, text: &str, file: &str) -> Option<Module<'c>> {
    bridge::tools::parse_module(context, text, file)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_op_has_an_inference_slot() {
        assert!(crate::OPS.len() <= crate::bridge::dialect::infer_slots());
    }
}
