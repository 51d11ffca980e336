//! Which plan a subcommand works with: one from a file or the default one, edited.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::PathBuf,
};

use kforge_planner::{
    Plan, Problem, check, heuristic,
    plan::{FLAT_KNOBS, Knob, Step, Violation, from_json},
};
use kforge_runtime::DeviceDescription;

use super::Failure;

/// A plan from the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    /// The plan: JSON, its flat form, or the canonical pipeline; the default plan if
    /// not given
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Knobs that differ from the plan's: tile-m=128, or for one op scores:tile-m=128
    #[arg(long, value_name = "[OP:]KNOB=VALUE", num_args = 1..)]
    set: Vec<String>,
}

/// A file that is no plan, with everything that is wrong with it.
#[derive(Debug)]
pub(super) struct NoPlan {
    pub(super) path: PathBuf,
    pub(super) reason: String,
    pub(super) violations: Vec<Violation>,
    /// What the file holds.
    pub(super) text: String,
}

impl Chosen {
    /// Whether there is a file.
    pub(super) const fn is_file(&self) -> bool {
        self.plan.is_some()
    }

    /// Whether the command line says anything of a plan.
    pub(super) const fn is_given(&self) -> bool {
        self.plan.is_some() || !self.set.is_empty()
    }

    /// What reports call it: the file or the default plan, and what was changed of it.
    pub(super) fn name(&self) -> String {
        let path = self.plan.as_ref().map(|path| path.display().to_string());
        let name = path.unwrap_or_else(|| "the default plan".into());
        match self.set.is_empty() {
            true => name,
            false => format!("{name} with {}", self.set.join(" ").escape_debug()),
        }
    }

    /// The plan for a problem on a device, not yet checked.
    pub(super) fn plan(
        &self,
        problem: &Problem,
        device: &DeviceDescription,
    ) -> Result<Plan, Failure> {
        let mut plan = match self.read(Some(problem))? {
            Some(plan) => plan,
            None => heuristic::propose(problem, device),
        };
        self.edit(&mut plan)?;
        Ok(plan)
    }

    /// The plan for a problem on a device, which fits it.
    pub(super) fn fitting(
        &self,
        problem: &Problem,
        device: &DeviceDescription,
    ) -> Result<Plan, Failure> {
        fitting(self.plan(problem, device)?, problem, self.name())
    }

    /// The plan of the file for the problem that it states itself, not yet checked.
    pub(super) fn alone(&self) -> Result<Option<Plan>, Failure> {
        let mut plan = self.read(None)?;
        if let Some(plan) = &mut plan {
            self.edit(plan)?;
        }
        Ok(plan)
    }

    fn read(&self, problem: Option<&Problem>) -> Result<Option<Plan>, Failure> {
        let Some(path) = &self.plan else {
            return Ok(None);
        };
        let text = fs::read_to_string(path).map_err(|source| Failure::Read {
            path: path.clone(),
            source,
        })?;
        let refused = |reason: String, violations| {
            Failure::Plan(Box::new(NoPlan {
                path: path.clone(),
                reason,
                violations,
                text: text.clone(),
            }))
        };
        let plan = match text.trim_start().starts_with("builtin.module(") {
            true => Plan::from_text(&text)
                .map_err(|error| refused(error.to_string(), vec![error.violation()]))?,
            false => from_json(&text, problem)
                .map_err(|error| refused(error.to_string(), error.violations()))?,
        };
        Ok(Some(plan))
    }

    fn edit(&self, plan: &mut Plan) -> Result<(), Failure> {
        let edits = self.set.iter().map(|edit| set(plan, edit));
        edits
            .collect::<Result<(), String>>()
            .map_err(Failure::Usage)
    }
}

/// A plan that fits its problem. Otherwise every reason is on standard error.
pub(super) fn fitting(plan: Plan, problem: &Problem, name: String) -> Result<Plan, Failure> {
    let Err(violations) = check(&plan, Some(problem)) else {
        return Ok(plan);
    };
    for violation in &violations {
        writeln!(io::stderr(), "{violation}")?;
    }
    Err(Failure::Refused {
        plan: name,
        count: violations.len(),
    })
}

/// A plan's pipeline without the conversion and what follows it.
pub(super) fn before_lowering(pipeline: &str) -> String {
    let chosen = pipeline.split_once(",convert-kforge-to-");
    chosen.map_or_else(|| pipeline.to_owned(), |(chosen, _)| format!("{chosen})"))
}

/// Sets a knob in every step that has it, or in the steps of one op.
fn set(plan: &mut Plan, edit: &str) -> Result<(), String> {
    let refused = |why: String| format!("--set {}: {why}", edit.escape_debug());
    let (place, value) = edit
        .split_once('=')
        .ok_or_else(|| refused("expected KNOB=VALUE".into()))?;
    let (op, name) = match place.split_once(':') {
        Some((op, name)) => (Some(op), name),
        None => (None, place),
    };
    let flat = FLAT_KNOBS.iter().find(|knob| knob.name == name);
    let name = flat.and_then(|knob| knob.option).unwrap_or(name);
    let is_about = |own: &Option<String>| {
        let mut names = own.iter().flat_map(|names| names.split('+'));
        op.is_none_or(|op| names.any(|own| own == op))
    };
    let mut found = false;
    for step in plan.passes.iter_mut().filter(|step| is_about(&step.op)) {
        let Some(knob) = step.knobs.get_mut(name) else {
            continue;
        };
        found = true;
        let wrong = |_| refused(format!("expected a value such as {knob}"));
        *knob = match knob {
            Knob::Flag(_) => Knob::Flag(value.parse().map_err(|_| wrong(()))?),
            Knob::Integer(_) => Knob::Integer(value.parse().map_err(|_| wrong(()))?),
            Knob::Name(_) => Knob::Name(value.into()),
        };
    }
    found
        .then_some(())
        .ok_or_else(|| refused(nothing(plan, op)))
}

/// Why a knob is set nowhere, and what could be.
fn nothing(plan: &Plan, op: Option<&str>) -> String {
    let names = |step: &Step| -> Vec<String> {
        let names = step.op.iter().flat_map(|names| names.split('+'));
        names.map(ToOwned::to_owned).collect()
    };
    let listed = |items: Vec<String>| {
        let items: BTreeSet<String> = items.into_iter().collect();
        match items.is_empty() {
            true => "none".into(),
            false => Vec::from_iter(items).join(", "),
        }
    };
    let is_about = |step: &&Step| op.is_none_or(|op| names(step).iter().any(|it| it == op));
    let steps: Vec<&Step> = plan.passes.iter().filter(is_about).collect();
    let Some(op) = op.filter(|_| steps.is_empty()) else {
        let of = op.map_or_else(String::new, |op| format!(" of op '{}'", op.escape_debug()));
        let known = steps.iter().flat_map(|step| step.knobs.keys().cloned());
        return format!(
            "no pass{of} has this knob; there are: {}",
            listed(known.collect())
        );
    };
    format!(
        "no pass of the plan names op '{}'; it names: {}",
        op.escape_debug(),
        listed(plan.passes.iter().flat_map(names).collect())
    )
}

#[cfg(test)]
mod tests {
    use kforge_runtime::device::Target;

    use super::*;

    fn plan() -> Plan {
        let mut plan = Plan::new(Target::Gpu, Default::default());
        let step = |op| Step::schedule("kforge-tile-matmul", op, &[("tile-m", 64)]);
        plan.passes = vec![step("a+b"), step("c")];
        plan
    }

    fn tiles(plan: &Plan) -> Vec<Option<i64>> {
        plan.passes.iter().map(|it| it.integer("tile-m")).collect()
    }

    #[test]
    fn a_knob_is_set_everywhere_or_for_one_op_or_by_its_flat_name() {
        for (edit, expected) in [
            ("tile-m=32", [32, 32]),
            ("b:tile-m=32", [32, 64]),
            ("c:block_m=32", [64, 32]),
        ] {
            let mut plan = plan();
            set(&mut plan, edit).unwrap();
            assert_eq!(tiles(&plan), expected.map(Some), "{edit}");
        }
    }

    #[test]
    fn a_plan_that_names_no_op_says_so() {
        let mut plan = plan();
        plan.passes.clear();
        let error = set(&mut plan, "d:tile-m=1").unwrap_err();
        assert!(error.ends_with("it names: none"), "{error}");
    }

    #[test]
    fn a_plan_that_was_changed_is_called_so() {
        let mut chosen = Chosen {
            plan: None,
            set: Vec::new(),
        };
        assert_eq!(chosen.name(), "the default plan");
        chosen.set = vec!["tile-m=128".into(), "stages=2".into()];
        assert_eq!(chosen.name(), "the default plan with tile-m=128 stages=2");
        chosen.plan = Some("p.json".into());
        assert_eq!(chosen.name(), "p.json with tile-m=128 stages=2");
    }

    #[test]
    fn what_cannot_be_set_is_said() {
        for (edit, words) in [
            ("tile-m", "expected KNOB=VALUE"),
            ("tile-m=wide", "expected a value such as 64"),
            ("tile-q=1", "no pass has this knob; there are: group-m, "),
            (
                "c:tile-q=1",
                "no pass of op 'c' has this knob; there are: group-m, ",
            ),
            (
                "d:tile-m=1",
                "no pass of the plan names op 'd'; it names: a, b, c",
            ),
        ] {
            let error = set(&mut plan(), edit).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
