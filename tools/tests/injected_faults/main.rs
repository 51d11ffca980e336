//! Injected faults, secrets and adversarial tries on the real tools: one table of kinds, one
//! runner. What was tried and what happened is in `docs/faults.md`.
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
//! Linux alone: elsewhere no system call can be made to fail.

#![allow(missing_docs, reason = "test code")]

#[cfg(target_os = "linux")]
mod adversary;
#[cfg(target_os = "linux")]
mod archive;
#[cfg(target_os = "linux")]
mod base;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod damaged;
#[cfg(target_os = "linux")]
mod device;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod kind;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod outputs;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod table;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("skipped: faults are injected on Linux alone");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let wanted = runner::Wanted::from_arguments();
    let base = match base::Base::new() {
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
