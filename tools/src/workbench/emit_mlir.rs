//! `kforge emit-mlir`: a module as it stands at one stage of its compilation.

use std::io::{self, Write};

use clap::ValueEnum;
use kforge_lowering::serialize;
use kforge_runtime::device::Target;

use super::{
    Failure,
    chosen::{Chosen, before_lowering},
    device::Described,
    workload::{Workload, problem_of},
};
use crate::compile::Session;

/// Print a module at a stage of its compilation under a plan
///
/// Examples:
///   kforge emit-mlir --kernel matmul --stage wgsl
///   kforge emit-mlir layer.mlir --stage optimized --plan plan.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: Workload,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    device: Described,
    /// Where to stop
    #[arg(long, value_enum, value_name = "STAGE")]
    stage: Stage,
    /// Print one JSON object with the stage and its text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// As written
    Kforge,
    /// After the plan's passes: fused, with a schedule on every op
    Optimized,
    /// Lowered to GPU kernels and their launches
    Gpu,
    /// The kernels as WGSL
    Wgsl,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let source = arguments.workload.source()?;
    let session = Session::default();
    let mut module = session.parse(&source).map_err(|error| other(&error))?;
    if arguments.stage != Stage::Kforge {
        let problem = problem_of(&session, &module, &source)?;
        let device = arguments.device.description(target)?;
        let plan = arguments.chosen.fitting(&problem, &device)?;
        let lowers = arguments.stage != Stage::Optimized;
        if lowers && plan.target == Target::Cpu {
            let message =
                "the plan is for the CPU, which has no GPU kernels; use --stage optimized";
            return Err(Failure::Other(message.into()));
        }
        let pipeline = plan.text();
        let pipeline = match lowers {
            true => pipeline,
            false => before_lowering(&pipeline),
        };
        session
            .run(&mut module, &pipeline)
            .map_err(|error| other(&error))?;
    }
    let text = match arguments.stage {
        Stage::Wgsl => {
            let kernels = serialize::emit(module.as_operation()).map_err(|error| other(&error))?;
            let texts = kernels
                .iter()
                .map(|(name, kernel)| format!("// kernel {name}\n{}\n", kernel.wgsl()));
            texts.collect()
        }
        _ => module.as_operation().to_string(),
    };
    let text = text.trim_end();
    match arguments.json {
        true => {
            let stage = arguments.stage.to_possible_value();
            let stage = stage.map(|it| it.get_name().to_owned());
            let value = serde_json::json!({ "stage": stage, "text": format!("{text}\n") });
            writeln!(io::stdout(), "{value:#}")?;
        }
        false => writeln!(io::stdout(), "{text}")?,
    }
    Ok(())
}
