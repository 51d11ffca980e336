//! The plans of a problem on a device: fusions on or off, and a schedule for every op
//! that they leave.
//!
//! A fusion is a choice where the problem says that it makes or takes away an op, and
//! that of activations wherever there is a matmul, since it changes no op that has
//! knobs. The other passes of a heuristic plan stand in every plan. An op that no
//! schedule fits has none, and what fuses it away is still searched.

use fastrand::Rng;
use kforge_dialect::device::Device;
use kforge_runtime::{DeviceDescription, device::Target};

use super::{
    Grid,
    schedules::{DRAWS, Schedules, Values},
};
use crate::{
    device,
    heuristic::{self, FUSE},
    plan::{Knobs, Plan, Provenance, Step, device_of},
    problem::{PlannedOp, Problem},
};

/// Fuses activations into matmuls.
const ACTIVATION: &str = "kforge-fuse-matmul-activation";
/// Fuses two products with what stands between them; not part of a heuristic plan.
pub(super) const MLP: &str = "kforge-fuse-mlp-block";

/// One plan of a [`Space`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    /// Per fusion of [`Space::fusions`], whether it runs.
    pub on: Vec<bool>,
    /// Per op of the problem its schedule; `None` for ops that the fusions leave out.
    pub schedules: Vec<Option<Values>>,
}

/// All plans that a search may propose.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    problem: Problem,
    target: Target,
    limits: Knobs,
    device: Device,
    fusions: Vec<&'static str>,
    ops: Vec<Schedules>,
    /// Per op the heuristic's schedule or else the first that fits, if one does.
    usual: Vec<Option<Values>>,
}

impl Space {
    /// The plans for `problem` on `device`.
    pub fn new(problem: &Problem, device: &DeviceDescription) -> Self {
        Self::within(problem, &Plan::new(device.target, device::limits(device)))
    }

    /// The space that a plan is of, if it says its problem.
    pub fn of(plan: &Plan) -> Option<Self> {
        Some(Self::within(plan.problem.as_ref()?, plan))
    }

    /// The plans for `problem` within the target and limits of a plan.
    fn within(problem: &Problem, plan: &Plan) -> Self {
        let device = device_of(plan);
        let matters = |pass: &&str| {
            let by = |it: &Option<String>| it.as_deref() == Some(*pass);
            let mut ops = problem.ops.iter();
            match *pass {
                ACTIVATION => ops.any(|op| op.shape.kind() == "matmul"),
                _ => ops.any(|op| by(&op.made_by) || by(&op.gone_after)),
            }
        };
        let known = FUSE.iter().copied().chain([MLP]);
        let fusions = known.filter(|pass| pass.starts_with("kforge-fuse-"));
        let schedules = |op: &PlannedOp| Schedules::new(op.shape, device.clone());
        let ops: Vec<Schedules> = problem.ops.iter().map(schedules).collect();
        let usual = |(op, space): (&PlannedOp, &Schedules)| {
            let guess = heuristic::schedule(op, &device);
            let values = space.read(|knob| guess.integer(knob));
            let fits = values.filter(|values| space.is_legal(values));
            fits.or_else(|| space.first())
        };
        Self {
            problem: problem.clone(),
            target: plan.target,
            limits: plan.device.clone(),
            fusions: fusions.filter(matters).collect(),
            usual: problem.ops.iter().zip(&ops).map(usual).collect(),
            device,
            ops,
        }
    }

    /// The part with the heuristic's fusions and a grid's values.
    pub fn narrowed(mut self, grid: &Grid) -> Self {
        self.fusions.clear();
        let ops = self.ops.into_iter().zip(&self.usual);
        self.ops = ops
            .map(|(op, usual)| match usual {
                Some(usual) => op.narrowed(grid, usual),
                None => op,
            })
            .collect();
        self
    }

    /// What the plans are for.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The device's limits.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The passes that a plan may have or not have.
    pub fn fusions(&self) -> &[&'static str] {
        &self.fusions
    }

    /// The schedules of each op of the problem.
    pub fn ops(&self) -> &[Schedules] {
        &self.ops
    }

    /// Whether a plan was made for this problem and this device.
    pub fn is_for(&self, plan: &Plan) -> bool {
        let problem = plan.problem.as_ref();
        plan.target == self.target
            && plan.device == self.limits
            && problem.is_none_or(|it| it.module == self.problem.module)
    }

    /// How many plans there are, at most 2^128 - 1.
    pub fn count(&self) -> u128 {
        self.sizes().into_iter().fold(0, u128::saturating_add)
    }

    /// How many plans each choice of fusions has.
    pub(super) fn sizes(&self) -> Vec<u128> {
        let counts = self.counts();
        let plans = |on: Vec<bool>| {
            let there = self.there(&on).into_iter().zip(&counts);
            let searched = there.filter(|(there, count)| *there && **count > 0);
            searched.fold(1u128, |all, (_, count)| {
                all.saturating_mul(u128::from(*count))
            })
        };
        self.choices().map(plans).collect()
    }

    /// Legal schedules per op; equal ops are counted once.
    fn counts(&self) -> Vec<u64> {
        let mut counts: Vec<u64> = Vec::with_capacity(self.ops.len());
        for (index, op) in self.ops.iter().enumerate() {
            let twin = self.ops[..index]
                .iter()
                .position(|it| it.shape() == op.shape());
            counts.push(twin.map_or_else(|| op.count(), |twin| counts[twin]));
        }
        counts
    }

    /// Every choice of fusions, the heuristic's first.
    fn choices(&self) -> impl Iterator<Item = Vec<bool>> {
        (0..1_usize << self.fusions.len()).map(|number| self.choice(number))
    }

    fn choice(&self, number: usize) -> Vec<bool> {
        let usual = self.fusions.iter().map(|pass| FUSE.contains(pass));
        usual
            .enumerate()
            .map(|(bit, usual)| usual ^ (number >> bit & 1 == 1))
            .collect()
    }

    /// The passes before the schedules.
    pub(super) fn passes(&self, on: &[bool]) -> Vec<&'static str> {
        let (last, first) = FUSE
            .split_last()
            .map_or((None, FUSE), |(l, f)| (Some(l), f));
        let known = first.iter().copied().chain([MLP]).chain(last.copied());
        let runs = |pass: &&str| match self.fusions.iter().position(|it| it == pass) {
            Some(fusion) => on.get(fusion).copied().unwrap_or(false),
            None => FUSE.contains(pass),
        };
        known.filter(runs).collect()
    }

    /// Per op of the problem whether the fusions leave it to be scheduled.
    pub fn there(&self, on: &[bool]) -> Vec<bool> {
        let passes = self.passes(on);
        let ops = self.problem.ops.iter();
        ops.map(|op| op.is_there(&passes)).collect()
    }

    /// The plan that a point is.
    pub fn plan(&self, point: &Point, planner: &str) -> Plan {
        let mut plan = Plan::new(self.target, self.limits.clone());
        plan.problem = Some(self.problem.clone());
        plan.provenance = Provenance {
            planner: planner.to_owned(),
            ..Provenance::default()
        };
        plan.passes = self.steps(point);
        plan
    }

    fn steps(&self, point: &Point) -> Vec<Step> {
        let passes = self.passes(&point.on).into_iter().map(Step::new);
        let ops = self.problem.ops.iter().zip(&self.ops);
        let schedules = ops
            .zip(&point.schedules)
            .filter_map(|((op, space), values)| {
                let knobs = space.named(values.as_ref()?);
                Some(Step::schedule(op.shape.pass(), &op.name, &knobs))
            });
        passes.chain(schedules).collect()
    }

    /// The heuristic's point.
    pub fn guess(&self) -> Point {
        self.complete(self.choice(0), |_, _| None)
    }

    /// The point nearest to what a plan for this problem says; `None` where it says
    /// schedules that do not fit. Knobs may lie off the grid.
    pub fn read(&self, plan: &Plan) -> Option<Point> {
        let on: Vec<bool> = self
            .fusions
            .iter()
            .map(|pass| plan.passes.iter().any(|step| step.pass == *pass))
            .collect();
        let there = self.there(&on);
        let mut schedules = Vec::with_capacity(self.ops.len());
        for (index, there) in there.into_iter().enumerate() {
            if !there || self.usual[index].is_none() {
                schedules.push(None);
                continue;
            }
            let space = &self.ops[index];
            let values = stated(plan, &self.problem.ops[index].name, space);
            schedules.push(Some(values.filter(|values| space.is_legal(values))?));
        }
        Some(Point { on, schedules })
    }

    /// The point whose plan does exactly what `plan` does.
    pub fn point(&self, plan: &Plan) -> Option<Point> {
        let point = self.read(plan)?;
        (self.steps(&point) == plan.passes).then_some(point)
    }

    /// A point with this choice of fusions: per op what `wanted` says where that fits,
    /// else the heuristic's schedule, else the first.
    pub fn complete(
        &self,
        on: Vec<bool>,
        mut wanted: impl FnMut(usize, &Schedules) -> Option<Values>,
    ) -> Point {
        let schedule = |(index, there): (usize, bool)| {
            // Nothing to say about an op that is not there or that nothing fits.
            let usual = self.usual[index].as_ref().filter(|_| there)?;
            let space = &self.ops[index];
            let wanted = wanted(index, space).filter(|values| space.is_legal(values));
            Some(wanted.unwrap_or_else(|| usual.clone()))
        };
        let there = self.there(&on).into_iter().enumerate();
        let schedules = there.map(schedule).collect();
        Point { on, schedules }
    }

    /// Whether there is a schedule for every op that some schedule fits; in a grid there
    /// may be none.
    pub(super) fn begins(&self) -> bool {
        let ops = self.ops.iter().zip(&self.usual);
        ops.into_iter()
            .all(|(op, usual)| usual.is_none() || op.first().is_some())
    }

    /// The first point of [`Space::after`]'s order.
    pub fn first(&self) -> Point {
        self.first_with(self.choice(0))
    }

    fn first_with(&self, on: Vec<bool>) -> Point {
        let there = self.there(&on).into_iter().zip(&self.ops);
        let schedules = there
            .map(|(there, op)| if there { op.first() } else { None })
            .collect();
        Point { on, schedules }
    }

    /// The point after one of the grid: the last op's schedule fastest, fusions slowest.
    pub fn after(&self, point: &Point) -> Option<Point> {
        let mut next = point.clone();
        for (schedule, op) in next.schedules.iter_mut().zip(&self.ops).rev() {
            let Some(values) = schedule else { continue };
            match op.after(values) {
                Some(values) => {
                    *schedule = Some(values);
                    return Some(next);
                }
                None => *schedule = op.first(),
            }
        }
        let mut choices = self.choices().skip_while(|on| *on != point.on);
        choices.nth(1).map(|on| self.first_with(on))
    }

    /// All points in order.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        std::iter::successors(Some(self.first()), |point| self.after(point))
    }

    /// A point for any choice of fusions with schedules by chance.
    pub fn sample(&self, rng: &mut Rng) -> Point {
        let choice = rng.usize(0..1 << self.fusions.len());
        self.sample_with(choice, rng)
    }

    /// A point with the `choice`-th choice of fusions, each as likely as any other.
    pub(super) fn sample_with(&self, choice: usize, rng: &mut Rng) -> Point {
        let on = self.choice(choice);
        let there = self.there(&on).into_iter().zip(&self.ops);
        let schedules = there
            .map(|(there, op)| there.then(|| op.sample(rng, DRAWS)).flatten())
            .collect();
        Point { on, schedules }
    }
}

/// The schedule that a plan states for an op, or its pass's defaults.
fn stated(plan: &Plan, op: &str, space: &Schedules) -> Option<Values> {
    let pass = space.shape().pass();
    let names = |step: &&Step| {
        step.op
            .as_ref()
            .is_none_or(|names| names.split('+').any(|name| name == op))
    };
    let mut steps = plan.passes.iter().filter(|step| step.pass == pass);
    let step = steps.find(names);
    let default = || Step::new(pass);
    let step = step.cloned().unwrap_or_else(default);
    space.read(|knob| step.integer(knob))
}
