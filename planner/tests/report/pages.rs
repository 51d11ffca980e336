//! Pages of runs of every size, and of runs that mean harm.

use std::collections::BTreeMap;

use kforge_planner::{
    plan::Knob,
    report::{Report, Spread, html, json, text},
};

use crate::{plan, refused, run, verified};

/// Every opened element is closed in order; attributes are quoted.
fn well_formed(page: &str) {
    let body = page.split_once("</style>").unwrap().1;
    let mut open = vec!["html", "head"];
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        assert!(!text.contains('>') && !text.contains('"'), "{piece}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{piece}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for number in ["NaN", "inf\"", "=\"inf"] {
        assert!(!page.contains(number), "{number}");
    }
}

#[test]
fn nothing_of_the_run_is_markup() {
    let hostile = "</style></td><script>alert(1)</script><img src=x onerror='a'>\"&\u{0}";
    let mut attempt = verified(plan(hostile, 8, 1), 1.0);
    attempt.id = hostile.into();
    attempt.plan.provenance.model = Some(hostile.into());
    attempt.plan.passes[0].op = Some(hostile.into());
    attempt.plan.passes[0]
        .knobs
        .insert(hostile.into(), Knob::Name(hostile.into()));
    let mut other = attempt.clone();
    other.plan.passes[0]
        .knobs
        .insert(hostile.into(), Knob::Integer(1));
    other.outcome = verified(plan("", 1, 1), 2.0).outcome;
    let mut run = run(vec![
        attempt,
        other,
        refused(plan("a", 1, 1), hostile, hostile),
    ]);
    run.problem.workload = hostile.into();
    run.device.name = hostile.into();
    run.device.backend = hostile.into();
    run.planner = hostile.into();
    let report = Report::of(&run);
    assert!(!report.impact.is_empty());
    let page = html(&report);
    well_formed(&page);
    for harm in ["<script", "<img", "onerror='", "\u{0}"] {
        assert!(!page.contains(harm), "{harm:?}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_eq!(page.matches("</style>").count(), 1);
}

#[test]
fn a_page_loads_nothing() {
    let page = html(&Report::of(&run(vec![verified(plan("random", 8, 1), 1.0)])));
    for load in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<link",
    ] {
        assert!(!page.contains(load), "{load}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn an_empty_run() {
    let report = Report::of(&run(Vec::new()));
    let page = html(&report);
    well_formed(&page);
    assert!(page.contains("No plan was accepted") && page.contains("No attempt has a time"));
    assert!(!page.contains("<svg"));
    assert!(text(&report).contains("0 plans in 12 s by evolve, 0 refused"));
}

#[test]
fn one_attempt() {
    let report = Report::of(&run(vec![verified(plan("random", 8, 1), 0.5)]));
    let page = html(&report);
    well_formed(&page);
    // Curve, times and who proposed; more where there is a roofline.
    let drawings = ["Time of every attempt", "Times of the fastest", "Planners"];
    for drawing in drawings {
        assert!(
            page.contains(&format!("aria-label=\"{drawing}")),
            "{drawing}"
        );
    }
    assert!(report.impact.is_empty() && page.contains("No setting changed"));
    assert!(text(&report).contains("2.00x"));
}

#[test]
fn only_refusals() {
    let refusal = |i: i64| refused(plan("random", i, 1), "compile", "no such kernel");
    let report = Report::of(&run((1..=7).map(refusal).collect()));
    let page = html(&report);
    well_formed(&page);
    // The refusals by reason; nothing has a time to be drawn.
    assert_eq!(page.matches("<svg").count(), 1);
    assert!(page.contains("<td>compile</td><td>7</td>"));
    assert!(report.top.is_empty() && report.best.is_none());
    assert!(text(&report).contains("no such kernel"));
}

#[test]
fn times_at_the_ends_of_what_a_number_holds() {
    let times = [f64::MIN_POSITIVE, f64::MAX, f64::NAN, f64::INFINITY, -1.0];
    let attempts = times.into_iter().zip(1..);
    let attempts = attempts.map(|(ms, i)| verified(plan("random", i, 1), ms));
    let mut run = run(attempts.collect());
    let id = run.attempts[0].id.clone();
    let (min, max) = (f64::NAN, f64::INFINITY);
    run.spread = BTreeMap::from([(id, Spread { min, max })]);
    let report = Report::of(&run);
    assert_eq!(report.top.len(), 2);
    well_formed(&html(&report));
}

#[test]
fn spread_is_drawn_where_it_is_known() {
    let mut run = run(vec![
        verified(plan("random", 8, 1), 1.0),
        verified(plan("random", 16, 1), 2.0),
    ]);
    let id = run.attempts[0].id.clone();
    run.spread = BTreeMap::from([(id, Spread { min: 0.9, max: 1.4 })]);
    let report = Report::of(&run);
    let page = html(&report);
    assert_eq!(page.matches("class=\"spread\"").count(), 1);
    assert!(page.contains("0.9000 to 1.400") && text(&report).contains("0.9000..1.400"));
}

#[test]
fn ten_thousand_attempts() {
    let attempt = |i: i64| {
        let plan = plan("random", i % 100, i / 100);
        match i % 9 {
            0 => refused(plan, "timeout", "late"),
            _ => verified(plan, 1.0 + (i * 7919 % 1000) as f64 * 0.01),
        }
    };
    let report = Report::of(&run((0..10_000).map(attempt).collect()));
    assert_eq!(report.curve.len(), 10_000);
    assert_eq!(report.refusals[0].count, 1112);
    assert_eq!(report.impact.len(), 2);
    let page = html(&report);
    well_formed(&page);
    assert!(page.len() < 400_000, "{} bytes", page.len());
    assert_eq!(
        html(&Report::of(&run((0..10_000).map(attempt).collect()))),
        page
    );
    assert!(json(&report).unwrap().len() > 100_000);
}
