//! `kforge-opt`: mlir-opt with the kforge dialect and passes, and with plans.

use std::io::Write;

fn main() {
    kforge_passes::register_with_mutations();
    let arguments: Vec<_> = std::env::args_os().collect();
    let arguments = match kforge_tools::opt::with_plan(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            std::process::exit(1);
        }
    };
    std::process::exit(kforge_dialect::tools::opt_main(&arguments));
}
