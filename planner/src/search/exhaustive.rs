//! Every legal plan in a fixed order, the heuristic's fusions first.
//!
//! Fit for spaces of thousands of plans, as those of attention and of norms; a
//! matmul's has about a million, and an end of the budget cuts the order off. A [`Grid`]
//! names a part of it.

use std::collections::HashSet;

use kforge_runtime::DeviceDescription;

use super::{Grid, evidence, space::Point, space::Space};
use crate::{
    attempt::Attempt,
    plan::Plan,
    problem::Problem,
    propose::{Propose, ProposeError},
};

/// The planner. It keeps its place for one problem and device; another begins anew.
#[derive(Clone, Debug, Default)]
pub struct Exhaustive {
    grid: Option<Grid>,
    place: Option<Place>,
}

#[derive(Clone, Debug)]
struct Place {
    space: Space,
    next: Option<Point>,
}

impl Exhaustive {
    /// At the first plan.
    pub fn new() -> Self {
        Self::default()
    }

    /// At the first plan of a grid.
    pub fn of(grid: Grid) -> Self {
        Self {
            grid: Some(grid),
            place: None,
        }
    }
}

impl Propose for Exhaustive {
    fn name(&self) -> &str {
        "exhaustive"
    }

    fn propose(
        &mut self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
        count: usize,
    ) -> Result<Vec<Plan>, ProposeError> {
        let space = Space::new(problem, device);
        let space = match &self.grid {
            Some(grid) => space.narrowed(grid),
            None => space,
        };
        let same = self.place.take().filter(|place| place.space == space);
        let mut place = same.unwrap_or_else(|| Place {
            next: space.begins().then(|| space.first()),
            space,
        });
        let seen: HashSet<Point> = evidence::seen(&place.space, history);
        let mut plans = Vec::new();
        while plans.len() < count
            && let Some(point) = place.next.take()
        {
            place.next = place.space.after(&point);
            if !seen.contains(&point) {
                plans.push(place.space.plan(&point, "exhaustive"));
            }
        }
        self.place = Some(place);
        Ok(plans)
    }
}
