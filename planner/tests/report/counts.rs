//! What a report counts, and that a run is read back as `kforge optimize` writes it.

use kforge_planner::report::{Report, Run, TOP, json, text};

use crate::{plan, refused, run, verified};

#[test]
fn the_curve_keeps_the_best_so_far() {
    let attempts = vec![
        refused(plan("random", 1, 1), "compile", "no"),
        verified(plan("random", 8, 1), 2.0),
        verified(plan("random", 16, 1), 3.0),
        verified(plan("random", 32, 1), 1.5),
        // Not a time that can be compared.
        verified(plan("random", 64, 1), 0.0),
    ];
    let curve = Report::of(&run(attempts)).curve;
    let best: Vec<Option<f64>> = curve.iter().map(|it| it.best_ms).collect();
    assert_eq!(best, [None, Some(2.0), Some(2.0), Some(1.5), Some(1.5)]);
    let ms: Vec<Option<f64>> = curve.iter().map(|it| it.ms).collect();
    assert_eq!(ms, [None, Some(2.0), Some(3.0), Some(1.5), None]);
    assert_eq!(curve[3].attempt, 4);
}

#[test]
fn plans_by_time_each_once() {
    let mut attempts: Vec<_> = (1..=20)
        .map(|i| verified(plan("random", i, 1), f64::from(21 - i as i32)))
        .collect();
    attempts.push(attempts[19].clone());
    let top = Report::of(&run(attempts)).top;
    assert_eq!(top.len(), TOP);
    let places: Vec<usize> = top.iter().map(|it| it.attempt.unwrap()).collect();
    assert_eq!(places, [20, 19, 18, 17, 16, 15, 14, 13, 12, 11]);
    let (chosen, pipeline) = (&top[0].chosen, &top[0].pipeline);
    assert!(
        chosen.starts_with("up: ") && chosen.contains("tile-m=20"),
        "{chosen}"
    );
    assert!(pipeline.contains("tile-m=20"), "{pipeline}");
}

#[test]
fn refusals_by_reason_and_planners_by_time() {
    let mut modelled = verified(plan("llm", 32, 1), 0.5);
    modelled.plan.provenance.model = Some("m1".into());
    let attempts = vec![
        refused(plan("random", 1, 1), "timeout", "late"),
        refused(plan("random", 2, 1), "compile", "first"),
        refused(plan("", 4, 1), "compile", "second"),
        verified(plan("random", 8, 1), 0.8),
        modelled,
    ];
    let report = Report::of(&run(attempts));
    assert_eq!((report.attempts, report.refused), (5, 3));
    let refusals = report.refusals.iter();
    let refusals: Vec<_> = refusals
        .map(|it| (it.reason.as_str(), it.count, it.example.as_str()))
        .collect();
    assert_eq!(refusals, [("compile", 2, "first"), ("timeout", 1, "late")]);
    let planners = report.planners.iter();
    let planners: Vec<_> = planners
        .map(|it| {
            (
                it.planner.as_str(),
                it.plans,
                it.refused,
                it.speedup,
                it.found_after,
            )
        })
        .collect();
    assert_eq!(
        planners,
        [
            ("llm", 1, 0, Some(2.0), Some(1)),
            ("random", 3, 2, Some(1.25), Some(3)),
            ("by hand", 1, 1, None, None),
        ]
    );
    assert_eq!(report.planners[0].model.as_deref(), Some("m1"));
}

/// A refused plan cannot stand as the best one.
#[test]
fn a_refused_best_is_none() {
    let mut run = run(vec![verified(plan("random", 8, 1), 1.0)]);
    run.best = Some(refused(plan("random", 8, 1), "numeric-mismatch", "off"));
    assert_eq!(Report::of(&run).best, None);
}

#[test]
fn json_of_runs_and_reports_is_read_back() {
    let run = run(vec![
        verified(plan("random", 8, 1), 1.25),
        verified(plan("random", 16, 1), 1.0 / 3.0),
        refused(plan("random", 1, 1), "compile", "no"),
    ]);
    let mut value = serde_json::to_value(&run).unwrap();
    // What the run has and a report does not need.
    value["more"] = 3.into();
    let read: Run = serde_json::from_value(value).unwrap();
    assert_eq!(read, run);
    let report = Report::of(&run);
    let read: Report = serde_json::from_str(&json(&report).unwrap()).unwrap();
    assert_eq!(read, report);
}

#[test]
fn the_terminal_sees_no_control_characters() {
    let hostile = "\u{1b}]0;title\u{7}\u{202e}";
    let mut run = run(vec![
        refused(plan(hostile, 1, 1), hostile, hostile),
        verified(plan(hostile, 8, 1), 1.0),
    ]);
    run.problem.workload = hostile.into();
    run.device.name = hostile.into();
    run.planner = hostile.into();
    let text = text(&Report::of(&run));
    assert!(text.contains("]0;title"));
    let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(obeyed), "{text:?}");
}
