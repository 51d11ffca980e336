//! What must hold before anything is built for a plan: every violation, not the first.

use std::fmt;

use kforge_dialect::{
    Element,
    device::{Device, Target as Kind},
    pass::OptionKind,
    schedule::{AttentionSchedule, MatmulProblem, MatmulSchedule, RowSchedule, Unfit},
};
use kforge_runtime::device::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Knob, Plan, SCHEMA, Step, catalog};
use crate::problem::{OpShape, PlannedOp, Problem, element};

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

/// Holds a plan against `problem`, or, without one, against the problem it carries.
pub fn check(plan: &Plan, problem: Option<&Problem>) -> Result<(), Vec<Violation>> {
    let mut checker = Checker {
        violations: Vec::new(),
    };
    checker.header(plan, problem);
    let device = checker.device(plan);
    let problem = problem.or(plan.problem.as_ref());
    if plan.passes.len() > MAX_STEPS {
        let message = format!("{} passes, the limit is {MAX_STEPS}", plan.passes.len());
        checker.violations.push(Violation::new("passes", message));
        return Err(checker.violations);
    }
    for (index, step) in plan.passes.iter().enumerate() {
        let place = format!("passes[{index}] {}", shown(&step.pass));
        checker.order(&place, index, plan);
        checker.step(&place, index, plan, problem, &device);
    }
    match checker.violations.is_empty() {
        true => Ok(()),
        false => Err(checker.violations),
    }
}

/// Text from outside, without what a terminal would obey, cut to a line's length.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// The device that a plan states.
pub(crate) fn device_of(plan: &Plan) -> Device {
    let mut device = Device {
        target: match plan.target {
            Target::Gpu => Kind::Gpu,
            Target::Cpu => Kind::Cpu,
        },
        ..Device::default()
    };
    let text = |name: &str| match plan.device.get(name) {
        Some(Knob::Name(text)) => Some(text.clone()),
        _ => None,
    };
    let list = |name: &str| {
        let text = text(name).unwrap_or_default();
        let items = text.split('+').filter(|item| !item.is_empty());
        items.map(Into::into).collect()
    };
    device.name = text("name").unwrap_or(device.name);
    device.kind = text("kind").unwrap_or(device.kind);
    device.features = list("features");
    device.matrix_shapes = list("matrix-shapes");
    for (name, limit) in device.integers_mut() {
        if let Some(Knob::Integer(value)) = plan.device.get(name) {
            *limit = u64::try_from(*value).unwrap_or(0);
        }
    }
    device
}

struct Checker {
    violations: Vec<Violation>,
}

impl Checker {
    fn refuse(&mut self, place: &str, message: impl Into<String>) {
        self.violations.push(Violation::new(place, message));
    }

    fn header(&mut self, plan: &Plan, problem: Option<&Problem>) {
        if plan.schema != SCHEMA {
            self.refuse("schema", format!("is {}, expected {SCHEMA}", plan.schema));
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
            self.refuse("problem", message);
        }
    }

    fn device(&mut self, plan: &Plan) -> Device {
        let known = catalog::device_options();
        for (name, value) in &plan.device {
            let Some((_, default)) = known.iter().find(|(known, _)| known == name) else {
                self.refuse("device", format!("has no limit '{}'", shown(name)));
                continue;
            };
            match (default, value) {
                (Knob::Integer(_), Knob::Integer(value)) => {
                    let least = Device::least(name);
                    if !(least..=1 << 48).contains(value) {
                        let most = 1_i64 << 48;
                        self.refuse(
                            "device",
                            format!("{name} is {value}, expected {least} to {most}"),
                        );
                    }
                }
                (Knob::Name(_), Knob::Name(text)) if name == "kind" => {
                    if !Device::KINDS.contains(&text.as_str()) {
                        let kinds = Device::KINDS.join(", ");
                        let message = format!("kind is '{}', expected one of {kinds}", shown(text));
                        self.refuse("device", message);
                    }
                }
                (Knob::Name(_), Knob::Name(text)) => self.word("device", name, text),
                _ => self.refuse(
                    "device",
                    format!("{name} is {value}, expected {}", kind(default)),
                ),
            }
        }
        device_of(plan)
    }

    /// Text that may stand in a pipeline.
    fn word(&mut self, place: &str, name: &str, text: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-+:$".contains(c);
        if text.len() > 4096 || !text.chars().all(plain) {
            let message = format!(
                "{name} is '{}', expected letters, digits and ._-+: alone",
                shown(text)
            );
            self.refuse(place, message);
        }
    }

    /// Fusion comes before schedules, and what needs no repetition has none.
    fn order(&mut self, place: &str, index: usize, plan: &Plan) {
        let step = &plan.passes[index];
        let before = &plan.passes[..index];
        let is_schedule = |pass: &str| {
            [
                "kforge-tile-matmul",
                "kforge-tile-attention",
                "kforge-vectorize-layernorm",
            ]
            .contains(&pass)
        };
        let changes_ops = step.pass.starts_with("kforge-f");
        if changes_ops && let Some(schedule) = before.iter().find(|it| is_schedule(&it.pass)) {
            let message = format!(
                "comes after {}, whose schedule it would drop",
                schedule.pass
            );
            self.refuse(place, message);
        }
        let epilogues = "kforge-fuse-matmul-activation";
        if step.pass == "kforge-fuse-attention" && before.iter().any(|it| it.pass == epilogues) {
            let message = format!("comes after {epilogues}, which can take the products it needs");
            self.refuse(place, message);
        }
        let once = !is_schedule(&step.pass) && step.pass.starts_with("kforge-");
        if once
            && before
                .iter()
                .any(|it| it.pass == step.pass && it.op == step.op)
        {
            self.refuse(place, "stands in the plan twice");
        }
        let same = |it: &&Step| it.pass == step.pass && it.op == step.op;
        if is_schedule(&step.pass) && before.iter().any(|it| same(&it)) {
            let ops = step.op.as_deref().unwrap_or("every op");
            self.refuse(place, format!("schedules {} a second time", shown(ops)));
        }
    }

    fn step(
        &mut self,
        place: &str,
        index: usize,
        plan: &Plan,
        problem: Option<&Problem>,
        device: &Device,
    ) {
        let step = &plan.passes[index];
        let Some(pass) = catalog::find(&step.pass) else {
            let known: Vec<&str> = catalog::names().collect();
            let message = format!(
                "is no pass that a plan may choose; these are: {}",
                known.join(", ")
            );
            return self.refuse(place, message);
        };
        let count = self.violations.len();
        for (name, value) in &step.knobs {
            self.knob(place, step, pass, name, value);
        }
        if step.op.is_some() && !pass.takes_op() {
            self.refuse(place, "takes no 'op'");
        }
        if let Some(op) = &step.op {
            self.word(place, "op", op);
        }
        if self.violations.len() > count {
            return;
        }
        let ops = self.ops(place, index, plan, problem);
        let mut reported = Vec::new();
        for shape in ops {
            let Err(unfit) = relations(step, shape, device) else {
                continue;
            };
            for Unfit(message) in unfit {
                if !reported.contains(&message) {
                    self.refuse(place, message.clone());
                    reported.push(message);
                }
            }
        }
    }

    fn knob(&mut self, place: &str, step: &Step, pass: catalog::Known, name: &str, value: &Knob) {
        let option = pass.option(name).filter(|option| option.name != "op");
        let Some(option) = option else {
            let known: Vec<&str> = pass.knobs().into_iter().map(|(name, _)| name).collect();
            let known = if known.is_empty() {
                "none".into()
            } else {
                known.join(", ")
            };
            let message = format!("has no knob '{}'; its knobs are: {known}", shown(name));
            return self.refuse(place, message);
        };
        let default = catalog::default(option);
        match (option.kind, value) {
            (OptionKind::Bool(_), Knob::Flag(_)) | (OptionKind::Text(_), Knob::Name(_)) => {}
            (OptionKind::Integer(_), Knob::Integer(value)) => {
                if !(0..=1 << 30).contains(value) {
                    self.refuse(
                        place,
                        format!("{name} is {value}, expected 0 to {}", 1 << 30),
                    );
                }
            }
            (OptionKind::Choice(names), Knob::Name(value)) if names.contains(&value.as_str()) => {}
            (OptionKind::Choice(names), _) => {
                let value = shown(&value.to_string());
                self.refuse(
                    place,
                    format!("{name} is '{value}', expected {}", names.join(" or ")),
                );
            }
            _ => {
                let value = shown(&value.to_string());
                self.refuse(
                    place,
                    format!("{name} is '{value}', expected {}", kind(&default)),
                );
            }
        }
        if catalog::is_fixed(&step.pass, name) && *value != default {
            let message = format!(
                "{name} is {value}, which changes what is computed; a plan may only state {default}"
            );
            self.refuse(place, message);
        }
    }

    /// The shapes of the ops that a schedule is for.
    fn ops(
        &mut self,
        place: &str,
        index: usize,
        plan: &Plan,
        problem: Option<&Problem>,
    ) -> Vec<OpShape> {
        let step = &plan.passes[index];
        let Some(problem) = problem else {
            return Vec::new();
        };
        let before = &plan.passes[..index];
        let ran = |pass: &Option<String>| {
            pass.as_ref()
                .is_some_and(|pass| before.iter().any(|it| it.pass == *pass))
        };
        let is_there =
            |op: &PlannedOp| (op.made_by.is_none() || ran(&op.made_by)) && !ran(&op.gone_after);
        let fits = |op: &PlannedOp| op.shape.pass() == step.pass;
        let Some(names) = &step.op else {
            let there = problem.ops.iter().filter(|op| fits(op) && is_there(op));
            return there.map(|op| op.shape).collect();
        };
        let mut shapes = Vec::new();
        for name in names.split('+') {
            let mut named = problem.ops.iter().filter(|op| op.name == name).peekable();
            if named.peek().is_none() {
                let known: Vec<&str> = problem
                    .ops
                    .iter()
                    .filter(|op| fits(op))
                    .map(|op| op.name.as_str())
                    .collect();
                let known = if known.is_empty() {
                    "none".into()
                } else {
                    known.join(", ")
                };
                let message = format!(
                    "no op is named '{}'; for this pass there are: {known}",
                    shown(name)
                );
                self.refuse(place, message);
                continue;
            }
            let named: Vec<&PlannedOp> = named.collect();
            match named
                .iter()
                .find(|op| is_there(op) && (fits(op) || !has_schedule(&step.pass)))
            {
                Some(op) => shapes.push(op.shape),
                None => self.refuse(place, absent(name, &named, &step.pass)),
            }
        }
        shapes
    }
}

fn has_schedule(pass: &str) -> bool {
    !pass.starts_with("kforge-f")
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
        (None, Some(by)) => format!("op '{name}' is only there after {by}"),
        (None, None) => format!("op '{name}' is not there"),
    }
}

fn kind(default: &Knob) -> &'static str {
    match default {
        Knob::Flag(_) => "true or false",
        Knob::Integer(_) => "an integer",
        Knob::Name(_) => "a name",
    }
}

/// The relations between a step's knobs, the op and the device.
fn relations(step: &Step, shape: OpShape, device: &Device) -> Result<(), Vec<Unfit>> {
    match shape.pass() == step.pass {
        true => fits(shape, |name| step.integer(name), device),
        false => Ok(()),
    }
}

/// The relations between a schedule's knobs, the op and the device.
pub(crate) fn fits(
    shape: OpShape,
    knob: impl FnMut(&str) -> Option<i64>,
    device: &Device,
) -> Result<(), Vec<Unfit>> {
    // Element types without kernels are refused by the lowering, with a location.
    let of = |dtype| element(dtype).unwrap_or(Element::F32);
    match shape {
        OpShape::Matmul {
            batch,
            m,
            n,
            k,
            element,
        } => {
            let problem = MatmulProblem {
                batch,
                m,
                n,
                k,
                element: of(element),
            };
            let schedule = MatmulSchedule::read(knob);
            schedule.map_or(Ok(()), |schedule| schedule.check(&problem, device))
        }
        OpShape::Attention {
            head,
            value_head,
            element,
            ..
        } => {
            let schedule = AttentionSchedule::read(knob);
            schedule.map_or(Ok(()), |it| it.check(head, value_head, of(element), device))
        }
        OpShape::Softmax(_) | OpShape::LayerNorm(_) | OpShape::RmsNorm(_) => {
            RowSchedule::read(knob).map_or(Ok(()), |schedule| schedule.check(device))
        }
    }
}
