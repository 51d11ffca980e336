//! `kforge reduce-failure`: what fails, as small as it can be and still fail.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use clap::builder::RangedU64ValueParser;
use kforge_runtime::device::Target;
use serde_json::json;

use super::{Failure, device::DeviceArgument, interrupt, verify::Selection};
use crate::reduce::{Case, Kernel, Limits, Probe, Reduced, reduce};

/// Shrink what the gate refuses to the smallest module and pipeline that it refuses alike
///
/// Kernels, passes, ops, sizes and options go as long as the reason stays. Every probe is a
/// kforge verify in a process of its own. kforge verify, verify-plan, optimize and compile-transformer
/// do this by themselves for a plan that is refused, unless told --no-reduce. The folder gets reduced.mlir, pipeline.txt, the kernels that
/// matter, and reproduce.sh. Exit code 1: nothing fails, or the files are wrong.
///
/// Examples:
///   kforge reduce-failure block.mlir --kernel q=q.wgsl -o reduced
///   kforge reduce-failure block.mlir --plan plan.json -o reduced --cases full
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    device: DeviceArgument,
    /// Input values, and shapes of emitted kernels: quick, or full for every kind
    #[arg(long, value_name = "CASES", default_value = "quick", value_parser = ["quick", "full"])]
    cases: String,
    /// Seed of the inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Longest that the kernels of one probe may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = seconds())]
    deadline: u64,
    /// Most probes
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    probes: u32,
    /// Seconds after which no probe is begun; Ctrl-C ends it likewise, with what was reached
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    max_seconds: Option<u64>,
    /// Folder for what is left
    #[arg(short, long, value_name = "DIR", default_value = "reduced")]
    output: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// What the first Ctrl-C says.
pub(super) const STOPPING: &str = "stopping after the probe at hand, what is left by then is \
                                   written; Ctrl-C once more ends it at once, without";

fn seconds() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=86_400)
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    kforge_passes::register_with_mutations();
    let device = arguments.device.choice(target);
    let device = device.map_err(|failure| Failure::Input(failure.to_string()))?;
    let selection = &arguments.selection;
    if selection.file.is_dir() {
        return Err(Failure::Input(format!(
            "'{}' is a folder: what shrinks is a module; give the .mlir file that it was compiled from",
            selection.file.display()
        )));
    }
    let source = crate::reduce::read(&selection.file)?;
    let kernels = selection.kernels()?.into_iter().map(|kernel| {
        let interface = kernel.interface.to_toml();
        Ok(Kernel {
            stage: kernel.stage,
            wgsl: kernel.wgsl,
            interface: interface.map_err(Failure::Input)?,
        })
    });
    let case = Case {
        text: source.text().to_owned(),
        pipeline: selection.pipeline()?,
        kernels: kernels.collect::<Result<_, Failure>>()?,
    };
    let probe = Probe {
        program: std::env::current_exe()?,
        device: device.unwrap_or_default().to_string(),
        cases: arguments.cases.clone(),
        seed: arguments.seed,
        deadline: arguments.deadline,
    };
    let name = selection.file.display().to_string();
    let stop = interrupt::flag(STOPPING)?;
    let limits = Limits {
        stop,
        ..Limits::probes(arguments.probes as usize)
    };
    let limits = match arguments.max_seconds {
        Some(seconds) => limits.within(Duration::from_secs(seconds)),
        None => limits,
    };
    let reduced = reduce(&name, case, &probe, &limits, None)?;
    let files = reduced.write(&arguments.output, &probe)?;
    let text = match arguments.json {
        true => {
            let report = json!({
                "file": name, "reason": reduced.reason, "detail": reduced.detail,
                "probes": reduced.probes, "steps": reduced.steps, "files": files,
                "pipeline": reduced.case.pipeline,
            });
            serde_json::to_string_pretty(&report).map_err(io::Error::from)? + "\n"
        }
        false => text(&name, &reduced, &files),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn text(name: &str, reduced: &Reduced, files: &[PathBuf]) -> String {
    let mut text = format!(
        "{name}: refused ({}), {} probes\n",
        reduced.reason, reduced.probes
    );
    for step in &reduced.steps {
        text += &format!("  {step}\n");
    }
    text += &format!("left: {}\n", reduced.detail);
    for file in files {
        text += &format!("  {}\n", file.display());
    }
    text
}
