//! Plans for `kforge-opt`: `--kforge-plan` and `--kforge-planner` become a
//! `--pass-pipeline` before MLIR sees the command line.
//!
//! So the chosen options stand in `--dump-pass-pipeline` like any others, and what it
//! prints runs again without a planner. A `--pass-pipeline` given beside them runs
//! after the plan's passes: `--pass-pipeline='builtin.module(kforge-verify)'`.

mod arguments;
mod choose;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use kforge_planner::{
    Plan, Problem, ProposeError,
    archive::ArchiveError,
    check,
    plan::{PlanError, Violation, from_json},
    problem::{ExtractError, of_module},
};

use crate::{
    compile::{CompileError, Session, Source, SourceError},
    device::DescribeError,
    llm::LlmSetupError,
};
use arguments::From;

/// Why there is no plan for a command line.
#[derive(Debug, thiserror::Error)]
pub enum OptError {
    /// Options that do not go together.
    #[error("{0}")]
    Arguments(String),
    /// A file that cannot be read.
    #[error("cannot read '{path}': {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The module cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The module does not parse.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The module cannot be planned.
    #[error("'{path}': {source}{diagnostics}")]
    Problem {
        /// Which module.
        path: String,
        /// Why.
        source: ExtractError,
        /// What the passes reported.
        diagnostics: String,
    },
    /// The plan is no plan.
    #[error("'{path}': {source}")]
    Plan {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: PlanError,
    },
    /// The plan does not fit; every reason on a line.
    #[error("{plan} is refused:{}", lines(.violations))]
    Refused {
        /// Which plan.
        plan: String,
        /// Why.
        violations: Vec<Violation>,
    },
    /// No device that the plan could be for.
    #[error(transparent)]
    Device(#[from] DescribeError),
    /// No language model can be asked.
    #[error(transparent)]
    Llm(#[from] LlmSetupError),
    /// The planner has no plan.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

fn lines(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(|violation| format!("\n  {violation}"))
        .collect()
}

/// The command line with a pipeline in place of a plan; unchanged without one.
pub fn with_plan(arguments: Vec<OsString>) -> Result<Vec<OsString>, OptError> {
    if !arguments.iter().any(arguments::is_about_plans) {
        return Ok(arguments);
    }
    let wanted = arguments::read(arguments)?;
    let session = Session::default();
    let source = Source::read(&wanted.input)?;
    let module = session.parse(&source)?;
    let problem = of_module(session.context(), &module).map_err(|error| OptError::Problem {
        path: source.name().to_owned(),
        source: error,
        diagnostics: session.refused("").to_string(),
    })?;
    let (name, plan) = match &wanted.from {
        From::File(path) => (format!("'{}'", path.display()), from_file(path, &problem)?),
        From::Planner {
            planner,
            device,
            archive,
        } => {
            let program = (session.context(), &module);
            let (device, archive) = (device.as_deref(), archive.as_deref());
            let plan = choose::propose(*planner, program, &problem, device, archive)?;
            (format!("the plan by {}", plan.provenance.planner), plan)
        }
    };
    check(&plan, Some(&problem)).map_err(|violations| OptError::Refused {
        plan: name,
        violations,
    })?;
    let mut pipeline = plan.text();
    if let Some(after) = &wanted.pipeline {
        pipeline = join(&pipeline, after)?;
    }
    let mut arguments = wanted.rest;
    arguments.push(format!("--pass-pipeline={pipeline}").into());
    Ok(arguments)
}

/// Reads what a command line says about plans, the program's name first, and does nothing
/// else.
///
/// # Errors
/// Options that do not go together.
pub fn read(arguments: Vec<OsString>) -> Result<(), OptError> {
    match arguments.iter().any(arguments::is_about_plans) {
        true => arguments::read(arguments).map(|_| ()),
        false => Ok(()),
    }
}

/// Appends the passes of a pipeline on modules to those of another.
fn join(first: &str, after: &str) -> Result<String, OptError> {
    let inner = after
        .trim()
        .strip_prefix("builtin.module(")
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(|| {
            let message = "beside a plan, --pass-pipeline must be 'builtin.module(...)'";
            OptError::Arguments(message.into())
        })?;
    let first = first.strip_suffix(')').unwrap_or(first);
    Ok(format!("{first},{inner})"))
}

fn from_file(path: &Path, problem: &Problem) -> Result<Plan, OptError> {
    let read = |source| OptError::Read {
        path: path.to_path_buf(),
        source,
    };
    let text = fs::read_to_string(path).map_err(read)?;
    from_json(&text, Some(problem)).map_err(|source| OptError::Plan {
        path: path.to_path_buf(),
        source,
    })
}
