//! `kforge optimize-ir`: a module before and after the passes that a plan chooses.

use std::io::{self, Write};

use anstream::AutoStream;
use clap::{
    ColorChoice,
    builder::styling::{AnsiColor, Style},
};
use kforge_dialect::{attributes, ir};
use kforge_planner::{
    Plan, Problem, heuristic,
    plan::{Step, from_json},
};
use kforge_runtime::{DeviceDescription, device::Target};
use serde::Serialize;
use serde_json::json;
use similar::TextDiff;

use super::{
    Failure,
    chosen::{Chosen, before_lowering, fitting},
    device::Described,
    workload::{Workload, problem_of},
};
use crate::compile::Session;

/// Show what a plan's passes make of a module, before it is lowered
///
/// Prints a unified diff of the module as written and as the passes leave it: folded,
/// fused, with a schedule on every op. Nothing is run and no device is needed.
///
/// Examples:
///   kforge optimize-ir layer.mlir
///   kforge optimize-ir layer.mlir --passes fuse-matmul-activation,cse --color always
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    workload: Workload,
    #[command(flatten)]
    chosen: Chosen,
    /// These passes with their default options instead of a plan's, in this order;
    /// show-passes lists them, with or without kforge-
    #[arg(long, value_name = "PASS", value_delimiter = ',', conflicts_with_all = ["plan", "set"])]
    passes: Vec<String>,
    #[command(flatten)]
    device: Described,
    /// Colours; auto: on a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    /// Print both modules, the passes and their pipeline as JSON
    #[arg(long)]
    json: bool,
}

/// What was done to a module.
#[derive(Serialize)]
struct Optimized {
    /// As written.
    before: String,
    /// After the passes.
    after: String,
    /// The chosen passes.
    passes: Vec<Step>,
    /// What ran: the chosen passes and the fixed ones before them.
    pipeline: String,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let source = arguments.workload.source()?;
    let session = Session::default();
    let mut module = session.parse(&source).map_err(|error| other(&error))?;
    let before = module.as_operation().to_string();
    let problem = problem_of(&session, &module, &source)?;
    let device = arguments.device.description(target)?;
    let plan = arguments.plan(&problem, &device)?;
    let pipeline = session
        .run(&mut module, &before_lowering(&plan.text()))
        .map_err(|error| other(&error))?;
    // A copy of the module as written; the diff shows that side already.
    ir::remove_attribute(module.as_operation(), attributes::REFERENCE);
    let found = Optimized {
        before,
        after: module.as_operation().to_string(),
        passes: plan.passes,
        pipeline,
    };
    if arguments.json {
        let text = serde_json::to_string_pretty(&found).map_err(io::Error::from)? + "\n";
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    let choice = match arguments.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    let mut out = AutoStream::new(io::stdout(), choice);
    out.write_all(diff(&found).as_bytes())?;
    Ok(out.flush()?)
}

impl Arguments {
    fn plan(&self, problem: &Problem, device: &DeviceDescription) -> Result<Plan, Failure> {
        if self.passes.is_empty() {
            return self.chosen.fitting(problem, device);
        }
        let default = heuristic::propose(problem, device);
        let flat = json!({
            "target": default.target,
            "device": default.device,
            "pass_order": self.passes,
        });
        let plan = from_json(&flat.to_string(), Some(problem));
        let plan = plan.map_err(|error| Failure::Usage(format!("--passes: {error}")))?;
        fitting(plan, problem, "--passes".into())
    }
}

/// The passes, and what they changed; `patch` reads it.
fn diff(found: &Optimized) -> String {
    let names: Vec<&str> = found.passes.iter().map(|it| it.pass.as_str()).collect();
    let head = format!("passes: {}\n", names.join(" "));
    let diff = TextDiff::from_lines(&found.before, &found.after);
    let text = diff.unified_diff().header("before", "after").to_string();
    if text.is_empty() {
        return head + "nothing changes\n";
    }
    let painted = text.lines().enumerate().map(|(number, line)| {
        let style = match line.chars().next() {
            _ if number < 2 => Style::new().bold(),
            Some('+') => AnsiColor::Green.on_default(),
            Some('-') => AnsiColor::Red.on_default(),
            Some('@') => AnsiColor::Cyan.on_default(),
            _ => Style::new(),
        };
        format!("{style}{line}{style:#}\n")
    });
    head + &painted.collect::<String>()
}
