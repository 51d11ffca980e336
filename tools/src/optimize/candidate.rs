//! A plan as a candidate that can be measured.

use std::path::{Path, PathBuf};

use kforge_oracle::Level;
use kforge_planner::{
    Plan, Problem, check,
    plan::{Violation, to_json},
};

use crate::{
    compile::{Session, Source},
    measure::{Refusal, write},
};

/// Checks and compiles a plan into a folder of its own in `folder`; a refusal says at
/// what: `validation`, `compile` or `package`.
pub fn candidate(
    source: &Source,
    problem: &Problem,
    plan: &Plan,
    folder: &Path,
    cases: Level,
) -> Result<PathBuf, Refusal> {
    check(plan, Some(problem))
        .map_err(|violations| Refusal::new("validation", Violation::list(&violations)))?;
    let refused = |error: &dyn std::fmt::Display| Refusal::new("compile", error.to_string());
    let session = Session::default();
    let module = session.parse(source).map_err(|error| refused(&error))?;
    let mut compiled = session
        .compile(module, &plan.text(), 0)
        .map_err(|error| refused(&error))?;
    let entry = compiled.entry().map_err(|error| refused(&error))?;
    compiled
        .serialized
        .link()
        .map_err(|error| refused(&error))?;
    let subject = compiled
        .subject(&entry, cases)
        .map_err(|error| refused(&error))?;
    let place = folder.join(plan.id());
    write(&place, &to_json(plan), &subject)
        .map_err(|error| Refusal::new("package", error.to_string()))?;
    Ok(place)
}
