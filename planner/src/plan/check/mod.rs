//! What must hold before anything is built for a plan: every violation, not the first.
//!
//! What is wrong about one thing hides nothing about another: a relation is judged where
//! all that it is about can be.

mod device;
mod order;
mod relations;
mod step;

pub(crate) use device::device_of;
pub(crate) use relations::fits;
pub(super) use step::range;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Knob, Plan, SCHEMA};
use crate::problem::Problem;

/// Steps of one plan; a layer has fewer than a hundred ops with knobs.
const MAX_STEPS: usize = 4096;

/// One thing about a plan that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// Where: `passes[2] kforge-tile-matmul`, `device`, `problem`.
    pub place: String,
    /// What, with value and limit.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl Violation {
    /// All of them in one line.
    pub fn list(violations: &[Violation]) -> String {
        let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
        texts.join("; ")
    }

    pub(super) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            message: message.into(),
        }
    }
}

/// Holds a plan against `problem`, or, without one, against the problem it carries. What
/// needs no problem is judged without any, too.
pub fn check(plan: &Plan, problem: Option<&Problem>) -> Result<(), Vec<Violation>> {
    let found = violations(plan, problem, &[]);
    match found.is_empty() {
        true => Ok(()),
        false => Err(found),
    }
}

/// Everything about a plan that cannot be. The passes at the places `unread` hold nothing
/// that could be judged; what is wrong with them is said elsewhere.
pub(super) fn violations(
    plan: &Plan,
    problem: Option<&Problem>,
    unread: &[usize],
) -> Vec<Violation> {
    let mut found = Vec::new();
    header(plan, problem, &mut found);
    device::limits(plan, &mut found);
    if plan.passes.len() > MAX_STEPS {
        let message = format!("{} passes, the limit is {MAX_STEPS}", plan.passes.len());
        found.push(Violation::new("passes", message));
        return found;
    }
    let device = device_of(plan);
    let problem = problem.or(plan.problem.as_ref());
    for index in (0..plan.passes.len()).filter(|index| !unread.contains(index)) {
        let place = place(index, &plan.passes[index].pass);
        let mut refuse = |message: String| found.push(Violation::new(place.as_str(), message));
        order::judge(index, plan, &mut refuse);
        step::judge(index, plan, problem, &device, &mut refuse);
    }
    found
}

/// Takes what is wrong at one place.
type Refuse<'r> = &'r mut dyn FnMut(String);

/// What violations call a pass of a plan.
pub(super) fn place(index: usize, pass: &str) -> String {
    format!("passes[{index}] {}", shown(pass))
}

/// Text from outside, without what a terminal would obey, cut to a line's length.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// What an option takes, in words.
pub(super) const fn kind(default: &Knob) -> &'static str {
    match default {
        Knob::Flag(_) => "true or false",
        Knob::Integer(_) => "an integer",
        Knob::Name(_) => "a name",
    }
}

fn header(plan: &Plan, problem: Option<&Problem>, found: &mut Vec<Violation>) {
    if plan.schema != SCHEMA {
        let message = format!("is {}, expected {SCHEMA}", plan.schema);
        found.push(Violation::new("schema", message));
    }
    if let (Some(own), Some(problem)) = (&plan.problem, problem)
        && own.module != problem.module
    {
        let message = format!(
            "the plan is for '{}' (module {}), this is '{}' (module {})",
            shown(&own.workload),
            shown(&own.module),
            problem.workload,
            problem.module
        );
        found.push(Violation::new("problem", message));
    }
}

/// Refuses text that may not stand in a pipeline.
fn word(name: &str, text: &str, refuse: Refuse<'_>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+:$".contains(c);
    let fits = text.len() <= 4096 && text.chars().all(plain);
    if !fits {
        refuse(format!(
            "{name} is '{}', expected letters, digits and ._-+: alone",
            shown(text)
        ));
    }
    fits
}
