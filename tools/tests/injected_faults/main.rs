//! Injected faults, secrets and adversarial tries on the real tools: one table of kinds, one
//! runner.
//!
//! ```text
//! cargo test -p kforge-tools --test injected_faults                    # the cheap ones, once
//! cargo test -p kforge-tools --test injected_faults -- --runs 25       # all kinds
//! cargo test -p kforge-tools --test injected_faults -- --only archive --runs 3
//! cargo test -p kforge-tools --test injected_faults -- --tries 10000   # adversarial tries
//! ```
//!
//! Every run has a folder of its own and draws that follow from its kind and number. What a
//! machine lacks (strace, libfaketime, leave to mount) skips a kind, and the table says so.

#![cfg(all(feature = "mlir", target_os = "linux"))]
#![allow(missing_docs, dead_code, reason = "test code")]

mod adversary;
mod archive;
mod base;
mod child;
mod damaged;
mod device;
mod http;
mod kind;
mod limits;
mod outputs;
mod runner;
mod secrets;
mod server;
mod table;

use std::process::ExitCode;

use base::Base;

fn main() -> ExitCode {
    let wanted = runner::Wanted::from_arguments();
    let base = match Base::new() {
        Ok(Some(base)) => base,
        Ok(None) => {
            println!("skipped: no GPU answers here");
            return ExitCode::SUCCESS;
        }
        Err(broken) => {
            println!("the base of the campaign: {}", broken.detail);
            return ExitCode::FAILURE;
        }
    };
    let results = runner::run(&base, &wanted);
    print!("{}", table::table(&results));
    match results.iter().any(|it| !it.broken.is_empty()) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
