//! Reports: what is counted, what the page lets through, runs of every size.

#![allow(clippy::unwrap_used, clippy::panic)]

mod counts;
mod effects;
mod pages;
mod several;

use kforge_planner::{Attempt, Outcome, Plan, Problem, plan::Step, report::Run};
use kforge_runtime::{DeviceDescription, device::Target};

/// A plan of one tiled product.
pub fn plan(planner: &str, tile_m: i64, stages: i64) -> Plan {
    let mut plan = Plan::new(Target::Gpu, Default::default());
    let knobs = [("tile-m", tile_m), ("stages", stages)];
    plan.passes = vec![Step::schedule("kforge-tile-matmul", "up", &knobs)];
    plan.provenance.planner = planner.into();
    plan
}

/// It passed in `ms`, where the default takes 1 ms.
pub fn verified(plan: Plan, ms: f64) -> Attempt {
    let outcome = Outcome::Verified {
        ms,
        speedup: 1.0 / ms,
        levels: vec!["quick".into()],
        worst_ratio: 0.25,
    };
    let id = plan.id();
    Attempt { id, plan, outcome }
}

/// It did not pass.
pub fn refused(plan: Plan, reason: &str, detail: &str) -> Attempt {
    let outcome = Outcome::Refused {
        reason: reason.into(),
        detail: detail.into(),
    };
    let id = plan.id();
    Attempt { id, plan, outcome }
}

/// A run of these attempts; the fastest is the accepted one.
pub fn run(attempts: Vec<Attempt>) -> Run {
    let timed = attempts.iter().filter(|it| it.ms().is_some());
    let best = timed.min_by(|a, b| a.ms().unwrap().total_cmp(&b.ms().unwrap()));
    Run {
        problem: Problem {
            module: "0".into(),
            workload: "matmul 64x64x64 f32".into(),
            ops: Vec::new(),
        },
        device: DeviceDescription {
            name: "test".into(),
            backend: "vulkan".into(),
            ..DeviceDescription::default()
        },
        planner: "evolve".into(),
        baseline: best.map(|_| verified(plan("heuristic", 8, 1), 1.0)),
        best: best.cloned(),
        prior: 0,
        attempts,
        ended: None,
        seconds: 12.0,
        acceptance_seconds: 3.0,
        spread: Default::default(),
        peer: None,
        sizes: Default::default(),
        roofline_ms: None,
    }
}
