//! One pass of a plan: its knobs, its ops, and the relations between them.

use kforge_dialect::{device::Device, pass::OptionKind, schedule::Unfit};

use super::{
    super::{Step, catalog},
    Knob, Plan, Refuse, kind, relations, shown, word,
};
use crate::problem::{OpShape, PlannedOp, Problem};

/// Judges one pass on what the passes before it leave.
pub(super) fn judge(
    index: usize,
    plan: &Plan,
    problem: Option<&Problem>,
    device: &Device,
    refuse: Refuse<'_>,
) {
    let step = &plan.passes[index];
    let Some(pass) = catalog::find(&step.pass) else {
        let known: Vec<&str> = catalog::names().collect();
        return refuse(format!(
            "is no pass that a plan may choose; these are: {}",
            known.join(", ")
        ));
    };
    for (name, value) in &step.knobs {
        knob(step, pass, name, value, device, refuse);
    }
    if step.op.is_some() && !pass.takes_op() {
        refuse("takes no 'op'".into());
    }
    let readable = match &step.op {
        Some(op) => word("op", op, refuse),
        None => true,
    };
    let shapes = match problem.filter(|_| readable && pass.takes_op()) {
        Some(problem) => ops(step, &plan.passes[..index], problem, refuse),
        None => Vec::new(),
    };
    // Without an op there is still what needs no shape.
    let shapes: Vec<Option<OpShape>> = match shapes.is_empty() {
        true => vec![None],
        false => shapes.into_iter().map(Some).collect(),
    };
    let mut reported = Vec::new();
    for shape in shapes {
        for Unfit(message) in relations::judge(step, shape, device) {
            if !reported.contains(&message) {
                refuse(message.clone());
                reported.push(message);
            }
        }
    }
}

/// Least and most of an integer knob of a pass.
pub(in crate::plan) fn range(pass: &str, knob: &str, device: &Device) -> (i64, i64) {
    relations::range(pass, knob, device).unwrap_or((0, 1 << 30))
}

fn knob(
    step: &Step,
    pass: catalog::Known,
    name: &str,
    value: &Knob,
    device: &Device,
    refuse: Refuse<'_>,
) {
    let option = pass.option(name).filter(|option| option.name != "op");
    let Some(option) = option else {
        let known: Vec<&str> = pass.knobs().into_iter().map(|(name, _)| name).collect();
        let known = if known.is_empty() {
            "none".into()
        } else {
            known.join(", ")
        };
        return refuse(format!(
            "has no knob '{}'; its knobs are: {known}",
            shown(name)
        ));
    };
    let default = catalog::default(option);
    let (least, most) = range(&step.pass, name, device);
    let text = shown(&value.to_string());
    match (option.kind, value) {
        (OptionKind::Bool(_), Knob::Flag(_)) | (OptionKind::Text(_), Knob::Name(_)) => {}
        (OptionKind::Integer(_), Knob::Integer(value)) => {
            // A schedule's knobs are judged with their relations.
            let is_schedules = relations::range(&step.pass, name, device).is_some();
            if !is_schedules && !(least..=most).contains(value) {
                refuse(format!("{name} is {value}, expected {least} to {most}"));
            }
        }
        (OptionKind::Choice(names), Knob::Name(value)) if names.contains(&value.as_str()) => {}
        (OptionKind::Choice(names), _) => {
            refuse(format!(
                "{name} is '{text}', expected {}",
                names.join(" or ")
            ));
        }
        (OptionKind::Integer(_), _) => {
            refuse(format!(
                "{name} is '{text}', expected an integer from {least} to {most}"
            ));
        }
        _ => refuse(format!("{name} is '{text}', expected {}", kind(&default))),
    }
    if catalog::is_fixed(&step.pass, name) && *value != default {
        refuse(format!(
            "{name} is {text}, which changes what is computed; a plan may only state {default}"
        ));
    }
}

/// Whether an op is there once these passes ran: surely, or perhaps, since a fusion of
/// named ops may leave it.
fn is_there(op: &PlannedOp, before: &[Step]) -> (bool, bool) {
    let ran = |named: bool| {
        let ran = before.iter().filter(|step| named || step.op.is_none());
        let ran: Vec<&str> = ran.map(|step| step.pass.as_str()).collect();
        op.is_there(&ran)
    };
    let (every, whole) = (ran(true), ran(false));
    (every && whole, every || whole)
}

/// The shapes of the ops that a step is for.
fn ops(step: &Step, before: &[Step], problem: &Problem, refuse: Refuse<'_>) -> Vec<OpShape> {
    let fits = |op: &PlannedOp| op.shape.pass() == step.pass;
    let Some(names) = &step.op else {
        let there = problem.ops.iter();
        let there = there.filter(|op| fits(op) && is_there(op, before).0);
        return there.map(|op| op.shape).collect();
    };
    let mut shapes = Vec::new();
    for name in names.split('+') {
        let named: Vec<&PlannedOp> = problem.ops.iter().filter(|op| op.name == name).collect();
        if named.is_empty() {
            let known = problem.ops.iter().filter(|op| fits(op));
            let known: Vec<&str> = known.map(|op| op.name.as_str()).collect();
            let known = if known.is_empty() {
                "none".into()
            } else {
                known.join(", ")
            };
            refuse(format!(
                "no op is named '{}'; for this pass there are: {known}",
                shown(name)
            ));
            continue;
        }
        let suits = |op: &&&PlannedOp| {
            is_there(op, before).1 && (fits(op) || step.pass.starts_with("kforge-f"))
        };
        match named.iter().find(suits) {
            Some(op) => shapes.push(op.shape),
            None => refuse(absent(name, &named, &step.pass)),
        }
    }
    shapes
}

fn absent(name: &str, named: &[&PlannedOp], pass: &str) -> String {
    let Some(op) = named.iter().find(|op| op.shape.pass() == pass) else {
        let kinds: Vec<&str> = named.iter().map(|op| op.shape.kind()).collect();
        return format!(
            "op '{name}' is {}, which this pass does not schedule",
            kinds.join(" or ")
        );
    };
    match (&op.gone_after, &op.made_by) {
        (Some(by), _) => format!("op '{name}' is fused away by {by} before"),
        (None, Some(by)) => match &op.made_with[..] {
            [] => format!("op '{name}' is only there after {by}"),
            with => format!(
                "op '{name}' is only there after {by} with {} before that",
                with.join(" and ")
            ),
        },
        (None, None) => format!("op '{name}' is not there"),
    }
}
