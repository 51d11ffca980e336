//! Upstream's tool mains, over a registry with everything upstream and kforge.
//! Each returns the process's exit code.

use std::{ffi::OsString, io::Write, path::Path};

use melior::{Context, ir::OperationRef};

use crate::{bridge, pass::Failed, scan};

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

/// From here on, a crash of the process inside MLIR, a driver or a native kernel is one line
/// on standard error and exit code 70. For the mains of tools that read files of others; the
/// mains below do so themselves.
pub fn report_crashes() {
    bridge::tools::report_crashes();
}

/// `mlir-opt` with kforge. Input is scanned before MLIR parses it.
pub fn opt_main(arguments: &[OsString]) -> i32 {
    bridge::tools::opt_main(
        arguments,
        "kforge-opt: MLIR's optimizer driver with kforge\n",
        &bridge::tools::full_registry(),
    )
}

/// `mlir-lsp-server` with kforge. Its input is the user's own editor and is not scanned.
pub fn lsp_server_main(arguments: &[OsString]) -> i32 {
    bridge::tools::lsp_server_main(arguments, &bridge::tools::full_registry())
}

/// `mlir-reduce` with kforge. Input files are scanned before MLIR parses them.
pub fn reduce_main(arguments: &[OsString]) -> i32 {
    if !files_pass(arguments) {
        return 1;
    }
    bridge::tools::reduce_main(arguments, &bridge::tools::full_registry())
}

/// `mlir-translate` with `translations`. Input files are scanned before MLIR
/// parses them; standard input is not.
pub fn translate_main(arguments: &[OsString], translations: &'static [TranslationDef]) -> i32 {
    if !files_pass(arguments) {
        return 1;
    }
    let registry = bridge::tools::full_registry();
    bridge::tools::translate_main(arguments, "kforge-translate", translations, &registry)
}

/// Scans every argument that names a file, for tools whose upstream main opens
/// its input itself.
fn files_pass(arguments: &[OsString]) -> bool {
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let refused = arguments
        .iter()
        .skip(1)
        .filter(|argument| !is_option(argument) && Path::new(argument).is_file())
        .find_map(|file| {
            let bytes = std::fs::read(file).ok()?;
            let refused = scan::check(&bytes, &scan::Limits::default()).err()?;
            Some(refused.located(&file.to_string_lossy()))
        });
    if let Some(message) = &refused {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "{message}");
    }
    refused.is_none()
}
