//! A plan as JSON: the canonical form, and the flat form with one set of knobs.

use serde_json::Value;

use super::{Plan, SCHEMA, Violation, canonical, check, fields::Draft, flat};
use crate::problem::Problem;

/// Bytes of a plan's JSON; a plan for a hundred ops takes 30 KiB.
const MAX_BYTES: usize = 1 << 20;

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Too long to be read.
    #[error("a plan of {bytes} bytes is over the limit of {MAX_BYTES}")]
    Large {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or not a plan's fields.
    #[error("the plan cannot be read: {0}")]
    Json(String),
    /// Another version of the format.
    #[error("the plan has schema {got}, this program reads {SCHEMA}")]
    Schema {
        /// What it says.
        got: u64,
    },
    /// It says what no plan can.
    #[error("the plan is refused: {}", Violation::list(.0))]
    Refused(Vec<Violation>),
}

impl PlanError {
    /// Each thing that is wrong with the text.
    pub fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Refused(violations) => violations.clone(),
            Self::Large { .. } | Self::Json(_) | Self::Schema { .. } => {
                vec![Violation::new("plan", self.to_string())]
            }
        }
    }
}

/// Reads a plan. Options that are not stated get their defaults.
///
/// The flat form (`pass_order` with unprefixed names, snake_case `knobs`) is
/// accepted where a problem says which ops its knobs are for.
///
/// # Errors
/// Where something cannot be read, that and whatever is wrong with the rest.
pub fn from_json(text: &str, problem: Option<&Problem>) -> Result<Plan, PlanError> {
    if text.len() > MAX_BYTES {
        return Err(PlanError::Large { bytes: text.len() });
    }
    let json = |error: serde_json::Error| PlanError::Json(error.to_string());
    let value: Value = serde_json::from_str(text).map_err(json)?;
    let schema = value.get("schema").and_then(Value::as_u64);
    if let Some(got) = schema.filter(|got| *got != u64::from(SCHEMA)) {
        return Err(PlanError::Schema { got });
    }
    let is_flat = value.get("pass_order").is_some() || value.get("knobs").is_some();
    let draft = match is_flat {
        true => flat::read(&value, problem),
        false => canonical::read(&value),
    };
    if !draft.found.is_empty() || draft.odd {
        return Err(PlanError::Refused(refused(draft, problem)));
    }
    if is_flat {
        return Ok(draft.plan);
    }
    // From the text again, which may say a field twice.
    let mut plan: Plan = serde_json::from_str(text).map_err(json)?;
    plan.complete();
    Ok(plan)
}

/// Everything that is wrong with a plan that cannot be read whole.
fn refused(draft: Draft, problem: Option<&Problem>) -> Vec<Violation> {
    let mut found = draft.found;
    for violation in check::violations(&draft.plan, problem, &draft.unread) {
        if !found.contains(&violation) {
            found.push(violation);
        }
    }
    if found.is_empty() {
        let message = "a knob has a value that is no integer, no name and neither true nor false";
        found.push(Violation::new("plan", message));
    }
    found
}

/// The canonical JSON: every option stated, keys in order, one final newline.
pub fn to_json(plan: &Plan) -> String {
    let mut plan = plan.clone();
    plan.complete();
    // A plan is strings, integers and booleans: it always serialises.
    let text = serde_json::to_string_pretty(&plan).unwrap_or_default();
    format!("{text}\n")
}

/// The published JSON Schema of [`Plan`].
pub fn schema() -> String {
    let schema = schemars::schema_for!(Plan);
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    format!("{text}\n")
}
