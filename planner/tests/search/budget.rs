//! Which rule ends a run.

use kforge_planner::{
    Budget, Outcome,
    budget::{Ended, Progress},
};

fn passed(ms: f64) -> Outcome {
    Outcome::Verified {
        ms,
        speedup: 8.0 / ms,
        levels: Vec::new(),
        worst_ratio: 0.1,
    }
}

fn refused() -> Outcome {
    Outcome::Refused {
        reason: "timeout".into(),
        detail: String::new(),
    }
}

fn after(outcomes: &[Outcome]) -> Progress {
    let mut progress = Progress::default();
    for outcome in outcomes {
        progress.record(outcome);
    }
    progress
}

#[test]
fn no_rule_never_ends_a_run() {
    let mut progress = after(&[passed(1.0), refused()]);
    progress.seconds = 1e9;
    progress.llm_tokens = u64::MAX;
    assert_eq!(Budget::default().ended(&progress), None);
}

#[test]
fn each_rule_ends_a_run_at_its_limit_and_not_before() {
    let spent = |edit: fn(&mut Progress)| {
        let mut progress = after(&[refused(), passed(4.0), refused(), passed(5.0)]);
        progress.roofline_ms = Some(2.0);
        edit(&mut progress);
        progress
    };
    type Case = (Budget, fn(&mut Progress), Ended);
    let cases: [Case; 7] = [
        (
            Budget {
                max_iterations: Some(5),
                ..Budget::default()
            },
            |it| it.iterations = 5,
            Ended::MaxIterations { limit: 5 },
        ),
        (
            Budget {
                max_seconds: Some(1.5),
                ..Budget::default()
            },
            |it| it.seconds = 1.5,
            Ended::MaxSeconds { limit: 1.5 },
        ),
        (
            Budget {
                llm_tokens: Some(100),
                ..Budget::default()
            },
            |it| it.llm_tokens = 101,
            Ended::LlmTokens { limit: 100 },
        ),
        (
            Budget {
                target_speedup: Some(4.0),
                ..Budget::default()
            },
            |it| it.record(&passed(2.0)),
            Ended::TargetSpeedup {
                reached: 4.0,
                wanted: 4.0,
            },
        ),
        (
            Budget {
                patience: Some(3),
                ..Budget::default()
            },
            |it| it.record(&passed(4.0)),
            Ended::Patience { limit: 3 },
        ),
        (
            Budget {
                roofline_share: Some(0.8),
                ..Budget::default()
            },
            |it| it.record(&passed(2.5)),
            Ended::RooflineShare {
                reached: 0.8,
                wanted: 0.8,
            },
        ),
        (
            Budget::default(),
            |it| it.no_more_plans = true,
            Ended::NoMorePlans,
        ),
    ];
    for (budget, edit, ended) in cases {
        assert_eq!(budget.ended(&spent(|_| {})), None, "{budget:?}");
        assert_eq!(budget.ended(&spent(edit)), Some(ended), "{budget:?}");
    }
}

#[test]
fn a_goal_reached_with_the_last_candidate_is_reached() {
    let budget = Budget {
        max_iterations: Some(1),
        target_speedup: Some(2.0),
        ..Budget::default()
    };
    let ended = budget.ended(&after(&[passed(1.0)])).unwrap();
    assert_eq!(
        ended.to_string(),
        "speedup 8.00 reached, 2.00 wanted (target-speedup)"
    );
    let ended = budget.ended(&after(&[refused()])).unwrap();
    assert_eq!(ended.to_string(), "all 1 candidates tried (max-iterations)");
}

#[test]
fn a_refused_candidate_is_no_best() {
    let progress = after(&[refused(), passed(2.0), refused(), passed(3.0), passed(1.0)]);
    assert_eq!(progress.iterations, 5);
    assert_eq!(progress.best_ms, Some(1.0));
    assert_eq!(progress.best_speedup, Some(8.0));
    assert_eq!(progress.since_best, 0);
    assert_eq!(after(&[refused()]).best_speedup, None);
}

#[test]
fn a_batch_keeps_within_the_candidates() {
    let budget = Budget {
        max_iterations: Some(3),
        ..Budget::default()
    };
    let progress = after(&[refused(), refused()]);
    assert_eq!(budget.candidates_left(&progress, 8), 1);
    assert_eq!(Budget::default().candidates_left(&progress, 8), 8);
}

#[test]
fn impossible_rules_are_refused() {
    let refused = |budget: Budget| budget.validate().unwrap_err().to_string();
    let share = Budget {
        roofline_share: Some(1.2),
        ..Budget::default()
    };
    assert_eq!(
        refused(share),
        "--roofline-share is 1.2, expected a share above 0 and at most 1"
    );
    let seconds = Budget {
        max_seconds: Some(f64::NAN),
        ..Budget::default()
    };
    assert_eq!(
        refused(seconds),
        "--max-seconds is NaN, expected seconds from 0 on"
    );
    let speedup = Budget {
        target_speedup: Some(0.0),
        ..Budget::default()
    };
    assert_eq!(
        refused(speedup),
        "--target-speedup is 0, expected a factor above 0"
    );
    assert_eq!(Budget::default().validate(), Ok(()));
}

#[test]
fn too_few_tokens_for_the_next_request_end_a_run_by_their_rule() {
    let progress = Progress {
        out_of_tokens: true,
        no_more_plans: true,
        ..Progress::default()
    };
    let budget = Budget {
        llm_tokens: Some(2000),
        ..Budget::default()
    };
    let ended = Some(Ended::LlmTokens { limit: 2000 });
    assert_eq!(budget.ended(&progress), ended);
    assert_eq!(Budget::default().ended(&progress), Some(Ended::NoMorePlans));
}
