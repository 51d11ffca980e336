//! What `kforge-run --measure DIR --json` measured elsewhere, as attempts.
//!
//! Lines and folder are untrusted: a line names a folder among those that are there, and
//! the plan in it must have the id that the line states. Speedups are relative to the
//! heuristic's plan for the same problem on the same device; without its time a time
//! says nothing and is left out. An attempt is dated by the file of lines, so that the
//! same file twice is once. Limits: 64 MiB of lines, 1 MiB per plan.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    io::{self, Read},
    path::Path,
    time::UNIX_EPOCH,
};

use kforge_planner::{
    Attempt, Outcome, Plan, Problem,
    archive::{Archive, ArchiveError, Key, Record},
    plan::from_json,
};
use kforge_runtime::DeviceDescription;
use serde::Serialize;

use super::failed;
use crate::{
    measure::{self, Measured, MeasuredResult},
    optimize::shaders,
    workbench::Failure,
};

const MAX_BYTES: u64 = 64 << 20;
const MAX_PLAN_BYTES: u64 = 1 << 20;

/// What an import of measured candidates did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::workbench) struct MeasuredImport {
    /// Attempts that were not there before.
    pub added: u64,
    /// Attempts that were.
    pub known: u64,
    /// Lines that are no evidence, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// What is impossible about the first impossible one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impossible: Option<String>,
}

/// A line that belongs to a plan for a problem on a device.
struct Line {
    problem: Problem,
    device: DeviceDescription,
    plan: Plan,
    measured: Measured,
}

/// Whether a file begins with a line of kforge-run.
pub(super) fn is_measured(path: &Path) -> bool {
    read(path, MAX_BYTES).is_ok_and(|text| {
        let first = text.lines().next().unwrap_or_default();
        serde_json::from_str::<Measured>(first).is_ok()
    })
}

/// Keeps what the lines of `file` say of the candidates in `folder`.
pub(super) fn import(
    archive: &mut Archive,
    file: &Path,
    folder: &Path,
) -> Result<MeasuredImport, Failure> {
    let other = |path: &Path, message: &dyn std::fmt::Display| {
        Failure::Other(format!("cannot import '{}': {message}", path.display()))
    };
    let text = read(file, MAX_BYTES).map_err(|error| other(file, &error))?;
    let created = File::open(file)
        .and_then(|it| it.metadata())
        .and_then(|it| it.modified())
        .map_err(|error| other(file, &error))?;
    let created = created.duration_since(UNIX_EPOCH);
    let created = created.map_or(0, |since| since.as_secs());
    let folders = measure::list(folder).map_err(|error| other(folder, &error))?;
    let folders: HashMap<_, _> = folders
        .iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?, path.as_path())))
        .collect();
    let mut import = MeasuredImport::default();
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let measured: Measured = serde_json::from_str(line).map_err(|error| {
            let message = format!("line {}: no result of kforge-run: {error}", index + 1);
            other(file, &message)
        })?;
        let place = folders.get(measured.candidate.as_str()).copied();
        match belongs(measured, place) {
            Ok(line) => lines.push(line),
            Err(reason) => *import.refused.entry(reason).or_default() += 1,
        }
    }
    for line in &lines {
        if line
            .measured
            .result
            .time()
            .is_some_and(|time| !time.ms.is_possible())
        {
            *import.refused.entry("impossible").or_default() += 1;
            let words = "no samples have this median, least and most";
            import.impossible.get_or_insert_with(|| words.into());
            continue;
        }
        let Some(outcome) = outcome(line, &lines) else {
            *import.refused.entry("no-time-of-default-plan").or_default() += 1;
            continue;
        };
        let place = folders.get(line.measured.candidate.as_str());
        let record = Record {
            key: Key::new(&line.problem, &line.device),
            attempt: Attempt {
                id: line.plan.id(),
                plan: line.plan.clone(),
                outcome,
            },
            created,
            seed: match &line.measured.result {
                MeasuredResult::Verified { seed, .. } => *seed,
                MeasuredResult::Refused(_) => 0,
            },
            spread: line.measured.result.time().map(|time| time.ms.range()),
            // A line does not say which cases it was measured with.
            every_case: false,
            shaders: place.map_or_else(Vec::new, |place| shaders(place)),
        };
        let known: HashSet<String> = archive
            .attempts(&record.key)
            .map_err(failed)?
            .into_iter()
            .map(|entry| entry.hash)
            .collect();
        match archive.record(&record) {
            Ok(hash) if known.contains(&hash) => import.known += 1,
            Ok(_) => import.added += 1,
            Err(error @ ArchiveError::Unfit { .. }) => {
                *import.refused.entry("impossible").or_default() += 1;
                import.impossible.get_or_insert_with(|| error.to_string());
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(import)
}

/// The line with its plan, or why it is no evidence.
fn belongs(measured: Measured, place: Option<&Path>) -> Result<Line, &'static str> {
    if measured.version != env!("CARGO_PKG_VERSION") {
        return Err("other-version");
    }
    let Some(device) = measured.device.clone() else {
        return Err("no-device");
    };
    let place = place.ok_or("no-such-candidate")?;
    let text = read(&place.join("plan.json"), MAX_PLAN_BYTES).map_err(|_| "no-plan")?;
    let plan = from_json(&text, None).map_err(|_| "no-plan")?;
    if plan.id() != measured.candidate {
        return Err("other-plan");
    }
    let problem = plan.problem.clone().ok_or("plan-without-problem")?;
    Ok(Line {
        problem,
        device,
        plan,
        measured,
    })
}

/// What came of it; `None` for a time with nothing to compare it with.
fn outcome(line: &Line, lines: &[Line]) -> Option<Outcome> {
    match &line.measured.result {
        MeasuredResult::Refused(refusal) => Some(Outcome::Refused {
            reason: refusal.reason.clone(),
            detail: refusal.detail.clone(),
        }),
        MeasuredResult::Verified {
            levels,
            worst_ratio,
            time,
            ..
        } => {
            let baseline = lines.iter().find_map(|it| match &it.measured.result {
                MeasuredResult::Verified { time, .. }
                    if it.plan.provenance.planner == "heuristic"
                        && it.problem == line.problem
                        && it.device == line.device =>
                {
                    Some(time.ms.median)
                }
                _ => None,
            })?;
            Some(Outcome::Verified {
                ms: time.ms.median,
                speedup: baseline / time.ms.median,
                levels: levels.clone(),
                worst_ratio: *worst_ratio,
            })
        }
    }
}

fn read(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(limit + 1)
        .read_to_string(&mut text)?;
    match text.len() as u64 > limit {
        true => Err(io::Error::other(format!("more than {limit} bytes"))),
        false => Ok(text),
    }
}
