//! `kforge optimize --emit-candidates`: candidates for a machine that is elsewhere.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use kforge_planner::propose::Propose;
use kforge_runtime::{DeviceDescription, device::Target};
use serde_json::Value;

use super::{Failure, device::agree};
use crate::optimize::{Event, Optimizer};

/// Bytes of a device description; one has 2 KiB.
const MAX_BYTES: u64 = 1 << 20;

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
        let device = describe(path).map_err(|error| {
            Failure::Other(format!(
                "'{}' is no device description: {error}; make one with `kforge diagnose-gpu --json`",
                path.display()
            ))
        })?;
        agree(&path.display().to_string(), device.target, target)?;
        Ok(Some(device))
    }
}

/// A bare description, or the report of diagnose-gpu around it.
fn describe(path: &Path) -> io::Result<DeviceDescription> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("more than {MAX_BYTES} bytes")));
    }
    let value: Value = serde_json::from_str(&text)?;
    let device = value.get("device").cloned().unwrap_or(value);
    // Every field has a default, so that nothing at all would be a device, too.
    if device.get("name").is_none() {
        return Err(io::Error::other("it has no 'name'"));
    }
    Ok(serde_json::from_value(device)?)
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
             here     kforge archive import results.jsonl --candidates {folder}\n",
            optimizer.problem().workload,
            emitted.candidates.len(),
            planner.name(),
            emitted.refused.len(),
            emitted.prior,
            emitted.baseline,
            folder = folder.display(),
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
