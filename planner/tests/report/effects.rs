//! Analyses of variance against numbers worked out by hand.

use kforge_planner::report::{Report, effect, settings};

use crate::{plan, refused, run, verified};

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
}

/// Means 2, 3, 6 of 11/3; between 3 (25 + 4 + 49) / 9 = 26, within 3 x 2 = 6.
#[test]
fn three_groups() {
    let values = [1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    let found = effect(&values, &[0, 0, 0, 1, 1, 1, 2, 2, 2], 1).unwrap();
    close(found.eta_squared, 26.0 / 32.0);
    close(found.f.unwrap(), 13.0);
    let means: Vec<f64> = found.groups.iter().map(|it| it.mean).collect();
    for (mean, by_hand) in means.into_iter().zip([2.0, 3.0, 6.0]) {
        close(mean, by_hand);
    }
}

/// Unequal groups, far from 0: means 1 and 4 of 3; between 1 x 4 + 2 x 1 = 6, within 2.
#[test]
fn groups_of_unequal_size_far_from_zero() {
    for away in [0.0, 1e6] {
        let values = [1.0 + away, 3.0 + away, 5.0 + away];
        let found = effect(&values, &[7, 3, 3], 1).unwrap();
        close(found.eta_squared, 6.0 / 8.0);
        close(found.f.unwrap(), 3.0);
        // In order of the index given, 3 before 7.
        assert_eq!(
            found.groups.iter().map(|it| it.count).collect::<Vec<_>>(),
            [2, 1]
        );
    }
}

/// Of the 20 ways to part six numbers in threes, 2 part these as well: p = 0.1.
#[test]
fn p_is_the_share_of_orders_that_part_as_well() {
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    for seed in 0..8 {
        let found = effect(&values, &[0, 0, 0, 1, 1, 1], seed).unwrap();
        close(found.eta_squared, 13.5 / 17.5);
        assert!((found.p - 0.1).abs() < 0.05, "p {} at seed {seed}", found.p);
    }
}

#[test]
fn p_tells_a_cause_from_chance() {
    let values: Vec<f64> = (0..40)
        .map(|i| f64::from(i % 2) + f64::from(i * 7 % 11) * 0.01)
        .collect();
    let cause: Vec<usize> = (0..40).map(|i| i % 2).collect();
    let chance: Vec<usize> = (0..40).map(|i| i / 2 % 2).collect();
    assert!(effect(&values, &cause, 0).unwrap().p <= 0.002);
    assert!(effect(&values, &chance, 0).unwrap().p > 0.2);
}

/// A group for every value explains everything and proves nothing.
#[test]
fn a_group_per_value_proves_nothing() {
    let found = effect(&[1.0, 2.0, 4.0], &[0, 1, 2], 0).unwrap();
    close(found.eta_squared, 1.0);
    close(found.p, 1.0);
    assert_eq!(found.f, None);
}

#[test]
fn nothing_to_explain_is_no_effect() {
    assert_eq!(effect(&[], &[], 0), None);
    assert_eq!(effect(&[1.0, 2.0], &[0, 0], 0), None);
    assert_eq!(effect(&[0.1 + 0.2, 0.3], &[0, 1], 0), None);
    assert_eq!(effect(&[1.0, f64::NAN], &[0, 1], 0), None);
    assert_eq!(effect(&[1.0, 2.0], &[0], 0), None);
}

/// Doubling tile-m halves the time whatever the stages: log2 times are -1, -2 by tile
/// and 0, 0.5 more by stages, so the tile has 1 / (1 + 0.25) of the spread.
#[test]
fn settings_by_their_share_of_log_time() {
    let time = |tile: i64, stages: i64| 16.0 / tile as f64 * 2_f64.powf(0.5 * stages as f64);
    let mut attempts = Vec::new();
    for (tile, stages) in [(8, 1), (8, 2), (16, 1), (16, 2)] {
        attempts.push(verified(plan("random", tile, stages), time(tile, stages)));
    }
    // A refused plan has no time to explain.
    attempts.push(refused(plan("random", 32, 3), "compile", "no"));
    let impact = Report::of(&run(attempts)).impact;
    let names: Vec<&str> = impact.iter().map(|it| it.setting.as_str()).collect();
    assert_eq!(names, ["up tile-m", "up stages"]);
    close(impact[0].eta_squared, 0.8);
    close(impact[1].eta_squared, 0.2);
    assert_eq!(impact[0].plans, 4);
    let values: Vec<&str> = impact[0]
        .values
        .iter()
        .map(|it| it.value.as_str())
        .collect();
    assert_eq!(values, ["8", "16"]);
    assert_eq!(impact[0].fastest().unwrap().value, "16");
    close(impact[0].values[1].ms, 2_f64.powf(0.75));
}

#[test]
fn a_pass_that_is_not_there_is_off() {
    let fused = |ms: f64, tile: i64| {
        let mut plan = plan("random", tile, 1);
        let pass = "kforge-fuse-matmul-activation";
        plan.passes.insert(0, kforge_planner::plan::Step::new(pass));
        assert_eq!(settings(&plan)[pass], "on");
        verified(plan, ms)
    };
    let attempts = vec![
        fused(1.0, 8),
        fused(1.1, 16),
        verified(plan("random", 8, 1), 2.0),
        verified(plan("random", 16, 1), 2.1),
    ];
    let impact = Report::of(&run(attempts)).impact;
    assert_eq!(impact[0].setting, "kforge-fuse-matmul-activation");
    assert_eq!(impact[0].fastest().unwrap().value, "on");
    assert_eq!(impact[0].plans, 4);
}
