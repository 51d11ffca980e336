//! What a history says about a space.
//!
//! Attempts on the same problem and device are observations of points; those on other
//! shapes or devices, as an archive offers them, are a hint where to begin and rows
//! for the cost model.

use std::collections::HashSet;

use fastrand::Rng;

use super::{
    schedules::{Schedules, Values},
    space::{Point, Space},
};
use crate::{
    attempt::Attempt,
    plan::Plan,
    problem::{OpShape, PlannedOp, Problem},
};

/// Near problems whose best plans are tried.
const NEAR: usize = 3;

/// A number generator that depends on the seed and on what was tried, not on when.
pub(super) fn rng(seed: u64, history: &[Attempt]) -> Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for attempt in history {
        hasher.update(attempt.id.as_bytes());
        hasher.update(&[0]);
    }
    let hash = hasher.finalize();
    let bytes = hash.as_bytes().first_chunk::<8>();
    Rng::with_seed(bytes.map_or(seed, |bytes| u64::from_le_bytes(*bytes)))
}

/// The points whose kernels the history holds.
pub(super) fn seen(space: &Space, history: &[Attempt]) -> HashSet<Point> {
    let own = history.iter().filter(|attempt| space.is_for(&attempt.plan));
    let points = own.filter_map(|attempt| space.point(&attempt.plan));
    points.map(|point| on_grid(space, point)).collect()
}

/// The point with the same kernels that a search would draw.
fn on_grid(space: &Space, mut point: Point) -> Point {
    for (op, schedule) in space.ops().iter().zip(&mut point.schedules) {
        *schedule = schedule.take().map(|values| op.on_grid(values));
    }
    point
}

/// A point that was tried, with its time in milliseconds if it passed.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub point: Point,
    pub ms: Option<f64>,
}

/// The attempts on this very problem and device.
pub(super) fn observations(space: &Space, history: &[Attempt]) -> Vec<Observation> {
    let own = history.iter().filter(|attempt| space.is_for(&attempt.plan));
    own.filter_map(|attempt| {
        Some(Observation {
            point: space.read(&attempt.plan)?,
            ms: time(attempt),
        })
    })
    .collect()
}

/// A time that can be compared.
pub(super) fn time(attempt: &Attempt) -> Option<f64> {
    attempt.ms().filter(|ms| ms.is_finite() && *ms > 0.0)
}

/// The best plans of other problems and devices, the nearest problem's first.
pub(super) fn near<'h>(space: &Space, history: &'h [Attempt]) -> Vec<(&'h Problem, &'h Plan)> {
    struct Best<'h> {
        problem: &'h Problem,
        plan: &'h Plan,
        ms: f64,
    }
    let mut groups: Vec<Best> = Vec::new();
    for attempt in history
        .iter()
        .filter(|attempt| !space.is_for(&attempt.plan))
    {
        let (Some(problem), Some(ms)) = (&attempt.plan.problem, time(attempt)) else {
            continue;
        };
        let plan = &attempt.plan;
        let same =
            |it: &&mut Best| it.problem.module == problem.module && it.plan.device == plan.device;
        match groups.iter_mut().find(same) {
            Some(best) if best.ms <= ms => {}
            Some(best) => *best = Best { problem, plan, ms },
            None => groups.push(Best { problem, plan, ms }),
        }
    }
    let mut near: Vec<(f64, &Problem, &Plan)> = groups
        .into_iter()
        .map(|it| (apart(space.problem(), it.problem), it.problem, it.plan))
        .filter(|(distance, ..)| distance.is_finite())
        .collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0));
    near.truncate(NEAR);
    near.into_iter()
        .map(|(_, problem, plan)| (problem, plan))
        .collect()
}

/// Another problem's plan as a point of this space: its fusions, and per op the
/// schedule of the op there that is most like it.
pub(super) fn transfer(space: &Space, problem: &Problem, plan: &Plan) -> Point {
    let runs = |pass: &&str| plan.passes.iter().any(|step| step.pass == *pass);
    let on = space.fusions().iter().map(runs).collect();
    space.complete(on, |_, op| nearest(op, problem, plan))
}

fn nearest(op: &Schedules, problem: &Problem, plan: &Plan) -> Option<Values> {
    let pass = op.shape().pass();
    let steps = plan.passes.iter().filter(|step| step.pass == pass);
    let stated = steps.flat_map(|step| {
        let names = |it: &&PlannedOp| match &step.op {
            Some(names) => names.split('+').any(|name| name == it.name),
            None => true,
        };
        let ops = problem.ops.iter().filter(|it| it.shape.pass() == pass);
        ops.filter(names)
            .map(move |it| (distance(op.shape(), &it.shape), step))
    });
    let (_, step) = stated.min_by(|a, b| a.0.total_cmp(&b.0))?;
    op.read(|knob| step.integer(knob))
}

/// Per op of `a` the distance to the nearest op of `b`, summed; infinite without any.
pub(super) fn apart(a: &Problem, b: &Problem) -> f64 {
    let nearest = |op: &PlannedOp| {
        let all = b.ops.iter().map(|it| distance(&op.shape, &it.shape));
        // An op of a kind that the other problem lacks is far, not out of reach.
        all.fold(f64::INFINITY, f64::min).min(FAR)
    };
    let distances: Vec<f64> = a.ops.iter().map(nearest).collect();
    match distances.iter().all(|distance| *distance >= FAR) {
        true => f64::INFINITY,
        false => distances.iter().sum(),
    }
}

/// More than any two sizes are apart.
const FAR: f64 = 1000.0;

/// How far two ops of one kind are apart: the sum over their sizes of the ratio's
/// binary logarithm, and 1 for another element type; infinite for other kinds.
fn distance(a: &OpShape, b: &OpShape) -> f64 {
    if a.kind() != b.kind() {
        return f64::INFINITY;
    }
    let sizes = sizes(a).into_iter().zip(sizes(b));
    let apart = sizes.map(|(a, b)| (a - b).abs()).sum::<f64>();
    apart + f64::from(u8::from(a.element().bytes() != b.element().bytes()))
}

/// Binary logarithms of an op's sizes.
pub(super) fn sizes(shape: &OpShape) -> Vec<f64> {
    let log = |size: u64| (size.max(1) as f64).log2();
    shape.sizes().into_iter().map(log).collect()
}
