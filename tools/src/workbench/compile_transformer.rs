//! `kforge compile-transformer`: seven steps from a block to a plan that may be used.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use kforge_planner::plan::to_json;
use kforge_runtime::device::Target;

use super::{
    Failure,
    chosen::{Chosen, NoPlan},
    device::DeviceArgument,
    kept::{Kept, RegressionCorpus},
    llm::Llm,
    shrink::{self, Gate, Refused, Shrinking},
    steps::{Steps, plural},
    workload::{Block, stem},
    write_file,
};
use crate::{
    compile::Source,
    measure::MeasuredResult,
    optimize::{Audit, Decision, Optimizer, Proposer, Settings, Stage, Unread},
};

/// Characters of a text that is no plan which an audit keeps; more is no plan anyway.
const KEPT: usize = 1 << 20;

/// Compile a transformer block with a plan that is verified on the device
///
/// A plan is proposed, checked, compiled, verified with every kind of values and shapes,
/// and timed. Where the archive holds a verified plan for exactly this problem and
/// device, that one is taken and verified again, with fewer cases if it passed every case.
/// The audit says what was proposed, checked, refused and accepted. What the plans whose
/// kernels were refused shrink to is written next to it. Exit code 2: every plan was refused.
///
/// Examples:
///   kforge compile-transformer --seq 64 --d-model 128 --target gpu
///   kforge compile-transformer layer.mlir --optimize-with llm -o layer.kforge
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// A module instead of a generated block
    #[arg(value_name = "FILE.mlir", conflicts_with = "block")]
    file: Option<PathBuf>,
    #[command(flatten)]
    block: Block,
    #[command(flatten)]
    device: DeviceArgument,
    /// Who proposes the plan: heuristic, whose place the archive's best plan takes where
    /// there is one; llm asks the language model that the environment names
    /// (KERNELFORGE_LLM_ENDPOINT, _MODEL, _API_KEY); archive takes its best plan or fails
    #[arg(long, value_name = "PLANNER", default_value = "heuristic", value_parser = ["heuristic", "llm", "archive"], conflicts_with_all = ["plan", "set"])]
    optimize_with: String,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    llm: Llm,
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    corpus: RegressionCorpus,
    #[command(flatten)]
    shrinking: Shrinking,
    /// Seed of the inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Longest that verification may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,
    /// File for the accepted plan
    #[arg(
        long,
        value_name = "FILE.json",
        default_value = "transformer_plan.json"
    )]
    plan_output: PathBuf,
    /// File for the audit, which is written for refused plans, too
    #[arg(
        long,
        value_name = "FILE.json",
        default_value = "transformer_audit.json"
    )]
    audit_output: PathBuf,
    /// Folder for the package, which kforge-run runs
    #[arg(short, long, value_name = "PACKAGE")]
    output: Option<PathBuf>,
    /// Print the audit as JSON; the steps go to standard error
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    arguments.llm.refuse_key()?;
    if arguments.optimize_with != "llm" {
        let flag = "--optimize-with";
        arguments.llm.unused(flag, &arguments.optimize_with)?;
    }
    let device = arguments.device.choice(target)?.unwrap_or_default();
    let settings = Settings {
        device: device.to_string(),
        seed: arguments.seed,
        deadline: Duration::from_secs(arguments.deadline),
        corpus: arguments.corpus.path(),
        archive: arguments.kept.path()?,
        ..Settings::default()
    };
    let source = arguments.source()?;
    let optimizer = Optimizer::new(source.clone(), settings)?;
    let steps = Steps::new(arguments.json);
    steps.workload(&optimizer, arguments.shape()?);
    steps.device(optimizer.device());
    let (mut planner, plan);
    let chosen = &arguments.chosen;
    let source_of_plan = match chosen.is_file() {
        true => chosen.name(),
        false => "the command line".into(),
    };
    let proposer = match arguments.optimize_with.as_str() {
        _ if chosen.is_given() => {
            plan = match chosen.plan(optimizer.problem(), optimizer.device()) {
                Err(Failure::Plan(none)) => return arguments.unread(&optimizer, steps, *none),
                plan => plan?,
            };
            Proposer::Given(&source_of_plan, &plan)
        }
        "llm" => {
            planner = arguments.llm.planner(&source)?;
            Proposer::Planner(&mut planner)
        }
        "archive" => Proposer::Archive,
        _ => Proposer::Known,
    };
    let Decision { audit, package } = optimizer.decide(proposer, &mut |stage| steps.of(&stage))?;
    let mut written = Vec::new();
    if let Some(accepted) = audit.accepted() {
        write_file(&arguments.plan_output, &to_json(&accepted.plan))?;
        written.push(arguments.plan_output.display().to_string());
    }
    let text = arguments.audited(&audit)?;
    written.push(arguments.audit_output.display().to_string());
    if let (Some(mut package), Some(folder)) = (package, &arguments.output) {
        package
            .save(folder)
            .map_err(|error| Failure::Other(error.to_string()))?;
        written.push(folder.display().to_string());
    }
    steps.written(&written);
    if arguments.json {
        io::stdout().write_all(text.as_bytes())?;
    }
    arguments.shrink(&source, &device.to_string(), &audit)?;
    refusal(&audit)
}

impl Arguments {
    /// Writes the audit; its text.
    fn audited(&self, audit: &Audit) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(audit).map_err(io::Error::from)? + "\n";
        write_file(&self.audit_output, &text)?;
        Ok(text)
    }

    /// Shrinks the plans whose kernels were refused.
    fn shrink(&self, source: &Source, device: &str, audit: &Audit) -> Result<(), Failure> {
        let refused = audit.proposals.iter().filter_map(|it| {
            let Some(MeasuredResult::Refused(refusal)) = &it.verdict else {
                return None;
            };
            Some(Refused {
                name: it.id.clone(),
                module: source.text().to_owned(),
                pipeline: Some(it.pipeline.clone()),
                reason: refusal.reason.clone(),
                cases: "full".into(),
            })
        });
        let gate = Gate {
            device: device.to_owned(),
            seed: self.seed,
        };
        let folder = shrink::beside(&self.audit_output);
        self.shrinking.shrink(refused, &gate, &folder, None)
    }

    /// Refuses a file that is no plan, like a plan that does not fit.
    fn unread(&self, optimizer: &Optimizer, steps: Steps, none: NoPlan) -> Result<(), Failure> {
        let name = self.chosen.name();
        steps.unread(&name);
        steps.of(&Stage::Checked(&none.violations));
        let count = none.violations.len();
        let audit = optimizer.refuse_unread(Unread {
            proposer: name.clone(),
            text: none.text.chars().take(KEPT).collect(),
            violations: none.violations,
        });
        let text = self.audited(&audit)?;
        steps.written(&[self.audit_output.display().to_string()]);
        if self.json {
            io::stdout().write_all(text.as_bytes())?;
        }
        Err(Failure::Refused { plan: name, count })
    }

    fn source(&self) -> Result<Source, Failure> {
        match &self.file {
            Some(file) => Ok(Source::read(file)?),
            None => self.block.source(),
        }
    }

    /// What is compiled: a file's name, or a block's with its sizes.
    fn shape(&self) -> Result<String, Failure> {
        let Some(file) = &self.file else {
            let config = self.block.config()?;
            return Ok(format!(
                "{}: seq_len {}, d_model {}, d_k {}, {}",
                self.block.name(),
                config.sequence,
                config.width,
                config.head_size,
                plural(config.heads as usize, "head"),
            ));
        };
        Ok(stem(file))
    }
}

/// Why nothing may be used, if nothing may.
fn refusal(audit: &Audit) -> Result<(), Failure> {
    let Some(last) = audit.proposals.last().filter(|_| audit.accepted.is_none()) else {
        return Ok(());
    };
    Err(Failure::Refused {
        plan: format!("plan {}", last.id),
        count: last.reasons().len(),
    })
}
