//! Wrong plans: knobs no kernel can have, passes that are none, claims that are not so.
//!
//! The checks of a plan are what is under test, so a plan that they refuse is killed by
//! validation; one that they let through is an escape.

use kforge_mutate::{Fate, Judged, Kill, Kind, Place};
use kforge_planner::{
    Plan, Problem, check,
    plan::{Violation, from_json, to_json},
};
use serde_json::{Value, json};

/// A kind of wrong plan: the texts it gives for a plan.
pub(super) struct Operator {
    pub kind: Kind,
    texts: fn(&Value) -> Vec<Value>,
}

const fn mutant(
    name: &'static str,
    what: &'static str,
    texts: fn(&Value) -> Vec<Value>,
) -> Operator {
    Operator {
        kind: Kind::mutant(Place::Plan, name, what),
        texts,
    }
}

/// Every kind of wrong plan. The first six are named by the project's requirements.
pub(super) const OPERATORS: &[Operator] = &[
    mutant("tile_k_zero", "a tile of no columns", |plan| {
        flat(plan, "tile_k", json!(0))
    }),
    mutant("vector_width_three", "vectors of three elements", |plan| {
        flat(plan, "vector_width", json!(3))
    }),
    mutant(
        "layernorm_epsilon_zero",
        "an epsilon that is not the program's",
        |plan| flat(plan, "layernorm_epsilon", json!(0.0)),
    ),
    mutant("unknown_pass", "a pass that is none", |plan| {
        vec![json!({
            "target": plan["target"], "device": plan["device"],
            "pass_order": ["fuse_everything"], "knobs": {},
        })]
    }),
    mutant("target_tpu", "a target that is none", |plan| {
        vec![with(plan, "target", json!("tpu"))]
    }),
    mutant(
        "tile_m_1024",
        "a tile that the workgroup memory of its device does not hold",
        |plan| {
            // WebGPU's least, so that no device's is enough.
            let mut small = plan.clone();
            small["device"]["workgroup-memory"] = json!(16384);
            flat(&small, "tile_m", json!(1024))
        },
    ),
    mutant("knob_zero", "a knob that must not be 0 is", |plan| {
        knobs(plan, |name, value| {
            (is_size(name) && value > 0).then_some(json!(0))
        })
    }),
    mutant("knob_negative", "a negative knob", |plan| {
        knobs(plan, |_, value| Some(json!(-value - 1)))
    }),
    mutant("knob_huge", "a knob beyond every limit", |plan| {
        knobs(plan, |_, _| Some(json!(1_i64 << 40)))
    }),
    mutant("knob_text", "text where a number must be", |plan| {
        knobs(plan, |_, value| Some(json!(value.to_string())))
    }),
    mutant(
        "knob_fraction",
        "a fraction where a number must be",
        |plan| knobs(plan, |_, value| Some(json!(value as f64 + 0.5))),
    ),
    mutant(
        "share_not_dividing",
        "an invocation's share does not divide the tile",
        |plan| {
            knobs(plan, |name, value| {
                name.starts_with("thread-").then(|| json!(2 * value + 1))
            })
        },
    ),
    mutant("knob_unknown", "a knob that no pass has", |plan| {
        steps(plan, |step| step["knobs"]["turbo"] = json!(1))
    }),
    mutant(
        "step_field_unknown",
        "a step says more than steps do",
        |plan| steps(plan, |step| step["shell"] = json!("rm")),
    ),
    mutant("op_unknown", "a pass for an op that is not there", |plan| {
        steps(plan, |step| step["op"] = json!("no_such_op"))
    }),
    mutant(
        "op_injected",
        "an op's name that would end the option",
        |plan| steps(plan, |step| step["op"] = json!("a},canonicalize{op=b")),
    ),
    mutant(
        "pass_unlisted",
        "a pass that plans may not choose",
        |plan| steps(plan, |step| step["pass"] = json!("kforge-verify")),
    ),
    mutant("mutating_pass", "the pass that makes mutants", |plan| {
        steps(plan, |step| *step = json!({"pass": "kforge-mutate"}))
    }),
    mutant("step_twice", "a schedule for one op twice", |plan| {
        let count = plan["passes"].as_array().map_or(0, Vec::len);
        let twice = |at: usize| {
            let mut plan = plan.clone();
            if let Some(passes) = plan["passes"].as_array_mut() {
                passes.insert(at, passes[at].clone());
            }
            plan
        };
        (0..count)
            .filter(|at| is_ours(&plan["passes"][*at]))
            .map(twice)
            .collect()
    }),
    mutant(
        "fusion_after_schedule",
        "a fusion that would drop a schedule",
        |plan| {
            let mut plan = plan.clone();
            let Some(passes) = plan["passes"].as_array_mut() else {
                return Vec::new();
            };
            passes.retain(|step| step["pass"] != json!("kforge-fuse-mlp-block"));
            let scheduled = passes.iter().any(|step| !step["op"].is_null());
            passes.push(json!({"pass": "kforge-fuse-mlp-block"}));
            Vec::from_iter(scheduled.then_some(plan))
        },
    ),
    mutant(
        "meaning_changed",
        "an option that changes what is computed",
        |plan| {
            steps(plan, |step| {
                let option = match step["pass"].as_str() {
                    Some("kforge-fold-constants") => "inexact-scales",
                    Some("kforge-fuse-attention") => "assume-visible-rows",
                    _ => return,
                };
                step["knobs"][option] = json!(true);
            })
        },
    ),
    mutant("schema_other", "a later version of the format", |plan| {
        vec![with(plan, "schema", json!(99))]
    }),
    mutant(
        "plan_field_unknown",
        "a plan says more than plans do",
        |plan| vec![with(plan, "run", json!("anything"))],
    ),
    mutant("passes_missing", "a plan without passes", |plan| {
        vec![json!({"schema": 1, "target": plan["target"]})]
    }),
    mutant(
        "device_limit_unknown",
        "a limit that no device has",
        |plan| {
            let mut plan = plan.clone();
            plan["device"]["warp-drives"] = json!(1);
            vec![plan]
        },
    ),
    mutant("device_limit_negative", "a negative limit", |plan| {
        let mut plan = plan.clone();
        plan["device"]["workgroup-memory"] = json!(-1);
        vec![plan]
    }),
    mutant(
        "problem_of_another",
        "a plan made for another module",
        |plan| {
            let mut plan = plan.clone();
            let given = plan["problem"]["module"].is_string();
            plan["problem"]["module"] = json!("0123456789abcdef");
            Vec::from_iter(given.then_some(plan))
        },
    ),
];

/// The wrong texts of one kind.
pub(super) fn texts(operator: &Operator, plan: &Plan) -> Vec<String> {
    let text = to_json(plan);
    let Ok(value) = serde_json::from_str::<Value>(&text) else {
        return Vec::new();
    };
    let all = (operator.texts)(&value).into_iter();
    all.filter(|other| *other != value)
        .map(|other| other.to_string())
        .collect()
}

/// What the checks of plans say of a text.
pub(super) fn judge(text: &str, problem: &Problem) -> Judged {
    let start = std::time::Instant::now();
    let refused = match from_json(text, Some(problem)) {
        Err(error) => Some(error.to_string()),
        Ok(plan) => check(&plan, Some(problem))
            .err()
            .map(|violations| Violation::list(&violations)),
    };
    Judged {
        fate: refused.map_or(Fate::ACCEPTED, |why| Fate::Refused(Kill::validation(why))),
        stages: Default::default(),
        ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn with(plan: &Value, field: &str, value: Value) -> Value {
    let mut plan = plan.clone();
    plan[field] = value;
    plan
}

/// The flat form with one knob, for the pass that has it.
fn flat(plan: &Value, knob: &str, value: Value) -> Vec<Value> {
    let has = |pass: &str| {
        let steps = plan["passes"].as_array();
        steps.is_some_and(|steps| steps.iter().any(|step| step["pass"] == json!(pass)))
    };
    let order: Vec<&str> = match knob {
        "layernorm_epsilon" => vec!["vectorize-layernorm"],
        _ => vec!["tile-matmul"],
    };
    let needed = format!("kforge-{}", order[0]);
    let text = json!({
        "target": plan["target"], "device": plan["device"],
        "pass_order": order, "knobs": {knob: value},
    });
    Vec::from_iter(has(&needed).then_some(text))
}

/// Knobs that are sizes: none of them may be 0.
fn is_size(name: &str) -> bool {
    ["tile-", "thread-", "block-", "vector-width"]
        .iter()
        .any(|part| name.starts_with(part))
}

fn is_ours(step: &Value) -> bool {
    step["pass"]
        .as_str()
        .is_some_and(|pass| pass.starts_with("kforge-"))
}

/// A plan for every step of ours, changed.
fn steps(plan: &Value, change: impl Fn(&mut Value)) -> Vec<Value> {
    let count = plan["passes"].as_array().map_or(0, Vec::len);
    let changed = |at: usize| {
        let mut plan = plan.clone();
        change(&mut plan["passes"][at]);
        plan
    };
    (0..count)
        .filter(|at| is_ours(&plan["passes"][*at]))
        .map(changed)
        .collect()
}

/// A plan for every integer knob that has another value.
fn knobs(plan: &Value, other: impl Fn(&str, i64) -> Option<Value>) -> Vec<Value> {
    let mut found = Vec::new();
    let steps = plan["passes"].as_array();
    for (at, step) in steps.into_iter().flatten().enumerate() {
        let knobs = step["knobs"].as_object();
        for (name, value) in knobs.into_iter().flatten() {
            let Some(value) = value.as_i64().and_then(|value| other(name, value)) else {
                continue;
            };
            let mut plan = plan.clone();
            plan["passes"][at]["knobs"][name] = value;
            found.push(plan);
        }
    }
    found
}
