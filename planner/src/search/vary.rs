//! Variation of points: steps along a knob's values, mixtures of two parents.
//!
//! What comes out is legal; a change that fits nothing gives nothing.

use fastrand::Rng;

use super::{
    schedules::{Schedules, Values},
    space::{Point, Space},
};

/// Attempts at a legal change before a variation gives up.
const TRIES: usize = 16;

/// The value next to `value`, above or below; from off the grid onto it.
fn beside(values: &[i64], value: i64, up: bool) -> Option<i64> {
    match up {
        true => values.iter().find(|it| **it > value).copied(),
        false => values.iter().rev().find(|it| **it < value).copied(),
    }
}

/// Every legal point one step away: one knob of one op, or one fusion.
pub(super) fn neighbours(space: &Space, point: &Point) -> Vec<Point> {
    let mut found = Vec::new();
    for (index, op) in space.ops().iter().enumerate() {
        let Some(values) = &point.schedules[index] else {
            continue;
        };
        for axis in 0..values.len() {
            for up in [false, true] {
                let Some(value) = beside(op.axis(axis), values[axis], up) else {
                    continue;
                };
                let mut next = values.clone();
                next[axis] = value;
                if op.is_candidate(&next) {
                    let mut point = point.clone();
                    point.schedules[index] = Some(next);
                    found.push(point);
                }
            }
        }
    }
    found.extend((0..space.fusions().len()).map(|fusion| flip(space, point, fusion)));
    found
}

/// The same with a fusion the other way round; ops that appear get usual schedules.
fn flip(space: &Space, point: &Point, fusion: usize) -> Point {
    let mut on = point.on.clone();
    on[fusion] = !on[fusion];
    space.complete(on, |index, _| point.schedules[index].clone())
}

/// One to three steps on one op, at times on its equals too, or a fusion the other
/// way round.
pub(super) fn mutate(space: &Space, point: &Point, rng: &mut Rng) -> Option<Point> {
    let fusions = space.fusions().len();
    if fusions > 0 && rng.u8(0..8) == 0 {
        return Some(flip(space, point, rng.usize(0..fusions)));
    }
    let there = (0..point.schedules.len()).filter(|index| point.schedules[*index].is_some());
    let there: Vec<usize> = there.collect();
    let index = *rng.choice(&there)?;
    let op = &space.ops()[index];
    let old = point.schedules[index].as_ref()?;
    let new = (0..TRIES).find_map(|_| stepped(op, old, rng))?;
    let mut next = point.clone();
    // Layers repeat their ops: what is good for one is good for all.
    let with_equals = rng.bool();
    for (schedule, twin) in next.schedules.iter_mut().zip(space.ops()) {
        if with_equals && twin.shape() == op.shape() && schedule.as_ref() == Some(old) {
            *schedule = Some(new.clone());
        }
    }
    next.schedules[index] = Some(new);
    Some(next)
}

fn stepped(op: &Schedules, values: &Values, rng: &mut Rng) -> Option<Values> {
    let mut next = values.clone();
    for _ in 0..rng.usize(1..=3) {
        let axis = rng.usize(0..next.len());
        if let Some(value) = beside(op.axis(axis), next[axis], rng.bool()) {
            next[axis] = value;
        }
    }
    (next != *values && op.is_candidate(&next)).then_some(next)
}

/// Fusions of one parent; per op the schedule of either, or knobs of both.
pub(super) fn cross(space: &Space, a: &Point, b: &Point, rng: &mut Rng) -> Point {
    let on = if rng.bool() { &a.on } else { &b.on }.clone();
    let choices: Vec<Option<Values>> = a
        .schedules
        .iter()
        .zip(&b.schedules)
        .zip(space.ops())
        .map(|((a, b), op)| match (a, b) {
            (Some(a), Some(b)) => Some(mixed(op, a, b, rng)),
            (one, other) => one.clone().or_else(|| other.clone()),
        })
        .collect();
    space.complete(on, |index, _| choices[index].clone())
}

fn mixed(op: &Schedules, a: &Values, b: &Values, rng: &mut Rng) -> Values {
    let mut mix = || -> Values {
        let pairs = a.iter().zip(b);
        pairs
            .map(|(a, b)| if rng.bool() { *a } else { *b })
            .collect()
    };
    let legal = (0..TRIES).map(|_| mix()).find(|it| op.is_candidate(it));
    legal.unwrap_or_else(|| a.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_back_to_the_grid() {
        let values = [4, 8, 16];
        assert_eq!(beside(&values, 8, true), Some(16));
        assert_eq!(beside(&values, 8, false), Some(4));
        assert_eq!(beside(&values, 12, true), Some(16));
        assert_eq!(beside(&values, 12, false), Some(8));
        assert_eq!(beside(&values, 16, true), None);
        assert_eq!(beside(&values, 4, false), None);
    }
}
