//! `kforge optimize --emit-candidates`: candidates for a machine that is elsewhere.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use kforge_planner::{archive::default_path, propose::Propose};
use kforge_runtime::{DeviceDescription, device::Target};

use super::{Failure, device::agree};
use crate::{
    device,
    optimize::{Event, Optimizer},
};

#[derive(Debug, clap::Args)]
pub(super) struct Candidates {
    /// Write the candidates for `kforge-run --measure DIR` on another machine instead of
    /// measuring them here; `kforge archive import` takes what it printed
    #[arg(long, value_name = "DIR", conflicts_with = "plan_output")]
    pub(super) emit_candidates: Option<PathBuf>,
    /// That machine's device, as `kforge diagnose-gpu --json` describes it there
    #[arg(
        long,
        value_name = "FILE.json",
        requires = "emit_candidates",
        conflicts_with = "device"
    )]
    device_description: Option<PathBuf>,
}

impl Candidates {
    /// The described device, if one is described.
    pub(super) fn device(
        &self,
        target: Option<Target>,
    ) -> Result<Option<DeviceDescription>, Failure> {
        let Some(path) = &self.device_description else {
            return Ok(None);
        };
        let device = device::from_file(path)?;
        agree(&path.display().to_string(), device.target, target)?;
        Ok(Some(device))
    }
}

/// Writes candidates and says what to do with them.
pub(super) fn emit(
    optimizer: &Optimizer,
    planner: &mut dyn Propose,
    folder: &Path,
    json: bool,
) -> Result<(), Failure> {
    let mut watch = |event: Event<'_>| {
        if let Event::Warning(text) = event {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "warning: {text}");
        }
    };
    let emitted = optimizer.emit(planner, folder, &mut watch)?;
    let text = match json {
        true => serde_json::to_string_pretty(&emitted).map_err(io::Error::from)? + "\n",
        false => format!(
            "{}: {} candidates by {} in '{folder}', {} refused; learnt from {} earlier attempts\n\
             default  {}\n\
             there    kforge-run --measure {folder} --json > results.jsonl\n\
             here     kforge archive import results.jsonl --candidates {folder}{archive}\n",
            optimizer.problem().workload,
            emitted.candidates.len(),
            planner.name(),
            emitted.refused.len(),
            emitted.prior,
            emitted.baseline,
            folder = folder.display(),
            archive = optimizer
                .archive()
                .filter(|path| default_path().ok().as_deref() != Some(path))
                .map_or_else(String::new, |path| format!(" --archive {}", path.display())),
        ),
    };
    io::stdout().write_all(text.as_bytes())?;
    match emitted.candidates.contains(&emitted.baseline) {
        true => Ok(()),
        false => Err(Failure::Reported(
            "the default plan is not among the candidates, so their times could not be compared",
        )),
    }
}
