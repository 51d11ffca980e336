//! A device made up of formulas: how many candidates a search needs.
//!
//! The margins are wide; what is held is the order of the searches, not their speed.

use kforge_planner::{
    Attempt, Plan, Problem, Propose,
    problem::OpShape,
    search::{Evolve, Random, Space},
};
use kforge_runtime::DeviceDescription;

use crate::{gpu, matmul, op, problem, refused, verified};

/// Candidates after which a search counts as not having found anything.
const MOST: usize = 240;
/// Candidates per proposal.
const BATCH: usize = 6;
/// Five were too few: the draws follow the plans' text, and with it the medians moved.
const SEEDS: [u64; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// A device small enough to look at every plan.
fn device() -> DeviceDescription {
    gpu(4096, 64)
}

fn problem_of(m: u64, n: u64, k: u64) -> Problem {
    problem(vec![op("up", matmul(m, n, k))])
}

/// Milliseconds of a schedule: reuse, registers, occupancy, vectors, latency, whole
/// waves of workgroups, padding, each pulling its own way. `None`: the driver fails.
fn time(shape: &OpShape, knob: impl Fn(&str) -> i64) -> Option<f64> {
    let OpShape::Matmul { m, n, k, .. } = *shape else {
        panic!("{shape}");
    };
    let (m, n, k) = (m as f64, n as f64, k as f64);
    let get = |name: &str| knob(name) as f64;
    let (tile_m, tile_n, tile_k) = (get("tile-m"), get("tile-n"), get("tile-k"));
    let share = get("thread-m") * get("thread-n");
    let off = |value: f64, best: f64| (value / best).log2().abs();
    let invocations = tile_m * tile_n / share;
    if get("stages") == 3.0 && get("unroll") == 8.0 {
        return None;
    }
    let rows = (m / tile_m).ceil();
    let columns = (n / tile_n).ceil();
    let groups = rows * columns * get("split-k");
    let waves = (groups / 48.0).ceil() * 48.0 / groups;
    let padding = rows * tile_m * columns * tile_n / (m * n);
    let factors = [
        1.0 + 12.0 * (tile_m + tile_n) / (tile_m * tile_n),
        1.0 + 0.1 * off(share, 16.0),
        1.0 + 0.2 * off(invocations, 64.0),
        1.0 + 0.3 * off(get("vector-width"), 4.0),
        1.0 + 0.1 * (get("stages") - 2.0).abs(),
        1.0 + 0.05 * off(tile_k, 8.0),
        1.0 + 0.03 * (get("unroll") - 4.0).abs(),
        1.0 + 0.04 * off(get("group-m"), 4.0),
        1.0 + 0.06 * off(get("split-k"), 1.0),
        waves,
        padding,
    ];
    Some(m * n * k * 1e-9 * factors.iter().product::<f64>())
}

fn attempt(plan: Plan) -> Attempt {
    let shape = plan.problem.as_ref().unwrap().ops[0].shape;
    let step = plan.passes.last().unwrap();
    // Fusing costs nothing and gives a little.
    let fused = plan.passes.iter().any(|it| it.pass.contains("activation"));
    match time(&shape, |name| step.integer(name).unwrap()) {
        Some(ms) => verified(plan, if fused { ms } else { ms * 1.1 }),
        None => refused(plan),
    }
}

/// The least time that any plan gives.
fn best(problem: &Problem) -> f64 {
    let space = Space::new(problem, &device());
    let op = &space.ops()[0];
    let times = op
        .iter()
        .filter_map(|values| time(op.shape(), |name| op.value(&values, name).unwrap()));
    times.fold(f64::INFINITY, f64::min)
}

/// Candidates until one has 95 % of the best speed, and all that were tried.
fn search(
    planner: &mut dyn Propose,
    problem: &Problem,
    before: &[Attempt],
    best: f64,
) -> (usize, Vec<Attempt>) {
    let mut history = before.to_vec();
    let mut tried = 0;
    while tried < MOST {
        let plans = planner
            .propose(problem, &device(), &history, BATCH)
            .unwrap();
        assert!(!plans.is_empty());
        for plan in plans {
            tried += 1;
            history.push(attempt(plan));
            let ms = history.last().and_then(Attempt::ms);
            if ms.is_some_and(|ms| best / ms >= 0.95) {
                return (tried, history);
            }
        }
    }
    (MOST, history)
}

fn median(mut counts: Vec<usize>) -> usize {
    counts.sort();
    counts[counts.len() / 2]
}

#[test]
fn evolution_needs_fewer_candidates_than_chance_and_fewer_still_after_a_near_shape() {
    let here = problem_of(384, 512, 256);
    let near = problem_of(512, 512, 256);
    let best_here = best(&here);
    let best_near = best(&near);
    let mut random = Vec::new();
    let mut evolved = Vec::new();
    let mut seeded = Vec::new();
    for seed in SEEDS {
        random.push(search(&mut Random::new(seed), &here, &[], best_here).0);
        evolved.push(search(&mut Evolve::new(seed), &here, &[], best_here).0);
        let (_, archive) = search(&mut Evolve::new(seed + 100), &near, &[], best_near);
        seeded.push(search(&mut Evolve::new(seed), &here, &archive, best_here).0);
    }
    let shown = format!("random {random:?}, evolved {evolved:?}, seeded {seeded:?}");
    println!("{shown}");
    let (random, evolved, seeded) = (median(random), median(evolved), median(seeded));
    assert!(evolved * 3 < random * 2, "{shown}");
    assert!(seeded < evolved, "{shown}");
}
