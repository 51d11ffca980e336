//! A plan as a candidate that can be measured.

use std::path::{Path, PathBuf};

use kforge_oracle::Level;
use kforge_planner::{
    Plan, Problem, check,
    plan::{Violation, to_json},
};
use kforge_verify::{OwnShapeOnly, Subject, SubjectError};

use crate::{
    compile::{Compiled, Session, Source},
    measure::{Refusal, write},
};

/// Why a candidate of a search has no other shapes.
const SEARCHED: &str = "only a plan that may be accepted is tried at others";

/// Shapes and kinds of values that a candidate is verified with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cases {
    /// Its own shape with the quick kinds of values. Enough to learn what is fast: a plan
    /// is nothing but knobs, and one that is accepted is tried with the others below.
    OwnShape,
    /// The shapes and values of a level.
    Of(Level),
}

/// Checks and compiles a plan into a folder of its own in `folder`; a refusal says at
/// what: `validation`, `compile` or `package`.
pub fn candidate(
    source: &Source,
    problem: &Problem,
    plan: &Plan,
    folder: &Path,
    cases: Cases,
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
    let subject = match cases {
        Cases::OwnShape => own_shape(&compiled, &entry).map_err(|error| refused(&error))?,
        Cases::Of(level) => compiled
            .subject(&entry, level)
            .map_err(|error| refused(&error))?,
    };
    let place = folder.join(plan.id());
    write(&place, &to_json(plan), &subject)
        .map_err(|error| Refusal::new("package", error.to_string()))?;
    Ok(place)
}

fn own_shape(compiled: &Compiled, entry: &str) -> Result<Subject, SubjectError> {
    let mut subject = Subject::of_package(&compiled.serialized.package, entry)?;
    let units = subject.units.iter().map(|unit| OwnShapeOnly {
        stage: unit.stage.clone(),
        because: SEARCHED.to_owned(),
    });
    subject.own_shape_only = units.collect();
    Ok(subject)
}
