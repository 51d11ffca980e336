//! `cargo xtask`: everything a developer or a CI machine types besides cargo.
//!
//! Builds without LLVM, because `setup` is what installs LLVM. The commands
//! are plain functions, one per file; each prints what it does and ends with
//! exit code 1 when something is missing or failed.

mod demo;
mod doctor;
mod error;
mod fuzz;
mod llm_server;
mod llvm;
mod packages;
mod probe;
mod reference;
mod setup;
mod shell;
mod steps;
mod tidy;
mod weights;
mod workspace;

use clap::{Parser, Subcommand};
use error::Result;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Set-up, tests, house rules and the demo"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing (apt or Homebrew) and write .cargo/llvm.toml
    Setup {
        /// Print what would be installed and written, and stop
        #[arg(long)]
        dry_run: bool,
    },
    /// Versions of everything needed, and the line that mends what is missing
    Doctor,
    /// Set up, then every check that a change must pass
    Test {
        /// Only these steps, comma separated
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<steps::Step>,
        /// All but these steps, comma separated
        #[arg(long, value_enum, value_delimiter = ',')]
        skip: Vec<steps::Step>,
    },
    /// The house rules that a machine can check
    Tidy,
    /// Write the reference pages that are generated, docs/reference
    Docs,
    /// Run the fuzz targets and print what came of each
    Fuzz {
        /// Only these targets, comma separated
        #[arg(long, value_delimiter = ',')]
        target: Vec<String>,
        /// Executions of each target
        #[arg(long, default_value_t = 10_000_000)]
        runs: u64,
        /// Seconds that a target may take at most
        #[arg(long, default_value_t = 7200)]
        seconds: u64,
    },
    /// Set up, build, and run one MiniLM layer on this machine's GPU
    Demo {
        /// Arguments handed on to kforge-run
        #[arg(last = true)]
        run: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Setup { dry_run: true } => setup::describe(),
        Command::Setup { dry_run: false } => setup::setup().map(|_| true),
        Command::Doctor => doctor::doctor(),
        Command::Test { only, skip } => steps::test(&only, &skip),
        Command::Tidy => tidy_and_print(),
        Command::Docs => reference::write().map(|()| true),
        Command::Fuzz {
            target,
            runs,
            seconds,
        } => fuzz::fuzz(&target, runs, seconds),
        Command::Demo { run } => demo::demo(&run).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tidy_and_print() -> Result<bool> {
    let findings = tidy::tidy(&workspace::root())?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: no rule broken"),
        n => println!("tidy: rules broken at {n} places"),
    }
    Ok(findings.is_empty())
}
