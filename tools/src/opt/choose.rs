//! The plan of a planner, with what the user should know about it on standard error.

use std::{
    io::{self, Write},
    path::Path,
};

use kforge_planner::{
    Outcome, Plan, Problem,
    archive::{Archive, ArchiveError, Entry, Key, Options, default_path},
    heuristic,
    propose::Propose,
};
use kforge_runtime::DeviceDescription;
use melior::{Context, ir::Module};

use super::{OptError, arguments::Planner};
use crate::{device::described, llm};

/// The plan for `module`, not yet checked.
pub(super) fn propose(
    planner: Planner,
    (context, module): (&Context, &Module),
    problem: &Problem,
    device: Option<&str>,
    archive: Option<&Path>,
) -> Result<Plan, OptError> {
    // Evidence is always of a device that ran something.
    let real = (planner == Planner::Archive).then_some("auto");
    let device = described(device.or(real))?;
    match planner {
        Planner::Heuristic => Ok(heuristic::propose(problem, &device)),
        Planner::Llm => {
            let mut planner = llm::planner(context, module, &llm::Asking::default())?;
            let plans = planner.propose(problem, &device, &[], 1)?;
            let warnings = planner.take_warnings();
            warnings.iter().for_each(|text| say("warning", text));
            let plan = plans.into_iter().next();
            Ok(plan.unwrap_or_else(|| heuristic::propose(problem, &device)))
        }
        Planner::Archive => kept(problem, &device, archive),
    }
}

/// The fastest verified plan for exactly this problem and device, or the heuristic's.
fn kept(
    problem: &Problem,
    device: &DeviceDescription,
    named: Option<&Path>,
) -> Result<Plan, OptError> {
    let default = named.map_or_else(default_path, |path| Ok(path.into()))?;
    let path = default.display();
    let options = Options {
        create: false,
        ..Options::default()
    };
    let best = match Archive::open(&default, &options) {
        Ok(archive) => {
            let warnings = archive.warnings().iter();
            warnings.for_each(|text| say("warning", &text.to_string()));
            archive.best(&Key::new(problem, device))?
        }
        // Nobody named it, so that it need not be there.
        Err(ArchiveError::Missing { .. }) if named.is_none() => None,
        Err(error) => return Err(error.into()),
    };
    let Some(Entry { attempt, .. }) = best else {
        say(
            "warning",
            &format!(
                "archive '{path}' has no verified plan for {} on '{}'; the heuristic's plan is \
                 used; `kforge optimize` looks for one",
                problem.workload, device.name
            ),
        );
        return Ok(heuristic::propose(problem, device));
    };
    if let Outcome::Verified {
        ms,
        speedup,
        levels,
        ..
    } = &attempt.outcome
    {
        say(
            "note",
            &format!(
                "plan {} of archive '{path}' is used, which says: {ms:.4} ms, {speedup:.2}x, \
                 verified {} on '{}'; kforge-verify shows whether that holds here",
                attempt.id,
                levels.join("+"),
                device.name
            ),
        );
    }
    Ok(attempt.plan)
}

fn say(kind: &str, text: &str) {
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{kind}: {text}");
}
