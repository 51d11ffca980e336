//! `kforge-run`: runs a module or a package on a device, after it was verified.

use std::process::ExitCode;

fn main() -> ExitCode {
    kforge_tools::run::main()
}
