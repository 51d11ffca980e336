//! What is refused, and with which words.

use kforge_planner::{
    Plan, check, heuristic,
    plan::{Knob, PlanError, Step, from_json, to_json},
};
use kforge_runtime::DeviceDescription;
use serde_json::json;

use crate::{gpu, problem};

/// A good plan for the test problem.
fn good() -> Plan {
    heuristic::propose(&problem(), &gpu(32768, 256))
}

/// What an edited plan is refused with.
fn refused(edit: impl FnOnce(&mut Plan)) -> Vec<String> {
    let mut plan = good();
    edit(&mut plan);
    let violations = check(&plan, Some(&problem())).expect_err("the plan is wrong");
    violations.iter().map(ToString::to_string).collect()
}

fn tile(plan: &mut Plan) -> &mut Step {
    plan.passes
        .iter_mut()
        .find(|step| step.pass == "kforge-tile-matmul")
        .unwrap()
}

fn set(step: &mut Step, knob: &str, value: i64) {
    step.knobs.insert(knob.into(), Knob::Integer(value));
}

#[test]
fn a_good_plan_is_accepted_alone_and_with_its_problem() {
    let plan = good();
    assert_eq!(check(&plan, None), Ok(()));
    assert_eq!(check(&plan, Some(&problem())), Ok(()));
}

#[test]
fn every_violation_is_listed() {
    let reasons = refused(|plan| {
        set(tile(plan), "tile-k", 0);
        set(tile(plan), "vector-width", 3);
        plan.passes.push(Step {
            pass: "loop-magic".into(),
            op: None,
            knobs: Default::default(),
        });
    });
    let all = reasons.join("\n");
    assert!(all.contains("tile-k is 0, expected 1 to 1024"), "{all}");
    assert!(
        all.contains("vector-width is 3, expected a power of two up to 4"),
        "{all}"
    );
    assert!(
        all.contains("loop-magic: is no pass that a plan may choose"),
        "{all}"
    );
}

#[test]
fn device_limits_count() {
    let reasons = refused(|plan| {
        let step = tile(plan);
        set(step, "tile-m", 1024);
        set(step, "thread-m", 4);
    });
    assert!(
        reasons[0].contains("invocations, the device 'test' has 256"),
        "{reasons:?}"
    );
}

#[test]
fn knobs_are_of_their_pass_and_kind() {
    let reasons = refused(|plan| {
        let step = tile(plan);
        step.knobs.insert("tile-q".into(), Knob::Integer(1));
        step.knobs.insert("stages".into(), Knob::Name("two".into()));
    });
    assert!(
        reasons[0].contains("stages is 'two', expected an integer"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("has no knob 'tile-q'; its knobs are: tile-m"),
        "{reasons:?}"
    );
}

#[test]
fn ops_must_be_there() {
    let reasons = refused(|plan| tile(plan).op = Some("nope".into()));
    assert!(
        reasons[0].contains("no op is named 'nope'; for this pass there are: up"),
        "{reasons:?}"
    );
    let reasons = refused(|plan| tile(plan).op = Some("norm".into()));
    assert!(
        reasons[0].contains("op 'norm' is layer_norm, which this pass does not schedule"),
        "{reasons:?}"
    );
}

#[test]
fn text_cannot_leave_its_option() {
    let reasons = refused(|plan| tile(plan).op = Some("up},kforge-verify{x=\u{1b}[31m".into()));
    assert!(
        reasons[0].contains("expected letters, digits and ._-+: alone"),
        "{reasons:?}"
    );
    assert!(!reasons[0].contains('\u{1b}'));
}

#[test]
fn meaning_is_no_choice() {
    let reasons = refused(|plan| {
        let step = plan
            .passes
            .iter_mut()
            .find(|step| step.pass == "kforge-fuse-attention")
            .unwrap();
        step.knobs
            .insert("assume-visible-rows".into(), Knob::Flag(true));
    });
    assert!(
        reasons[0].contains("which changes what is computed"),
        "{reasons:?}"
    );
}

#[test]
fn order_and_repetition() {
    let reasons = refused(|plan| plan.passes.push(Step::new("kforge-fuse-mlp-block")));
    assert!(
        reasons[0].contains("comes after kforge-tile-matmul"),
        "{reasons:?}"
    );
    let reasons = refused(|plan| {
        let again = tile(plan).clone();
        plan.passes.push(again);
    });
    assert!(
        reasons[0].contains("schedules up a second time"),
        "{reasons:?}"
    );
    let reasons = refused(|plan| {
        let attention = plan
            .passes
            .iter()
            .position(|it| it.pass == "kforge-fuse-attention");
        let attention = plan.passes.remove(attention.unwrap());
        plan.passes.insert(2, attention);
    });
    assert!(
        reasons[0].contains("comes after kforge-fuse-matmul-activation"),
        "{reasons:?}"
    );
}

#[test]
fn another_module_is_named() {
    let mut other = problem();
    other.module = "0123".into();
    other.workload = "another".into();
    let error = &check(&good(), Some(&other)).unwrap_err()[0];
    let text = error.to_string();
    assert!(
        text.contains("the plan is for 'main 48x64 (3 ops)'"),
        "{text}"
    );
    assert!(text.contains("this is 'another' (module 0123)"), "{text}");
}

#[test]
fn json_with_other_fields_or_kinds_is_refused() {
    let base: serde_json::Value = serde_json::from_str(&to_json(&good())).unwrap();
    let edits: [(&str, serde_json::Value, &str); 6] = [
        (
            "/target",
            json!("tpu"),
            "unknown variant `tpu`, expected `gpu` or `cpu`",
        ),
        ("/schema", json!(7), "schema 7, this program reads 1"),
        ("/passes", json!("all"), "invalid type: string"),
        (
            "/passes/0/knobs",
            json!({"max-elements": 1.5}),
            "did not match any variant",
        ),
        (
            "/passes/0/knobs",
            json!({"max-elements": 1e300}),
            "did not match any variant",
        ),
        (
            "/provenance",
            json!({"verified": true}),
            "unknown field `verified`",
        ),
    ];
    for (pointer, value, words) in edits {
        let mut plan = base.clone();
        *plan.pointer_mut(pointer).unwrap() = value;
        let error = from_json(&plan.to_string(), None).unwrap_err().to_string();
        assert!(error.contains(words), "{pointer}: {error}");
    }
}

#[test]
fn hostile_text_is_refused() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = " ".repeat(10 << 20);
    let texts = [
        "",
        "no json",
        "{}{}",
        "```json\n{}\n```",
        "{\"schema\": NaN}",
        &deep,
        &long,
    ];
    for text in texts {
        assert!(
            from_json(text, None).is_err(),
            "{}",
            &text[..text.len().min(40)]
        );
    }
    assert!(matches!(
        from_json(&long, None),
        Err(PlanError::Large { .. })
    ));
}

#[test]
fn defaults_fill_what_is_not_stated() {
    let device = DeviceDescription::default();
    let text =
        r#"{"schema": 1, "target": "gpu", "passes": [{"pass": "kforge-tile-matmul", "op": "up"}]}"#;
    let plan = from_json(text, None).unwrap();
    assert_eq!(plan.passes[0].integer("tile-m"), Some(64));
    assert_eq!(
        plan.device.get("invocations"),
        Some(&Knob::Integer(device.invocations.into()))
    );
}
