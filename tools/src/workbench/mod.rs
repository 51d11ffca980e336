//! The `kforge` workbench: one file per subcommand.
//!
//! Exit codes: 0 all is well, 1 something failed or the command line is wrong, 2 a refusal, an
//! escape or a plan that does not fit, 3 this machine has no device of the kind asked for, 70 a crash
//! inside MLIR or a driver.

#[cfg(feature = "mlir")]
mod archive;
#[cfg(feature = "mlir")]
mod bench;
#[cfg(feature = "mlir")]
mod benchmark;
#[cfg(feature = "mlir")]
mod candidates;
#[cfg(feature = "mlir")]
mod chosen;
#[cfg(feature = "mlir")]
mod closed_loop;
#[cfg(feature = "mlir")]
mod compile_transformer;
mod device;
mod diagnose_gpu;
mod doctor;
#[cfg(feature = "mlir")]
mod emit_mlir;
#[cfg(feature = "mlir")]
mod explain;
#[cfg(feature = "mlir")]
mod interrupt;
#[cfg(feature = "mlir")]
mod kept;
#[cfg(feature = "mlir")]
mod llm;
#[cfg(feature = "mlir")]
mod mutate_and_test;
#[cfg(feature = "mlir")]
mod optimize;
#[cfg(feature = "mlir")]
mod optimize_ir;
#[cfg(feature = "mlir")]
mod optimize_with_llm;
mod pages;
#[cfg(feature = "mlir")]
mod progress;
#[cfg(feature = "mlir")]
mod reduce_failure;
mod reference;
#[cfg(feature = "mlir")]
mod report;
#[cfg(feature = "mlir")]
mod show_passes;
#[cfg(feature = "mlir")]
mod shrink;
#[cfg(feature = "mlir")]
mod steps;
#[cfg(feature = "mlir")]
mod verify;
#[cfg(feature = "mlir")]
mod verify_plan;
#[cfg(feature = "mlir")]
mod workload;

use std::{ffi::OsString, io::Write, process::ExitCode};

#[cfg(feature = "mlir")]
use crate::optimize::OptimizeError;
use clap::{
    CommandFactory, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use kforge_runtime::{DeviceChoice, DeviceError, RunError, device::Target};

#[derive(Parser)]
#[command(name = "kforge", version, about = "The kforge workbench")]
struct Arguments {
    /// What runs it: cpu, or gpu for the best one; --device names an API
    #[arg(long, global = true, value_name = "TARGET", value_parser = targets())]
    target: Option<Target>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    DiagnoseGpu(diagnose_gpu::Arguments),
    #[cfg(feature = "mlir")]
    CompileTransformer(Box<compile_transformer::Arguments>),
    #[cfg(feature = "mlir")]
    Optimize(Box<optimize::Arguments>),
    #[cfg(feature = "mlir")]
    OptimizeWithLlm(Box<optimize_with_llm::Arguments>),
    #[cfg(feature = "mlir")]
    Archive(archive::Arguments),
    #[cfg(feature = "mlir")]
    Verify(Box<verify::Arguments>),
    #[cfg(feature = "mlir")]
    VerifyPlan(Box<verify_plan::Arguments>),
    #[cfg(feature = "mlir")]
    MutateAndTest(Box<mutate_and_test::Arguments>),
    #[cfg(feature = "mlir")]
    EmitMlir(Box<emit_mlir::Arguments>),
    #[cfg(feature = "mlir")]
    Explain(Box<explain::Arguments>),
    #[cfg(feature = "mlir")]
    OptimizeIr(Box<optimize_ir::Arguments>),
    #[cfg(feature = "mlir")]
    ShowPasses(show_passes::Arguments),
    #[cfg(feature = "mlir")]
    Report(report::Arguments),
    #[cfg(feature = "mlir")]
    Bench(bench::Arguments),
    #[cfg(feature = "mlir")]
    BenchmarkMatmul(Box<benchmark::matmul::Arguments>),
    #[cfg(feature = "mlir")]
    BenchmarkSuite(benchmark::suite::Arguments),
    #[cfg(feature = "mlir")]
    ReduceFailure(Box<reduce_failure::Arguments>),
    Doctor(doctor::Arguments),
    Completions(pages::Completions),
    Man(pages::Man),
    /// Print what generated pages are made of
    #[command(hide = true)]
    Reference(reference::Arguments),
}

/// Why a subcommand failed: what to print, and the exit code.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Nothing to run on.
    #[error(
        "no GPU answers for device '{choice}'; install its driver (on Debian without a GPU: \
         apt install mesa-vulkan-drivers libvulkan1), or choose another with --device"
    )]
    NoDevice { choice: DeviceChoice },
    /// The device was found but cannot be opened.
    #[error("{0}")]
    Device(DeviceError),
    /// A run on the device failed.
    #[error("{0}")]
    Run(#[from] RunError),
    /// The report could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
    /// A file that cannot be written.
    #[error("cannot write '{path}': {source}")]
    Write {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    /// The module cannot be read.
    #[cfg(feature = "mlir")]
    #[error(transparent)]
    Source(#[from] crate::compile::SourceError),
    /// A generated module is not valid.
    #[cfg(feature = "mlir")]
    #[error("{0}")]
    Build(#[from] kforge_dialect::Error),
    /// No device that plans could be for.
    #[cfg(feature = "mlir")]
    #[error(transparent)]
    Described(#[from] crate::device::DescribeError),
    /// Nothing was found.
    #[cfg(feature = "mlir")]
    #[error(transparent)]
    Optimize(#[from] OptimizeError),
    /// Nothing was decided.
    #[cfg(feature = "mlir")]
    #[error(transparent)]
    Decide(#[from] crate::optimize::DecideError),
    /// A file that cannot be read.
    #[cfg(feature = "mlir")]
    #[error("cannot read '{path}': {source}")]
    Read {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    /// A file that is no plan.
    #[cfg(feature = "mlir")]
    #[error("'{path}': {reason}", path = .0.path.display(), reason = .0.reason)]
    Plan(Box<chosen::NoPlan>),
    /// A command line whose parts do not fit together.
    #[error("{0}")]
    Usage(String),
    /// A plan that does not fit; the reasons are printed already.
    #[cfg(feature = "mlir")]
    #[error("{plan} is refused for {count} reason{}", if *.count == 1 { "" } else { "s" })]
    Refused { plan: String, count: usize },
    /// The gate is not what it must be.
    #[cfg(feature = "mlir")]
    #[error(
        "{escaped} mutant{} accepted, {refused} harmless change{} refused, {skipped} program{} \
         left out",
        if *.escaped == 1 { " was" } else { "s were" },
        if *.refused == 1 { " was" } else { "s were" },
        if *.skipped == 1 { " was" } else { "s were" }
    )]
    Escaped {
        escaped: usize,
        refused: usize,
        skipped: usize,
    },
    /// Whatever has no name of its own.
    #[cfg(feature = "mlir")]
    #[error("{0}")]
    Other(String),
    /// Wrong files or a wrong command line, where code 2 means a refusal.
    #[cfg(feature = "mlir")]
    #[error("{0}")]
    Input(String),
    /// There was nothing that could be verified.
    #[cfg(feature = "mlir")]
    #[error(transparent)]
    Gate(#[from] crate::gate::GateError),
    /// Nothing was reduced.
    #[cfg(feature = "mlir")]
    #[error(transparent)]
    Reduce(#[from] crate::reduce::ReduceError),
    /// The report was written; it is a refusal.
    #[cfg(feature = "mlir")]
    #[error("not verified")]
    NotVerified,
    /// The report was written; what it says is bad.
    #[error("{0}")]
    Reported(&'static str),
}

impl Failure {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::NoDevice { .. } => 3,
            #[cfg(feature = "mlir")]
            Self::Plan(_) | Self::Refused { .. } | Self::NotVerified | Self::Escaped { .. } => 2,
            #[cfg(feature = "mlir")]
            Self::Gate(crate::gate::GateError::Device(DeviceError::NoAdapter { .. })) => 3,
            #[cfg(feature = "mlir")]
            Self::Optimize(OptimizeError::Device(DeviceError::NoAdapter { .. })) => 3,
            _ => 1,
        }
    }
}

/// Reads `--target`.
fn targets() -> impl TypedValueParser<Value = Target> {
    PossibleValuesParser::new(["cpu", "gpu"]).map(|name| match name.as_str() {
        "cpu" => Target::Cpu,
        _ => Target::Gpu,
    })
}

/// Writes a file whole or not at all.
#[cfg(feature = "mlir")]
fn write_file(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    kforge_passes::report::write_whole(path, text).map_err(|source| Failure::Write {
        path: path.to_path_buf(),
        source,
    })
}

/// Runs the workbench on the process's arguments.
pub fn main() -> ExitCode {
    #[cfg(feature = "mlir")]
    kforge_dialect::tools::report_crashes();
    let Arguments { target, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return wrong(&error),
    };
    let outcome = match command {
        Command::DiagnoseGpu(arguments) => diagnose_gpu::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::CompileTransformer(arguments) => compile_transformer::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::OptimizeWithLlm(arguments) => optimize_with_llm::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::Optimize(arguments) => optimize::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::Archive(arguments) => archive::run(&arguments),
        #[cfg(feature = "mlir")]
        Command::Verify(arguments) => verify::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::VerifyPlan(arguments) => verify_plan::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::MutateAndTest(arguments) => mutate_and_test::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::EmitMlir(arguments) => emit_mlir::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::Explain(arguments) => explain::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::OptimizeIr(arguments) => optimize_ir::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::ShowPasses(arguments) => show_passes::run(&arguments),
        #[cfg(feature = "mlir")]
        Command::Report(arguments) => report::run(&arguments),
        #[cfg(feature = "mlir")]
        Command::Bench(arguments) => bench::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::BenchmarkMatmul(arguments) => benchmark::matmul::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::BenchmarkSuite(arguments) => benchmark::suite::run(&arguments, target),
        #[cfg(feature = "mlir")]
        Command::ReduceFailure(arguments) => reduce_failure::run(&arguments, target),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions(arguments) => pages::completions(&arguments, Arguments::command()),
        Command::Man(arguments) => pages::man(&arguments, Arguments::command()),
        Command::Reference(arguments) => reference::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if standard error is closed, too.
            let _ = writeln!(std::io::stderr(), "error: {}", with_causes(&failure));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// An error with its causes, each that it does not say itself.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// Reads a command line, the program's name first, and does nothing else.
///
/// # Errors
/// What is wrong with it, in the words that the tool prints.
pub fn read(arguments: Vec<OsString>) -> Result<(), String> {
    let parsed = Arguments::try_parse_from(arguments);
    parsed.map(|_| ()).map_err(|error| error.to_string())
}

/// A command line that is not understood, or a request for help.
fn wrong(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if the output is closed.
    let _ = error.print();
    // 2 says that something is refused.
    match error.use_stderr() {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that print no report: a module or a page, in the form that is asked for.
    const NO_REPORT: [&str; 2] = ["completions", "man"];

    fn subcommands() -> Vec<clap::Command> {
        let program = Arguments::command();
        let shown = program.get_subcommands().filter(|it| !it.is_hide_set());
        shown.cloned().collect()
    }

    #[test]
    fn every_subcommand_has_two_examples_that_parse() {
        for command in subcommands() {
            let name = command.get_name();
            let help = command.get_long_about().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
            let examples: Vec<&str> = examples.lines().map(str::trim).collect();
            assert!(examples.len() >= 2, "{name} has no two examples:\n{help}");
            for part in examples.iter().flat_map(|line| line.split(" && ")) {
                let words = part.split_whitespace().take_while(|word| *word != ">");
                let words: Vec<&str> = words.collect();
                if words[0] != "kforge" {
                    continue;
                }
                let parsed = Arguments::try_parse_from(&words);
                assert!(parsed.is_ok(), "{part}: {}", parsed.err().unwrap());
            }
        }
    }

    #[test]
    fn every_subcommand_that_reports_has_json() {
        for command in subcommands() {
            let has_json = command.get_arguments().any(|it| it.get_id() == "json");
            let name = command.get_name();
            assert_ne!(has_json, NO_REPORT.contains(&name), "{name}");
        }
    }
}
