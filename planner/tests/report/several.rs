//! Several sizes in one run, and several runs beside each other.

use kforge_planner::report::{Report, SizeTime, compare, html, text};

use crate::{plan, refused, run, verified};

fn sizes(speedups: [f64; 2]) -> Vec<SizeTime> {
    let names = ["matmul 64x64x64 f32", "matmul 512x64x64 f32"];
    let times = names.into_iter().zip(speedups);
    times
        .map(|(name, speedup)| SizeTime {
            workload: name.into(),
            ms: 2.0 / speedup,
            speedup,
        })
        .collect()
}

#[test]
fn plans_of_several_sizes_show_their_least_and_greatest_speedup() {
    let attempts = vec![
        verified(plan("random", 8, 1), 1.0),
        verified(plan("random", 16, 1), 0.5),
    ];
    let mut run = run(attempts);
    assert_eq!(Report::of(&run).stability, []);
    run.sizes = [(0, [1.0, 1.0]), (1, [8.0, 0.5])]
        .map(|(index, speedups)| (run.attempts[index].id.clone(), sizes(speedups)))
        .into();
    let report = Report::of(&run);
    let rows: Vec<_> = report.stability.iter().collect();
    // The accepted plan first, and once.
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (rows[0].attempt, rows[0].least, rows[0].most),
        (Some(2), 0.5, 8.0)
    );
    let row = "matmul 64x64x64 f32: 8.00x (0.2500), matmul 512x64x64 f32: 0.50x (4.000)";
    assert!(text(&report).contains(row), "{}", text(&report));
    assert!(html(&report).contains(row));
}

#[test]
fn runs_are_compared_up_to_the_plans_of_the_shortest() {
    let times = |times: &[f64]| -> Vec<_> {
        let tiles = (1..).map(|it| 8 * it);
        let plans = times.iter().zip(tiles);
        plans
            .map(|(ms, tile)| verified(plan("x", tile, 1), *ms))
            .collect()
    };
    let mut first = run(times(&[1.0, 0.9, 0.5]));
    first
        .attempts
        .push(refused(plan("x", 1, 1), "compile", "no"));
    first.attempts.extend(times(&[0.1]));
    first.planner = "random".into();
    let mut second = run(times(&[1.0, 0.26, 0.25, 0.25]));
    second.planner = "evolve".into();
    second.prior = 7;
    assert_eq!(compare(&[first.clone()]).unwrap(), None);
    let found = compare(&[first.clone(), second.clone()]).unwrap().unwrap();
    assert_eq!(found.budget, 4);
    let rows: Vec<_> = found
        .runs
        .iter()
        .map(|it| {
            (
                it.planner.as_str(),
                it.prior,
                it.refused,
                it.speedup,
                it.plans_to_95,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("evolve", 7, 0, Some(4.0), Some(2)),
            // What it found beyond the budget does not count.
            ("random", 0, 1, Some(2.0), None),
        ]
    );
    let mut report = Report::of(&first);
    report.comparison = Some(found);
    assert!(text(&report).contains("planners at equal budget: 4 plans each"));
    assert!(html(&report).contains("Planners at equal budget"));
}

#[test]
fn runs_of_other_problems_or_devices_are_not_compared() {
    let first = run(Vec::new());
    let mut other = first.clone();
    other.problem.module = "1".into();
    other.problem.workload = "softmax".into();
    let error = compare(&[first.clone(), other]).unwrap_err().to_string();
    assert!(
        error.contains("other problems: 'matmul 64x64x64 f32' and 'softmax'"),
        "{error}"
    );
    let mut other = first.clone();
    other.device.name = "another".into();
    let error = compare(&[first, other]).unwrap_err().to_string();
    assert!(
        error.contains("other devices: 'test' and 'another'"),
        "{error}"
    );
}

#[test]
fn only_runs_over_one_baseline_and_of_the_same_sizes_are_compared() {
    let first = run(vec![verified(plan("x", 8, 1), 1.0)]);
    let mut peer = first.clone();
    peer.peer = Some("torch".into());
    let error = compare(&[first.clone(), peer]).unwrap_err().to_string();
    assert!(
        error.contains("other baselines: 'default knobs' and 'torch'"),
        "{error}"
    );
    let mut several = first.clone();
    several.sizes = [(first.attempts[0].id.clone(), sizes([1.0, 2.0]))].into();
    let error = compare(&[first, several]).unwrap_err().to_string();
    assert!(error.contains("other sizes"), "{error}");
}
