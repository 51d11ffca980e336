//! What a command line of `kforge-opt` says about plans, and the rest of it.

use std::{ffi::OsString, path::PathBuf};

use super::OptError;

/// Who may be asked for a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planner {
    /// Shapes and limits.
    Heuristic,
    /// The language model that the environment names.
    Llm,
    /// What was verified before.
    Archive,
}

impl Planner {
    const ALL: &[(&str, Self)] = &[
        ("heuristic", Self::Heuristic),
        ("llm", Self::Llm),
        ("archive", Self::Archive),
    ];

    fn named(name: &str) -> Result<Self, OptError> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, planner)| *planner).ok_or_else(|| {
            let name = name.escape_debug();
            OptError::Arguments(format!(
                "--kforge-planner is '{name}', expected heuristic, llm or archive"
            ))
        })
    }
}

/// Where the plan comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A file.
    File(PathBuf),
    /// A planner, for a device, with an archive that is named.
    Planner {
        planner: Planner,
        device: Option<String>,
        archive: Option<PathBuf>,
    },
}

/// A command line with a plan.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) from: From,
    pub(super) pipeline: Option<String>,
    pub(super) input: PathBuf,
    /// What MLIR is told.
    pub(super) rest: Vec<OsString>,
}

/// Options whose value may be the next argument.
const WITH_VALUE: &[&str] = &[
    "kforge-plan",
    "kforge-planner",
    "kforge-planner-device",
    "kforge-planner-archive",
    "pass-pipeline",
    "o",
];

/// Whether a plan is asked for.
pub(super) fn is_about_plans(argument: &OsString) -> bool {
    let text = argument.to_string_lossy();
    text.starts_with('-') && text.trim_start_matches('-').starts_with("kforge-plan")
}

pub(super) fn read(arguments: Vec<OsString>) -> Result<Wanted, OptError> {
    let refused = |message: &str| Err(OptError::Arguments(message.into()));
    let (mut plan, mut planner, mut device, mut archive) = (None, None, None, None);
    let (mut pipeline, mut inputs, mut rest) = (None, Vec::new(), Vec::new());
    let mut arguments = arguments.into_iter();
    rest.extend(arguments.next());
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let Some(option) = text.strip_prefix('-').map(|it| it.trim_start_matches('-')) else {
            inputs.push(argument.clone().into());
            rest.push(argument);
            continue;
        };
        let (name, mut value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        if WITH_VALUE.contains(&name) && value.is_none() {
            value = arguments
                .next()
                .map(|value| value.to_string_lossy().into_owned());
        }
        match (name, value) {
            ("kforge-plan", Some(path)) => plan = Some(PathBuf::from(path)),
            ("kforge-planner", Some(name)) => planner = Some(Planner::named(&name)?),
            ("kforge-planner-device", Some(choice)) => device = Some(choice),
            ("kforge-planner-archive", Some(path)) => archive = Some(PathBuf::from(path)),
            ("pass-pipeline", Some(text)) => pipeline = Some(text),
            ("o", Some(file)) => rest.extend(["-o".into(), file.into()]),
            (name, None) if WITH_VALUE.contains(&name) => {
                return refused(&format!("--{name} needs a value"));
            }
            _ => rest.push(argument),
        }
    }
    let from = match (plan, planner) {
        (Some(_), Some(_)) => {
            return refused("--kforge-plan and --kforge-planner exclude each other");
        }
        _ if archive.is_some() && planner != Some(Planner::Archive) => {
            return refused("--kforge-planner-archive needs --kforge-planner=archive");
        }
        (Some(path), None) if device.is_none() => From::File(path),
        (None, Some(planner)) => From::Planner {
            planner,
            device,
            archive,
        },
        _ => return refused("--kforge-planner-device needs --kforge-planner"),
    };
    let count = inputs.len();
    let Ok([input]) = <[PathBuf; 1]>::try_from(inputs) else {
        return refused(&format!(
            "a plan is for one module: give one input file, not {count}"
        ));
    };
    Ok(Wanted {
        from,
        pipeline,
        input,
        rest,
    })
}
