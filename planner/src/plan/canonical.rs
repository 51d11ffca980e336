//! The canonical form of a plan as JSON.

use serde_json::Value;

use super::{
    Knob, Plan, Provenance, Step, Violation, catalog,
    check::place,
    fields::{Draft, knobs, list, object, schema, target, text, typed},
};
use crate::problem::Problem;

/// Fields of a plan.
const PLAN: &[&str] = &[
    "schema",
    "target",
    "device",
    "problem",
    "passes",
    "provenance",
];
/// Fields of a step.
const STEP: &[&str] = &["pass", "op", "knobs"];
/// Fields of where a plan comes from.
const PROVENANCE: &[&str] = &["planner", "model", "prompt", "parent"];
/// Fields of a problem.
const PROBLEM: &[&str] = &["module", "workload", "ops"];

/// Reads what can be read.
pub(super) fn read(value: &Value) -> Draft {
    let mut found = Vec::new();
    let Some(fields) = object(value, "plan", PLAN, &mut found) else {
        // Nothing more can be missed in what is no object.
        return Draft {
            plan: Plan::new(Default::default(), Default::default()),
            found,
            unread: Vec::new(),
            odd: false,
        };
    };
    schema(fields.get("schema"), true, &mut found);
    let target = target(fields.get("target"), &mut found);
    let (device, mut odd) = device(fields.get("device"), &mut found);
    let mut plan = Plan::new(target, device);
    let problem = fields.get("problem").filter(|it| !it.is_null());
    plan.problem = problem.and_then(|it| read_problem(it, &mut found));
    if let Some(value) = fields.get("provenance") {
        plan.provenance = provenance(value, &mut found);
    }
    let mut unread = Vec::new();
    let passes = list(fields.get("passes"), "passes", "passes", &mut found);
    for (index, value) in passes.iter().enumerate() {
        let read = step(index, value, &mut found);
        if read.is_none() {
            unread.push(index);
        }
        let (step, odd_step) = read.unwrap_or_else(|| (Step::new(""), false));
        odd |= odd_step;
        plan.passes.push(step);
    }
    plan.complete();
    Draft {
        plan,
        found,
        unread,
        odd,
    }
}

/// A device's limits.
pub(super) fn device(value: Option<&Value>, found: &mut Vec<Violation>) -> (super::Knobs, bool) {
    let options = catalog::device_options();
    let default = |name: &str| {
        let option = options.iter().find(|(known, _)| *known == name);
        option.map(|(_, default)| default.clone())
    };
    knobs(value, "device", "the device", default, found)
}

/// Where a plan comes from.
pub(super) fn provenance(value: &Value, found: &mut Vec<Violation>) -> Provenance {
    let before = found.len();
    object(value, "provenance", PROVENANCE, found);
    match found.len() > before {
        true => Provenance::default(),
        false => typed(value, "provenance", found).unwrap_or_default(),
    }
}

fn read_problem(value: &Value, found: &mut Vec<Violation>) -> Option<Problem> {
    let before = found.len();
    let fields = object(value, "problem", PROBLEM, found)?;
    let ops = list(fields.get("ops"), "problem.ops", "ops", found);
    for (index, op) in ops.iter().enumerate() {
        let place = format!("problem.ops[{index}]");
        let shape = op.get("shape").filter(|it| it.is_array());
        if op.is_array() || shape.is_some() {
            let what = if op.is_array() { "" } else { "shape " };
            let message = format!("{what}is a list, expected an object");
            found.push(Violation::new(place, message));
        }
    }
    match found.len() > before {
        true => None,
        false => typed(value, "problem", found),
    }
}

/// One pass, and whether one of its knobs is odd; `None` if no pass is named.
fn step(index: usize, value: &Value, found: &mut Vec<Violation>) -> Option<(Step, bool)> {
    let own = format!("passes[{index}]");
    let fields = value.as_object();
    let pass = fields.and_then(|it| it.get("pass"));
    let pass = pass.and_then(Value::as_str);
    let at = pass.map_or_else(|| own.clone(), |pass| place(index, pass));
    let fields = object(value, &at, STEP, found)?;
    let Some(pass) = pass else {
        let got = fields.get("pass").map_or_else(|| "missing".into(), text);
        let message = format!("'pass' is {got}, expected the name of a pass");
        found.push(Violation::new(own, message));
        return None;
    };
    let op = match fields.get("op") {
        None | Some(Value::Null) => None,
        Some(Value::String(op)) => Some(op.clone()),
        Some(other) => {
            let message = format!(
                "op is {}, expected the names of ops joined by +",
                text(other)
            );
            found.push(Violation::new(at.as_str(), message));
            None
        }
    };
    let default =
        |name: &str| -> Option<Knob> { Some(catalog::default(catalog::find(pass)?.option(name)?)) };
    let (knobs, odd) = knobs(fields.get("knobs"), &at, "knobs", default, found);
    let step = Step {
        pass: pass.to_owned(),
        op,
        knobs,
    };
    Some((step, odd))
}
