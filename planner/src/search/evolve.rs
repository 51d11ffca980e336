//! Evolution guided by the cost model: what was fast is varied, the model says which
//! variants to measure.
//!
//! It begins with the heuristic's plan and the best plans of near problems in the
//! history. Until the model has [`FEWEST`](super::cost) observations it tries
//! neighbours of the best and points by chance.

use std::collections::HashSet;

use fastrand::Rng;
use kforge_runtime::DeviceDescription;

use super::{
    cost::Cost,
    evidence::{self, Observation},
    space::{Point, Space},
    vary,
};
use crate::{
    attempt::Attempt,
    plan::Plan,
    problem::Problem,
    propose::{Propose, ProposeError},
};

/// Measured points that are varied.
const PARENTS: usize = 8;
/// Points of one generation.
const POPULATION: usize = 64;
/// Generations per proposal; only the last one's best are measured.
const GENERATIONS: usize = 4;
/// One in so many proposals is there to learn from, not to win.
const EXPLORE: u32 = 6;
/// Points looked at in order when variation finds nothing new.
const SWEEP: usize = 4096;

/// The planner: a pure function of its seed and the history.
#[derive(Clone, Copy, Debug)]
pub struct Evolve {
    seed: u64,
}

impl Evolve {
    /// Draws from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Propose for Evolve {
    fn name(&self) -> &str {
        "evolve"
    }

    fn propose(
        &mut self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
        count: usize,
    ) -> Result<Vec<Plan>, ProposeError> {
        let space = Space::new(problem, device);
        let mut rng = evidence::rng(self.seed, history);
        let mut choice = Choice {
            seen: evidence::seen(&space, history),
            points: Vec::new(),
            count,
        };
        let starts = starts(&space, history);
        choice.extend(starts.iter().cloned());
        let parents = parents(&space, history, starts);
        if !choice.is_full() {
            match Cost::learn(&space, history, self.seed) {
                Some(cost) => guided(&space, &cost, &parents, &mut choice, &mut rng),
                None => unguided(&space, &parents, &mut choice, &mut rng),
            }
        }
        if !choice.is_full() {
            choice.extend(space.points().take(SWEEP));
        }
        let plans = choice.points.iter();
        Ok(plans.map(|point| space.plan(point, "evolve")).collect())
    }
}

/// Points to propose: none twice, none that was tried.
struct Choice {
    seen: HashSet<Point>,
    points: Vec<Point>,
    count: usize,
}

impl Choice {
    fn is_full(&self) -> bool {
        self.points.len() >= self.count
    }

    fn extend(&mut self, points: impl IntoIterator<Item = Point>) {
        for point in points {
            if self.is_full() {
                return;
            }
            if self.seen.insert(point.clone()) {
                self.points.push(point);
            }
        }
    }
}

/// Where a search begins: the heuristic's point and those of near problems.
fn starts(space: &Space, history: &[Attempt]) -> Vec<Point> {
    let near = evidence::near(space, history).into_iter();
    let near = near.map(|(problem, plan)| evidence::transfer(space, problem, plan));
    std::iter::once(space.guess()).chain(near).collect()
}

/// The fastest points so far, fastest first; before there are any, the starts.
fn parents(space: &Space, history: &[Attempt], starts: Vec<Point>) -> Vec<Point> {
    let observed = evidence::observations(space, history).into_iter();
    let mut fast: Vec<(f64, Point)> = observed
        .filter_map(|Observation { point, ms }| Some((ms?, point)))
        .collect();
    fast.sort_by(|a, b| a.0.total_cmp(&b.0));
    fast.truncate(PARENTS);
    match fast.is_empty() {
        true => starts,
        false => fast.into_iter().map(|(_, point)| point).collect(),
    }
}

/// Neighbours of the best and points by chance, in turn.
fn unguided(space: &Space, parents: &[Point], choice: &mut Choice, rng: &mut Rng) {
    let mut near: Vec<Point> = parents
        .iter()
        .take(2)
        .flat_map(|parent| vary::neighbours(space, parent))
        .collect();
    rng.shuffle(&mut near);
    for point in near {
        choice.extend([point, space.sample(rng)]);
    }
}

/// Some generations on the model; then the best of all that came up, and some others.
fn guided(space: &Space, cost: &Cost, parents: &[Point], choice: &mut Choice, rng: &mut Rng) {
    let mut pool: Vec<(f64, Point)> = Vec::new();
    let mut known: HashSet<Point> = HashSet::new();
    let mut young: Vec<Point> = parents.to_vec();
    young.extend(
        parents
            .iter()
            .take(2)
            .flat_map(|it| vary::neighbours(space, it)),
    );
    young.extend((0..POPULATION / 4).map(|_| space.sample(rng)));
    for generation in 0..=GENERATIONS {
        young.retain(|point| known.insert(point.clone()));
        let Some(costs) = cost.of(space, &young) else {
            break;
        };
        pool.extend(costs.into_iter().zip(young.drain(..)));
        pool.sort_by(|a, b| a.0.total_cmp(&b.0));
        if generation < GENERATIONS {
            young = children(space, &pool, rng);
        }
    }
    pool.retain(|(_, point)| !choice.seen.contains(point));
    let mut best = pool.into_iter().map(|(_, point)| point);
    while !choice.is_full() {
        let next = match rng.u32(0..EXPLORE) {
            0 => explored(space, parents, rng),
            _ => best.next(),
        };
        let had = choice.points.len();
        choice.extend(next);
        if choice.points.len() == had && best.len() == 0 {
            return;
        }
    }
}

/// A step from a fast point that the model had no say in, or a point by chance.
fn explored(space: &Space, parents: &[Point], rng: &mut Rng) -> Option<Point> {
    match rng.bool() {
        true => vary::mutate(space, rng.choice(parents)?, rng),
        false => Some(space.sample(rng)),
    }
}

/// The next generation of a pool that is sorted by cost.
fn children(space: &Space, pool: &[(f64, Point)], rng: &mut Rng) -> Vec<Point> {
    let elite = &pool[..pool.len().min(POPULATION / 2)];
    let mut young = Vec::with_capacity(POPULATION);
    for _ in 0..POPULATION {
        let (Some((_, a)), Some((_, b))) = (rng.choice(elite), rng.choice(elite)) else {
            break;
        };
        let child = match rng.bool() {
            true => Some(vary::cross(space, a, b, rng)),
            false => vary::mutate(space, a, rng),
        };
        young.extend(child);
    }
    young
}
