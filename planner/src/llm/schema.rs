//! The JSON Schema of a reply, in the strict subset that servers enforce: every field
//! required, no other field, one alternative per pass.
//!
//! Built from the closed set of passes and the problem: a new knob of a pass is in the
//! schema without a line here. The reply is checked again all the same: servers may
//! ignore the schema.

use std::collections::BTreeSet;

use kforge_dialect::pass::{OptionDef, OptionKind};
use serde_json::{Map, Value, json};

use crate::{
    plan::{
        Step,
        catalog::{self, Known},
    },
    problem::{PlannedOp, Problem},
    space,
};

/// Names in one list of alternatives; servers refuse schemas with more than a few
/// hundred. Above it any name is allowed here and checked by us.
const MAX_NAMES: usize = 100;
/// The largest integer of a knob without a list of values.
pub(super) const MOST: i64 = 1 << 30;

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

/// The values that an integer knob is offered with, smallest first: the usual ones and
/// those of the heuristic; none for those nobody tunes.
pub(super) fn values(
    problem: &Problem,
    baseline: &[Step],
    pass: &str,
    knob: &str,
) -> Option<Vec<i64>> {
    let axes = space_of(problem, pass)?;
    let (_, usual) = axes.iter().find(|(name, _)| *name == knob)?;
    let steps = baseline.iter().filter(|step| step.pass == pass);
    let given = steps.filter_map(|step| step.integer(knob));
    let values: BTreeSet<i64> = usual.iter().copied().chain(given).collect();
    Some(values.into_iter().collect())
}

/// The names of ops of the same shape, which layers repeat and which one step can
/// schedule; groups of two and more.
pub(super) fn groups(problem: &Problem) -> Vec<Vec<&str>> {
    let mut groups: Vec<(&PlannedOp, Vec<&str>)> = Vec::new();
    for op in &problem.ops {
        let same = |it: &PlannedOp| {
            let own = (op.shape, &op.made_by, &op.made_with);
            (it.shape, &it.made_by, &it.made_with) == own
                && (&it.gone_after, &it.gone_with) == (&op.gone_after, &op.gone_with)
        };
        match groups.iter_mut().find(|(first, _)| same(first)) {
            Some((_, names)) => names.push(&op.name),
            None => groups.push((op, vec![&op.name])),
        }
    }
    let names = groups.into_iter().map(|(_, names)| names);
    names.filter(|names| names.len() > 1).collect()
}

/// The schema of an answer for a problem under hidden names.
pub(super) fn schema(problem: &Problem, baseline: &[Step]) -> Value {
    let steps: Vec<Value> = passes(problem)
        .map(|(name, pass)| step(problem, baseline, name, pass))
        .collect();
    object(vec![(
        "passes",
        json!({ "type": "array", "items": { "anyOf": steps } }),
    )])
}

fn step(problem: &Problem, baseline: &[Step], name: &'static str, pass: Known) -> Value {
    let mut fields = vec![("pass", json!({ "type": "string", "enum": [name] }))];
    if pass.takes_op() {
        fields.push(("op", op(problem, name)));
    }
    let options = pass
        .knobs()
        .into_iter()
        .filter_map(|(knob, _)| pass.option(knob));
    let knobs: Vec<_> = options
        .map(|option| (option.name, knob(problem, baseline, name, option)))
        .collect();
    if !knobs.is_empty() {
        fields.push(("knobs", object(knobs)));
    }
    object(fields)
}

/// The names of the ops that a pass fits, alone and for each group of the same shape,
/// or null for all of them.
fn op(problem: &Problem, pass: &str) -> Value {
    let fits = |name: &str| {
        let named = problem.ops.iter().filter(|op| op.name == name);
        let mut shapes = named.map(|op| op.shape);
        !is_schedule(pass) || shapes.any(|shape| shape.pass() == pass)
    };
    let mut names: Vec<String> = Vec::new();
    for op in problem.ops.iter().filter(|op| fits(&op.name)) {
        if !names.contains(&op.name) {
            names.push(op.name.clone());
        }
    }
    let groups = groups(problem).into_iter();
    names.extend(groups.filter(|it| fits(it[0])).map(|it| it.join("+")));
    if names.len() > MAX_NAMES {
        return json!({ "type": ["string", "null"] });
    }
    let mut names: Vec<Value> = names.into_iter().map(Value::from).collect();
    names.push(Value::Null);
    json!({ "type": ["string", "null"], "enum": names })
}

fn knob(problem: &Problem, baseline: &[Step], pass: &str, option: &OptionDef) -> Value {
    let fixed = catalog::is_fixed(pass, option.name);
    match option.kind {
        OptionKind::Integer(default) if fixed => json!({ "type": "integer", "enum": [default] }),
        OptionKind::Integer(_) => match values(problem, baseline, pass, option.name) {
            Some(values) => json!({ "type": "integer", "enum": values }),
            None => json!({ "type": "integer", "minimum": 0, "maximum": MOST }),
        },
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
