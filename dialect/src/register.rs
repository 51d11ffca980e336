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

/// A single-threaded context with kforge and the dialects it compiles from and to:
/// arith, cf, func, gpu, linalg, llvm, math, memref, scf, tensor, ub, vector, and
/// what they depend on. Of upstream's passes canonicalize, cse and inline are
/// registered. An input of any other dialect does not parse: what reads files of
/// others has no more parsers and passes than it needs.
pub fn context() -> Context {
    let context = Context::new_with_registry(&bridge::tools::core_registry(), false);
    context.load_all_available_dialects();
    context
}

/// A context with upstream's transform dialect and its extensions, to write modules of
/// it. It reads no files of others.
pub fn transform_context() -> Context {
    let registry = bridge::tools::upstream_dialects();
    let context = Context::new_with_registry(&registry, false);
    context.get_or_load_dialect("transform");
    context
}

/// Parses a module; `file` is what its locations and diagnostics call it.
pub fn parse<'c>(context: &'c Context, text: &str, file: &str) -> Option<Module<'c>> {
    bridge::tools::parse_module(context, text, file)
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_what_is_compiled_is_registered() {
        let context = crate::context();
        let there = |op: &&str| context.is_registered_operation(op);
        let compiled = [
            "affine.apply",
            "arith.constant",
            "cf.br",
            "func.func",
            "gpu.func",
            "kforge.matmul",
            "linalg.generic",
            "llvm.func",
            "math.exp",
            "memref.load",
            "scf.for",
            "tensor.empty",
            "ub.poison",
            "vector.broadcast",
        ];
        let missing: Vec<&str> = compiled.into_iter().filter(|op| !there(op)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let foreign = [
            "transform.sequence",
            "tosa.const",
            "spirv.module",
            "async.execute",
        ];
        let found: Vec<&str> = foreign.into_iter().filter(there).collect();
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn every_op_has_an_inference_slot() {
        assert!(crate::OPS.len() <= crate::bridge::dialect::infer_slots());
    }
}
