//! Upstream's tool mains, over a registry with everything upstream and kforge.
//! Each returns the process's exit code.

use melior::{Context, ir::OperationRef};

use crate::{ffi, pass::Failed};

/// One translation of `kforge-translate`, from a module to bytes.
#[derive(Debug)]
pub struct TranslationDef {
    /// The flag, without dashes.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The translation; it has emitted a diagnostic when it fails.
    pub run: for<'c, 'a> fn(&'c Context, OperationRef<'c, 'a>) -> Result<Vec<u8>, Failed>,
}

/// `mlir-opt` with kforge. Input is scanned before MLIR parses it.
pub fn opt_main(arguments: &[String]) -> i32 {
    ffi::opt_main(
        arguments,
        "kforge-opt: MLIR's optimizer driver with kforge\n",
        &ffi::full_registry(),
    )
}

/// `mlir-lsp-server` with kforge.
pub fn lsp_server_main(arguments: &[String]) -> i32 {
    ffi::lsp_server_main(arguments, &ffi::full_registry())
}

/// `mlir-reduce` with kforge.
pub fn reduce_main(arguments: &[String]) -> i32 {
    ffi::reduce_main(arguments, &ffi::full_registry())
}

/// `mlir-translate` with `translations`.
pub fn translate_main(arguments: &[String], translations: &'static [TranslationDef]) -> i32 {
    let registry = ffi::full_registry();
    ffi::translate_main(arguments, "kforge-translate", translations, &registry)
}
