//! What every search planner keeps to.

use std::collections::HashSet;

use kforge_planner::{
    Attempt, Plan, Problem, Propose, check, heuristic,
    problem::PlannedOp,
    propose::Heuristic,
    search::{Evolve, Exhaustive, Grid, Random, Space},
};
use kforge_runtime::DeviceDescription;
use proptest::{collection::vec, prelude::*};

use crate::{
    attention, block, devices, gpu, matmul, op, problem, refused, shape, softmax, verified,
};

fn planners(seed: u64) -> Vec<Box<dyn Propose>> {
    vec![
        Box::new(Heuristic),
        Box::new(Exhaustive::new()),
        Box::new(Random::new(seed)),
        Box::new(Evolve::new(seed)),
    ]
}

/// Proposes and tries `rounds` batches; every third plan is refused.
fn run(
    planner: &mut dyn Propose,
    problem: &Problem,
    device: &DeviceDescription,
    batch: usize,
    rounds: usize,
) -> Vec<Attempt> {
    let mut history = Vec::new();
    for _ in 0..rounds {
        let plans = planner.propose(problem, device, &history, batch).unwrap();
        assert!(plans.len() <= batch);
        for plan in plans {
            let number = history.len();
            history.push(match number % 3 {
                2 => refused(plan),
                _ => verified(plan, 1.0 + (number % 7) as f64),
            });
        }
    }
    history
}

fn ids(history: &[Attempt]) -> Vec<String> {
    history.iter().map(|attempt| attempt.plan.id()).collect()
}

#[test]
fn plans_are_legal_new_and_the_same_each_time() {
    let problems = [
        problem(vec![op("up", matmul(512, 512, 1024))]),
        problem(vec![
            op("a", attention(128, 64)),
            op("s", softmax(64, 4096)),
        ]),
        block(),
    ];
    for problem in &problems {
        for device in [gpu(32768, 256), devices().pop().unwrap()] {
            for (first, second) in planners(3).iter_mut().zip(&mut planners(3)) {
                let history = run(&mut **first, problem, &device, 6, 3);
                for attempt in &history {
                    assert_eq!(check(&attempt.plan, Some(problem)), Ok(()));
                    assert_eq!(attempt.plan.provenance.planner, first.name());
                }
                let tried = ids(&history);
                let different: HashSet<&String> = tried.iter().collect();
                assert_eq!(different.len(), tried.len(), "{}", first.name());
                let again = run(&mut **second, problem, &device, 6, 3);
                assert_eq!(ids(&again), tried, "{}", first.name());
                let enough = if first.name() == "heuristic" { 1 } else { 18 };
                assert_eq!(tried.len(), enough, "{}", first.name());
            }
        }
    }
}

#[test]
fn another_seed_is_another_search() {
    let problem = problem(vec![op("up", matmul(512, 512, 1024))]);
    let device = gpu(32768, 256);
    let plans = |planner: &mut dyn Propose| ids(&run(planner, &problem, &device, 5, 4));
    assert_ne!(plans(&mut Random::new(1)), plans(&mut Random::new(2)));
    assert_ne!(plans(&mut Evolve::new(1)), plans(&mut Evolve::new(2)));
}

#[test]
fn a_cut_off_run_goes_on_as_it_would_have() {
    let problem = problem(vec![op("up", matmul(512, 512, 1024))]);
    let device = gpu(32768, 256);
    for (whole, resumed) in planners(5).iter_mut().zip(&mut planners(5)) {
        let history = run(&mut **whole, &problem, &device, 4, 5);
        let begun = &history[..history.len().min(8)];
        let next = resumed.propose(&problem, &device, begun, 4).unwrap();
        let next: Vec<String> = next.iter().map(Plan::id).collect();
        let would = ids(&history).into_iter().skip(8).take(4);
        assert_eq!(next, would.collect::<Vec<_>>(), "{}", whole.name());
    }
}

#[test]
fn a_small_space_is_used_up_and_then_there_is_no_more() {
    let problem = problem(vec![op("a", attention(128, 64))]);
    let device = gpu(32768, 256);
    let space = Space::new(&problem, &device);
    let count = space.count() as usize;
    assert!((10..1000).contains(&count), "{count}");
    let all: HashSet<String> = space
        .points()
        .map(|point| space.plan(&point, "test").id())
        .collect();
    assert_eq!(all.len(), count);
    let searches: [Box<dyn Propose>; 2] = [Box::new(Exhaustive::new()), Box::new(Evolve::new(1))];
    for mut planner in searches {
        let history = run(&mut *planner, &problem, &device, 4, count / 4 + 2);
        let found: HashSet<String> = ids(&history).into_iter().collect();
        // The heuristic's schedule may lie off the grid.
        let missing = all.difference(&found).count();
        assert_eq!(missing, 0, "{} of {count}", planner.name());
        assert!(found.len() <= count + 1, "{}", planner.name());
        let more = planner.propose(&problem, &device, &history, 4).unwrap();
        assert_eq!(more, [], "{}", planner.name());
    }
}

#[test]
fn a_grid_is_tried_in_full_with_the_other_knobs_of_the_heuristic() {
    let problem = problem(vec![op("a", matmul(512, 512, 512))]);
    let device = gpu(32768, 256);
    let usual = heuristic::propose(&problem, &device);
    let knob = |plan: &Plan, name: &str| {
        let mut steps = plan.passes.iter().filter_map(|step| step.integer(name));
        steps.next().unwrap()
    };
    let grid = Grid::of(["tile-m=32,64", "tile-n=64,32", "stages=1,2,3"]).unwrap();
    let mut planner = Exhaustive::of(grid);
    let plans = planner.propose(&problem, &device, &[], 100).unwrap();
    let found: HashSet<[i64; 3]> = plans
        .iter()
        .map(|plan| ["tile-m", "tile-n", "stages"].map(|name| knob(plan, name)))
        .collect();
    assert_eq!((plans.len(), found.len()), (12, 12));
    for plan in &plans {
        check(plan, Some(&problem)).unwrap();
        for name in ["tile-k", "thread-m", "thread-n", "vector-width", "split-k"] {
            assert_eq!(knob(plan, name), knob(&usual, name), "{name}");
        }
    }
    assert_eq!(planner.propose(&problem, &device, &[], 4).unwrap(), []);
}

#[test]
fn a_number_of_subgroups_gives_no_kernel_a_second_time() {
    let problem = problem(vec![op("a", matmul(512, 512, 512))]);
    let device = gpu(32768, 256);
    let plans = |grid: &[&str], history: &[Attempt]| {
        let grid = Grid::of(grid.iter().copied()).unwrap();
        let mut planner = Exhaustive::of(grid);
        planner.propose(&problem, &device, history, 100).unwrap()
    };
    // What a plan compiles to, apart from the number that is asked for.
    let kernels = |plans: &[Plan]| -> HashSet<String> {
        let mut plans = plans.to_vec();
        for step in plans.iter_mut().flat_map(|plan| &mut plan.passes) {
            step.knobs.remove("subgroups");
        }
        plans.iter().map(Plan::text).collect()
    };
    let all = ["thread-m=4,8", "tile-m=64", "tile-n=64", "thread-n=4"];
    let asked = plans(&[&all[..], &["subgroups=0,4,8"]].concat(), &[]);
    assert_eq!((asked.len(), kernels(&asked).len()), (2, 2));
    // Each number alone selects the kernels that have it.
    let four = plans(&[&all[..], &["subgroups=4"]].concat(), &[]);
    assert_eq!(four.len(), 1);
    assert!(kernels(&asked).is_superset(&kernels(&four)));
    // One that was tried with its number is not tried without.
    let tried = [verified(four[0].clone(), 1.0)];
    let left = plans(&all, &tried);
    assert_eq!(left.len(), 1);
    assert!(kernels(&left).is_disjoint(&kernels(&four)));
}

#[test]
fn a_grid_that_fits_nothing_has_no_plans() {
    let problem = problem(vec![op("a", matmul(512, 512, 512))]);
    let grid = Grid::of(["thread-m=3", "tile-m=64"]).unwrap();
    let plans = Exhaustive::of(grid).propose(&problem, &gpu(32768, 256), &[], 4);
    assert_eq!(plans.unwrap(), []);
}

#[test]
fn evolution_begins_with_the_heuristic_and_near_plans() {
    let device = gpu(32768, 256);
    let near = problem(vec![op("other", matmul(1024, 512, 512))]);
    let far = problem(vec![op("far", matmul(8, 8, 8))]);
    let here = problem(vec![op("up", matmul(1024, 512, 1024))]);
    let mut history = Vec::new();
    for (problem, seed) in [(&far, 1), (&near, 2)] {
        let mut random = Random::new(seed);
        let plans = random.propose(problem, &device, &[], 5).unwrap();
        let times = [5.0, 4.0, 1.0, 3.0, 2.0];
        history.extend(
            plans
                .into_iter()
                .zip(times)
                .map(|(plan, ms)| verified(plan, ms)),
        );
    }
    let best = history[7].plan.clone();
    let plans = Evolve::new(1).propose(&here, &device, &history, 2).unwrap();
    assert_eq!(plans[0].id(), heuristic::propose(&here, &device).id());
    let schedule = |plan: &Plan| plan.passes.last().unwrap().knobs.clone();
    assert_eq!(schedule(&plans[1]), schedule(&best));
    assert_eq!(plans[1].passes.last().unwrap().op.as_deref(), Some("up"));
}

#[test]
fn fusions_are_searched_and_decide_what_is_scheduled() {
    let device = gpu(32768, 256);
    let space = Space::new(&block(), &device);
    let fusions = [
        "kforge-fuse-attention",
        "kforge-fuse-matmul-activation",
        "kforge-fuse-mlp-block",
    ];
    assert_eq!(space.fusions(), fusions);
    let plans = Random::new(1).propose(&block(), &device, &[], 40).unwrap();
    let evolved = run(&mut Evolve::new(1), &block(), &device, 8, 8);
    let evolved: Vec<Plan> = evolved.into_iter().map(|attempt| attempt.plan).collect();
    for fusion in fusions {
        let has = |plan: &Plan| plan.passes.iter().any(|step| step.pass == fusion);
        assert!(plans.iter().any(|plan| !has(plan)), "{fusion}");
        assert!(evolved.iter().any(has), "{fusion}");
        assert!(!evolved.iter().all(has), "{fusion}");
    }
    // What is fused away or not made has no schedule: the judge says so.
    for plan in plans.iter().chain(&evolved) {
        assert_eq!(check(plan, Some(&block())), Ok(()));
    }
    // Without a matmul and without anything made or taken away there is no choice.
    let alone = problem(vec![op("s", softmax(64, 64))]);
    assert!(Space::new(&alone, &device).fusions().is_empty());
}

#[test]
fn an_op_that_nothing_fits_is_left_without_schedule() {
    let op = PlannedOp {
        made_by: Some("kforge-fuse-attention".into()),
        ..op("a", attention(64, 300))
    };
    let problem = problem(vec![op]);
    for planner in &mut planners(1)[1..] {
        let plans = planner.propose(&problem, &gpu(32768, 256), &[], 9).unwrap();
        assert_eq!(
            plans.len(),
            2,
            "{}: with and without fusion",
            planner.name()
        );
        for plan in plans {
            assert_eq!(check(&plan, Some(&problem)), Ok(()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// No search proposes what the judge refuses, and a plan is the point it came from.
    #[test]
    fn proposals_pass_the_check(shapes in vec(shape(), 1..4), device in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let devices = devices();
        let device = device.get(&devices);
        let ops = shapes.into_iter().enumerate().map(|(at, shape)| op(&format!("op{at}"), shape));
        let problem = problem(ops.collect());
        let space = Space::new(&problem, device);
        for planner in &mut planners(seed)[1..] {
            for attempt in run(&mut **planner, &problem, device, 6, 3) {
                prop_assert_eq!(check(&attempt.plan, Some(&problem)), Ok(()));
                let point = space.point(&attempt.plan).unwrap();
                prop_assert_eq!(space.plan(&point, planner.name()), attempt.plan);
            }
        }
    }
}
