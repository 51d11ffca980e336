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
fn a_wrong_op_or_kind_hides_no_wrong_knob() {
    let reasons = refused(|plan| {
        let step = tile(plan);
        step.op = Some("nosuch".into());
        set(step, "tile-k", 0);
        step.knobs.insert("tile-m".into(), Knob::Name("x".into()));
        step.knobs.insert("bogus".into(), Knob::Integer(1));
        plan.passes.push(Step {
            pass: "loop-unroll".into(),
            op: None,
            knobs: Default::default(),
        });
    });
    let all = reasons.join("\n");
    for words in [
        "has no knob 'bogus'",
        "tile-m is 'x', expected an integer from 1 to 1024",
        "tile-k is 0, expected 1 to 1024",
        "no op is named 'nosuch'",
        "loop-unroll: is no pass",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    assert_eq!(reasons.len(), 5, "{all}");
}

#[test]
fn a_knob_out_of_range_hides_no_relation() {
    let reasons = refused(|plan| {
        let step = tile(plan);
        for (knob, value) in [
            ("tile-m", 1024),
            ("tile-n", 1024),
            ("thread-m", 3),
            ("vector-width", 3),
            ("stages", 9),
        ] {
            set(step, knob, value);
        }
    });
    let all = reasons.join("\n");
    for words in [
        "stages is 9",
        "vector-width is 3",
        "thread-m 3 does not divide tile-m 1024",
        "invocations or more, the device 'test' has 256",
        "bytes or more of workgroup memory",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
}

/// A plan by itself: what no shape is needed for.
fn alone(device: serde_json::Value, pass: &str, knobs: serde_json::Value) -> Vec<String> {
    let plan = json!({"schema": 1, "target": "gpu", "device": device,
        "passes": [{"pass": pass, "knobs": knobs}]});
    let plan = from_json(&plan.to_string(), None).unwrap();
    let found = check(&plan, None).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_plan_without_a_problem_is_held_against_ranges_and_the_device() {
    let matmul = "kforge-tile-matmul";
    let wrong = json!({"tile-k": 0, "vector-width": 3, "stages": 9});
    let found = alone(json!({}), matmul, wrong);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(
        found[0],
        "passes[0] kforge-tile-matmul: tile-k is 0, expected 1 to 1024"
    );
    assert_eq!(alone(json!({}), matmul, json!({})), [""; 0]);
    // The limits that it states count.
    let large = json!({"tile-m": 128, "tile-n": 128});
    let found = alone(json!({}), matmul, large.clone()).join("\n");
    assert!(found.contains("1024 invocations, the device"), "{found}");
    let device = json!({"invocations": 1024, "workgroup-memory": 65536});
    assert_eq!(alone(device, matmul, large), [""; 0]);
    let found = alone(json!({}), "kforge-tile-attention", json!({"block-q": 512}));
    assert_eq!(found.len(), 1, "{found:?}");
    let found = alone(
        json!({}),
        "kforge-vectorize-layernorm",
        json!({"workgroup-size": 96}),
    );
    assert!(found[0].contains("no power of two"), "{found:?}");
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
            "target: is \"tpu\", expected \"gpu\" or \"cpu\"",
        ),
        ("/schema", json!(7), "schema 7, this program reads 1"),
        (
            "/passes",
            json!("all"),
            "passes: is \"all\", expected a list of passes",
        ),
        (
            "/passes/0/knobs",
            json!({"max-elements": 1.5}),
            "max-elements is '1.5', expected an integer from 0 to 1073741824",
        ),
        (
            "/passes/0/knobs",
            json!({"max-elements": 1e300}),
            "max-elements is '1e+300', expected an integer",
        ),
        (
            "/provenance",
            json!({"verified": true}),
            "provenance: has no field 'verified'",
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
