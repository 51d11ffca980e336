//! `kforge explain`: why a function takes the time it takes.

use std::{
    io::{self, Write},
    time::Duration,
};

use kforge_runtime::device::Target;

use super::{
    Failure,
    chosen::Chosen,
    device::{DeviceArgument, open},
    workload::{Workload, problem_of},
};
use crate::{
    compile::Session,
    explain::{ExplainError, explain},
    gate::Gate,
};

/// Show what bounds every kernel: work, time, share of the roofline, limits, knobs
///
/// The kernels of a plan are verified and timed, as `kforge verify` does it; then the device's
/// copy bandwidth and its rate of f32 multiply-adds are measured (a CPU's rate follows from its
/// clock, cores and registers). From 60 % of the roofline on, memory or arithmetic bounds a
/// kernel. Nothing is explained that is refused (exit code 2); 3: there is no such device.
///
/// Examples:
///   kforge explain layer.mlir
///   kforge explain --kernel matmul --m 512 --n 512 --k 512 --set tile-m=32 --json
///   kforge explain --workload transformer --seq 64 --d-model 128 --target cpu
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: Workload,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    device: DeviceArgument,
    /// Timed runs
    #[arg(long, value_name = "RUNS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    time: u32,
    /// Longest it may take to be verified and timed
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,
    /// Seed of the inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    let choice = arguments.device.choice(target)?.unwrap_or_default();
    let device = open(choice)?;
    let source = arguments.workload.source()?;
    let session = Session::default();
    let module = session
        .parse(&source)
        .map_err(|error| Failure::Other(error.to_string()))?;
    let problem = problem_of(&session, &module, &source)?;
    let plan = arguments.chosen.fitting(&problem, device.description())?;
    let gate = Gate {
        device: choice.to_string(),
        seed: arguments.seed,
        repeats: arguments.time as usize,
        deadline: Duration::from_secs(arguments.deadline),
        ..Gate::default()
    };
    let found = explain(&source, &plan, &gate).map_err(|error| match error {
        ExplainError::Refused { reason, detail } => {
            let _ = writeln!(
                io::stderr(),
                "{}: refused ({reason}): {detail}",
                source.name()
            );
            Failure::NotVerified
        }
        error => Failure::Other(error.to_string()),
    })?;
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&found).map_err(io::Error::from)? + "\n",
        false => format!("{}: {found}", problem.workload),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}
