//! `kforge`: the workbench, one program for what a developer asks of kforge.

use std::process::ExitCode;

fn main() -> ExitCode {
    kforge_tools::workbench::main()
}
