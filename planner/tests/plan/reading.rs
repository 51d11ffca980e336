//! Plans that cannot be read: each thing is said, and what is wrong with the rest.

use kforge_planner::{
    plan::{PlanError, from_json, to_json},
    problem::Problem,
};
use serde_json::{Value, json};

use crate::problem;

/// Everything that is said of a plan that is refused while it is read.
fn refused(plan: &Value, problem: Option<&Problem>) -> String {
    let error = from_json(&plan.to_string(), problem).expect_err("the plan is wrong");
    assert!(matches!(error, PlanError::Refused(_)), "{error}");
    let found = error.violations();
    let mut texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    let count = texts.len();
    texts.dedup();
    assert_eq!(texts.len(), count, "{texts:?}");
    texts.join("\n")
}

/// Holds if every text is in `all`.
fn says(all: &str, words: &[&str]) {
    for word in words {
        assert!(all.contains(word), "no '{word}' in:\n{all}");
    }
}

#[test]
fn a_list_is_no_plan_and_no_part_of_one() {
    let list = json!([1, "gpu", {}, null, [{"pass": "cse"}], {"planner": ""}]);
    says(
        &refused(&list, None),
        &["plan: is a list, expected an object with schema, target"],
    );
    let base = json!({"schema": 1, "target": "gpu", "passes": [{"pass": "cse"}]});
    let shape = json!({"name": "a", "shape": ["matmul", 1, 4, 4, 4, "f32"]});
    for (field, value, words) in [
        (
            "passes",
            json!([["cse", null, {}]]),
            "passes[0]: is a list, expected an object with pass",
        ),
        ("provenance", json!([""]), "provenance: is a list"),
        ("problem", json!(["m", "w", []]), "problem: is a list"),
        (
            "problem",
            json!({"module": "m", "workload": "w", "ops": [["a"]]}),
            "problem.ops[0]: is a list",
        ),
        (
            "problem",
            json!({"module": "m", "workload": "w", "ops": [shape]}),
            "problem.ops[0]: shape is a list",
        ),
        ("device", json!([]), "device: the device is a list"),
    ] {
        let mut plan = base.clone();
        plan[field] = value;
        says(&refused(&plan, None), &[words]);
    }
    let flat = json!({"target": "gpu", "pass_order": ["cse"], "provenance": [""]});
    says(&refused(&flat, None), &["provenance: is a list"]);
}

#[test]
fn a_field_that_is_wrong_hides_no_other() {
    let plan = json!({
        "schema": 1, "target": "tpu", "colour": 1, "device": {"invocations": -1, "lanes": 3},
        "passes": [
            {"pass": "kforge-tile-matmul", "op": 4, "knobs": {"tile-k": 0, "vector-width": 3}},
            {"knobs": {}},
            {"pass": "loop-unroll"},
        ],
        "provenance": {"verified": true},
    });
    says(
        &refused(&plan, Some(&problem())),
        &[
            "plan: has no field 'colour'; its fields are: schema",
            "target: is \"tpu\", expected \"gpu\" or \"cpu\"",
            "device: invocations is -1, expected 1 to",
            "device: has no limit 'lanes'",
            "passes[0] kforge-tile-matmul: op is 4, expected the names of ops",
            "passes[0] kforge-tile-matmul: tile-k is 0, expected 1 to 1024",
            "passes[0] kforge-tile-matmul: vector-width is 3",
            "passes[1]: 'pass' is missing",
            "passes[2] loop-unroll: is no pass that a plan may choose",
            "provenance: has no field 'verified'",
        ],
    );
}

#[test]
fn a_number_that_is_no_knobs_is_named_with_its_range() {
    let huge = json!({
        "schema": 1, "target": "gpu", "device": {"invocations": 1e30},
        "passes": [
            {"pass": "kforge-tile-matmul", "knobs": {"tile-m": 1e20, "stages": 9}},
            {"pass": "kforge-fold-constants", "knobs": {"max-elements": 18446744073709551615_u64}},
            {"pass": "kforge-tile-attention", "knobs": {"block-q": null}},
        ],
    });
    let all = refused(&huge, None);
    says(
        &all,
        &[
            "device: invocations is 1e+30, expected an integer from 1 to 281474976710656",
            "tile-m is '1e+20', expected an integer from 1 to 1024",
            "stages is 9, expected 1 to 5",
            "max-elements is '18446744073709551615', expected an integer from 0 to 1073741824",
            "block-q is 'null', expected an integer from 1 to 256",
        ],
    );
    let flat = json!({"target": "gpu", "pass_order": ["tile-matmul"], "knobs": {"tile_k": 1e30}});
    says(
        &refused(&flat, None),
        &["knobs.tile_k: is 1e+30, expected an integer from 1 to 1024"],
    );
}

#[test]
fn the_flat_form_is_checked_beside_what_cannot_be_read() {
    let flat = |order: Value, knobs: Value| {
        let flat = json!({"target": "gpu", "pass_order": order, "knobs": knobs});
        refused(&flat, Some(&problem()))
    };
    let words = [
        "tile-k is 0, expected 1 to 1024",
        "vector-width is 3, expected a power of two",
    ];
    let wrong = json!({"tile_k": 0, "vector_width": 3, "layernorm_epsilon": 0.0});
    let all = flat(json!(["tile-matmul"]), wrong);
    says(&all, &words);
    says(&all, &["knobs.layernorm_epsilon: is 0.0"]);
    let all = flat(
        json!(["tile-matmul", "nonsense", 5]),
        json!({"tile_k": 0, "vector_width": 3}),
    );
    says(&all, &words);
    says(
        &all,
        &[
            "pass_order[1]: 'nonsense' is no pass; these are: ",
            "pass_order[2]: 5 is no pass; these are: ",
        ],
    );
    assert!(!all.contains("is no pass that a plan may choose"), "{all}");
    // Nothing is known of tiles that are no numbers, and nothing is said of their shares.
    let all = flat(
        json!(["tile-matmul"]),
        json!({"tile_m": "wide", "stages": 1}),
    );
    assert!(!all.contains("thread-m"), "{all}");
}

#[test]
fn a_field_that_is_said_twice_is_refused() {
    let good = json!({"schema": 1, "target": "gpu", "passes": []}).to_string();
    assert!(from_json(&good, None).is_ok());
    let twice = good.replace("\"schema\"", "\"target\": \"cpu\", \"schema\"");
    let error = from_json(&twice, None).expect_err("the plan is wrong");
    assert!(error.to_string().contains("duplicate field"), "{error}");
    assert_eq!(error.violations().len(), 1);
}

#[test]
fn what_is_right_is_read_as_before() {
    let plan = json!({
        "schema": 1, "target": "cpu", "device": {"l2": 4096}, "problem": null,
        "passes": [{"pass": "cse", "op": null}, {"pass": "kforge-tile-attention", "op": "a"}],
        "provenance": {"planner": "llm", "model": "m"},
    });
    let plan = from_json(&plan.to_string(), None).unwrap();
    assert_eq!(plan.passes[1].op.as_deref(), Some("a"));
    assert_eq!(from_json(&to_json(&plan), None).unwrap(), plan);
}
