//! The JSON Schema of a reply, in the strict subset that servers enforce: every field
//! required, no other field, one alternative per pass.
//!
//! Built from the closed set of passes and the problem: a new knob of a pass is in the
//! schema without a line here. The reply is checked again all the same: servers may
//! ignore the schema.

use kforge_dialect::pass::{OptionDef, OptionKind};
use serde_json::{Map, Value, json};

use crate::{
    plan::catalog::{self, Known},
    problem::Problem,
    space,
};

/// Names in one list of alternatives; servers refuse schemas with more than a few
/// hundred. Above it any name is allowed here and checked by us.
const MAX_NAMES: usize = 100;
/// The largest integer of a knob without a list of values.
const MOST: i64 = 1 << 30;

/// The passes that can be of use for `problem`, in the order of the catalog.
pub(super) fn passes(problem: &Problem) -> impl Iterator<Item = (&'static str, Known)> {
    let schedules = |name: &str| space_of(problem, name).is_some();
    let known = catalog::names().filter_map(|name| Some((name, catalog::find(name)?)));
    known.filter(move |(name, _)| !is_schedule(name) || schedules(name))
}

fn is_schedule(pass: &str) -> bool {
    pass.starts_with("kforge-tile-") || pass.starts_with("kforge-vectorize-")
}

fn space_of(problem: &Problem, pass: &str) -> Option<&'static [space::Axis]> {
    let op = problem.ops.iter().find(|op| op.shape.pass() == pass)?;
    Some(space::axes(&op.shape))
}

/// The values that an integer knob is usually given; none for those nobody tunes.
pub(super) fn values(problem: &Problem, pass: &str, knob: &str) -> Option<&'static [i64]> {
    let axes = space_of(problem, pass)?;
    axes.iter()
        .find(|(name, _)| *name == knob)
        .map(|axis| axis.1)
}

/// The smallest and the largest integer that a knob is offered with.
pub(super) fn range(problem: &Problem, pass: &str, knob: &str) -> (i64, i64) {
    match values(problem, pass, knob) {
        Some([first, .., last]) => (*first, *last),
        _ => (0, MOST),
    }
}

/// The schema of an answer for a problem under hidden names.
pub(super) fn schema(problem: &Problem) -> Value {
    let steps: Vec<Value> = passes(problem)
        .map(|(name, pass)| step(problem, name, pass))
        .collect();
    object(vec![(
        "passes",
        json!({ "type": "array", "items": { "anyOf": steps } }),
    )])
}

fn step(problem: &Problem, name: &'static str, pass: Known) -> Value {
    let mut fields = vec![("pass", json!({ "type": "string", "enum": [name] }))];
    if pass.takes_op() {
        fields.push(("op", op(problem, name)));
    }
    let options = pass
        .knobs()
        .into_iter()
        .filter_map(|(knob, _)| pass.option(knob));
    let knobs: Vec<_> = options
        .map(|option| (option.name, knob(problem, name, option)))
        .collect();
    if !knobs.is_empty() {
        fields.push(("knobs", object(knobs)));
    }
    object(fields)
}

/// The names of the ops that a pass fits, or null for all of them.
fn op(problem: &Problem, pass: &str) -> Value {
    let fitting = problem
        .ops
        .iter()
        .filter(|op| !is_schedule(pass) || op.shape.pass() == pass);
    let mut names: Vec<Value> = Vec::new();
    for op in fitting {
        let name = Value::from(op.name.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > MAX_NAMES {
        return json!({ "type": ["string", "null"] });
    }
    names.push(Value::Null);
    json!({ "type": ["string", "null"], "enum": names })
}

fn knob(problem: &Problem, pass: &str, option: &OptionDef) -> Value {
    let fixed = catalog::is_fixed(pass, option.name);
    match option.kind {
        OptionKind::Integer(default) if fixed => json!({ "type": "integer", "enum": [default] }),
        OptionKind::Integer(_) => {
            let (least, most) = range(problem, pass, option.name);
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        OptionKind::Bool(default) if fixed => json!({ "type": "boolean", "enum": [default] }),
        OptionKind::Bool(_) => json!({ "type": "boolean" }),
        OptionKind::Text(default) if fixed => json!({ "type": "string", "enum": [default] }),
        OptionKind::Text(_) => json!({ "type": "string" }),
        OptionKind::Choice(names) => json!({ "type": "string", "enum": names }),
    }
}

fn object(fields: Vec<(&'static str, Value)>) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
