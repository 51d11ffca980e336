//! Legal plans by chance, each as likely as any other: what a cleverer search must beat.

use fastrand::Rng;
use kforge_runtime::DeviceDescription;

use super::{evidence, space::Space};
use crate::{
    attempt::Attempt,
    plan::Plan,
    problem::Problem,
    propose::{Propose, ProposeError},
};

/// Draws per wanted plan before a space counts as used up; those drawn before are
/// passed over.
const DRAWS: usize = 64;

/// The planner: a pure function of its seed and the history.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    /// The last space with the sizes of its parts, which take longest to find.
    known: Option<(Space, Vec<f64>)>,
}

impl Random {
    /// Draws from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, known: None }
    }
}

impl Propose for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn propose(
        &mut self,
        problem: &Problem,
        device: &DeviceDescription,
        history: &[Attempt],
        count: usize,
    ) -> Result<Vec<Plan>, ProposeError> {
        let space = Space::new(problem, device);
        let known = self.known.take().filter(|(known, _)| *known == space);
        let (space, sizes) = known.unwrap_or_else(|| {
            // One choice of fusions needs no weights.
            let sizes = match space.fusions() {
                [] => vec![1.0],
                _ => space.sizes().into_iter().map(|size| size as f64).collect(),
            };
            (space, sizes)
        });
        let mut rng = evidence::rng(self.seed, history);
        let mut seen = evidence::seen(&space, history);
        let mut plans = Vec::new();
        for _ in 0..count.saturating_mul(DRAWS) {
            if plans.len() == count {
                break;
            }
            let point = space.sample_with(weighted(&sizes, &mut rng), &mut rng);
            if seen.insert(point.clone()) {
                plans.push(space.plan(&point, "random"));
            }
        }
        self.known = Some((space, sizes));
        Ok(plans)
    }
}

/// An index, as likely as its weight says.
fn weighted(weights: &[f64], rng: &mut Rng) -> usize {
    let mut left = rng.f64() * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    weights.len().saturating_sub(1)
}
