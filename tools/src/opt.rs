//! Plans for `kforge-opt`: `--kforge-plan` and `--kforge-planner` become a
//! `--pass-pipeline` before MLIR sees the command line.
//!
//! So the chosen options stand in `--dump-pass-pipeline` like any others, and what it
//! prints runs again without a planner. A `--pass-pipeline` given beside them runs
//! after the plan's passes: `--pass-pipeline='builtin.module(kforge-verify)'`.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use kforge_planner::{
    Plan, Problem, check, heuristic,
    plan::{PlanError, Violation, from_json},
    problem::{ExtractError, of_module},
};
use kforge_runtime::{Device, DeviceChoice, DeviceDescription, DeviceError};

use crate::compile::{CompileError, Session, Source, SourceError};

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
    #[error("'{path}' is refused:{}", lines(.violations))]
    Refused {
        /// Which plan.
        path: String,
        /// Why.
        violations: Vec<Violation>,
    },
    /// A recorded device is not readable.
    #[error("'{path}' is no device description: {source}")]
    Description {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The device cannot be described.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

fn lines(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(|violation| format!("\n  {violation}"))
        .collect()
}

/// What the command line says about plans.
#[derive(Debug, Default)]
struct Wanted {
    plan: Option<PathBuf>,
    planner: Option<String>,
    device: Option<String>,
    pipeline: Option<String>,
    input: Vec<PathBuf>,
    rest: Vec<OsString>,
}

/// The command line with a pipeline in place of a plan; unchanged without one.
pub fn with_plan(arguments: Vec<OsString>) -> Result<Vec<OsString>, OptError> {
    let is_ours = |argument: &OsString| {
        let text = argument.to_string_lossy();
        text.trim_start_matches('-').starts_with("kforge-plan") && text.starts_with('-')
    };
    if !arguments.iter().any(is_ours) {
        return Ok(arguments);
    }
    let wanted = read(arguments)?;
    let [input] = &wanted.input[..] else {
        return Err(OptError::Arguments(format!(
            "a plan is for one module: give one input file, not {}",
            wanted.input.len()
        )));
    };
    let session = Session::default();
    let problem = problem(&session, input)?;
    let plan = match (&wanted.plan, wanted.planner.as_deref()) {
        (Some(_), Some(_)) => {
            let message = "--kforge-plan and --kforge-planner exclude each other";
            return Err(OptError::Arguments(message.into()));
        }
        (Some(path), None) => from_file(path, &problem)?,
        (None, _) => heuristic::propose(&problem, &device(wanted.device.as_deref())?),
    };
    let mut pipeline = plan.text();
    if let Some(after) = &wanted.pipeline {
        pipeline = join(&pipeline, after)?;
    }
    let mut arguments = wanted.rest;
    arguments.push(format!("--pass-pipeline={pipeline}").into());
    Ok(arguments)
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

fn read(arguments: Vec<OsString>) -> Result<Wanted, OptError> {
    let mut wanted = Wanted::default();
    let mut arguments = arguments.into_iter();
    wanted.rest.extend(arguments.next());
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let Some(option) = text.strip_prefix('-').map(|it| it.trim_start_matches('-')) else {
            wanted.input.push(argument.clone().into());
            wanted.rest.push(argument);
            continue;
        };
        let (name, mut value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        let takes_value = [
            "kforge-plan",
            "kforge-planner",
            "kforge-planner-device",
            "pass-pipeline",
            "o",
        ];
        if takes_value.contains(&name) && value.is_none() {
            value = arguments
                .next()
                .map(|value| value.to_string_lossy().into_owned());
        }
        match (name, value) {
            ("kforge-plan", Some(path)) => wanted.plan = Some(path.into()),
            ("kforge-planner", Some(name)) if name == "heuristic" => wanted.planner = Some(name),
            ("kforge-planner", Some(name)) => {
                return Err(OptError::Arguments(format!(
                    "--kforge-planner is '{name}', expected heuristic"
                )));
            }
            ("kforge-planner-device", Some(device)) => wanted.device = Some(device),
            ("pass-pipeline", Some(pipeline)) => wanted.pipeline = Some(pipeline),
            ("o", Some(file)) => wanted.rest.extend(["-o".into(), file.into()]),
            (name, None) if takes_value.contains(&name) => {
                return Err(OptError::Arguments(format!("--{name} needs a value")));
            }
            _ => wanted.rest.push(argument),
        }
    }
    if wanted.plan.is_none() && wanted.planner.is_none() {
        let message = "--kforge-planner-device needs --kforge-planner=heuristic";
        return Err(OptError::Arguments(message.into()));
    }
    Ok(wanted)
}

fn problem(session: &Session, input: &Path) -> Result<Problem, OptError> {
    let source = Source::read(input)?;
    let module = session.parse(&source)?;
    of_module(session.context(), &module).map_err(|error| OptError::Problem {
        path: source.name().to_owned(),
        source: error,
        diagnostics: session.refused("").to_string(),
    })
}

fn from_file(path: &Path, problem: &Problem) -> Result<Plan, OptError> {
    let read = |source| OptError::Read {
        path: path.to_path_buf(),
        source,
    };
    let text = fs::read_to_string(path).map_err(read)?;
    let plan = from_json(&text, Some(problem));
    let plan = plan.map_err(|source| OptError::Plan {
        path: path.to_path_buf(),
        source,
    })?;
    let refused = |violations| OptError::Refused {
        path: path.display().to_string(),
        violations,
    };
    check(&plan, Some(problem)).map_err(refused)?;
    Ok(plan)
}

/// A device by choice or by its recorded description; WebGPU's limits without either.
pub(crate) fn device(choice: Option<&str>) -> Result<DeviceDescription, OptError> {
    match choice {
        None => Ok(DeviceDescription {
            name: "webgpu".into(),
            ..DeviceDescription::default()
        }),
        Some("cpu") => Ok(Device::open(DeviceChoice::Cpu)?.description().clone()),
        Some(path) if path.ends_with(".json") => {
            let read = |source| OptError::Read {
                path: path.into(),
                source,
            };
            let text = fs::read_to_string(path).map_err(read)?;
            let description = serde_json::from_str(&text);
            description.map_err(|source| OptError::Description {
                path: path.into(),
                source,
            })
        }
        Some(choice) => Ok(Device::open(choice.parse()?)?.description().clone()),
    }
}
