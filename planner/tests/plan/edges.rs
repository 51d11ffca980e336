//! Where a rule ends: the last that is accepted beside the first that is refused, and each
//! violation once, with its own words.

use kforge_planner::{
    Plan, Problem, check,
    plan::{Knob, PlanError, Step, TextError, from_json, schema, to_json},
    problem::{OpShape, PlannedOp, of_module},
};
use kforge_runtime::{Dtype, device::Target};
use melior::ir::Module;
use serde_json::{Value, json};

use crate::context;

fn with(passes: Vec<Step>) -> Plan {
    let mut plan = Plan::new(Target::Gpu, Default::default());
    plan.passes = passes;
    plan
}

fn reasons(plan: &Plan) -> Vec<String> {
    let found = check(plan, None).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

/// What the text of a plan is refused with, violation by violation.
fn refused(plan: &Value) -> Vec<String> {
    match from_json(&plan.to_string(), None) {
        Err(PlanError::Refused(found)) => found.iter().map(ToString::to_string).collect(),
        other => panic!("violations expected: {other:?}"),
    }
}

#[test]
fn a_plan_has_a_last_step() {
    let steps = |count: usize| with(vec![Step::new("canonicalize"); count]);
    assert_eq!(reasons(&steps(4096)), [""; 0]);
    for count in [4097, 5000] {
        let wanted = format!("passes: {count} passes, the limit is 4096");
        assert_eq!(reasons(&steps(count)), [wanted]);
    }
}

#[test]
fn a_plan_has_a_last_byte() {
    let text = to_json(&with(vec![Step::new("cse")]));
    let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    let most = 1 << 20;
    assert!(from_json(&padded(most), None).is_ok());
    for bytes in [most + 1, most + 2] {
        let refused = from_json(&padded(bytes), None);
        assert!(matches!(refused, Err(PlanError::Large { bytes: got }) if got == bytes));
    }
}

#[test]
fn a_device_is_of_a_known_kind() {
    let of = |kind: &str| {
        let mut plan = with(Vec::new());
        plan.device.insert("kind".into(), Knob::Name(kind.into()));
        reasons(&plan)
    };
    let found = of("mainframe");
    assert_eq!(found.len(), 1);
    let words = "device: kind is 'mainframe', expected one of ";
    assert!(found[0].starts_with(words), "{found:?}");
    let known = found[0].trim_start_matches(words);
    assert!(known.split(", ").count() > 1);
    assert!(known.split(", ").all(|kind| of(kind).is_empty()), "{known}");
}

#[test]
fn a_limit_of_another_type_says_what_it_takes() {
    let of = |device: Value| {
        refused(&json!({"schema": 1, "target": "gpu", "device": device, "passes": []}))
    };
    assert_eq!(
        of(json!({"name": 1.5})),
        ["device: name is 1.5, expected a name"]
    );
    assert_eq!(
        of(json!({"kind": null})),
        ["device: kind is null, expected a name"]
    );
}

#[test]
fn ranges_of_rows_are_those_of_their_schedule() {
    let mut step = Step::new("kforge-vectorize-layernorm");
    let names: Vec<String> = step.knobs.keys().cloned().collect();
    let integer = names.iter().find(|name| step.integer(name).is_some());
    let name = integer.unwrap().clone();
    step.knobs.insert(name.clone(), Knob::Name("x".into()));
    let found = reasons(&with(vec![step]));
    let words = format!("{name} is 'x', expected an integer from ");
    assert!(found[0].contains(&words), "{found:?}");
    // Not the range of just any integer.
    assert!(!found[0].contains("1073741824"), "{found:?}");
}

#[test]
fn an_op_that_cannot_be_read_is_refused_once() {
    let module = "func.func @f(%x: tensor<8x16xf32>, %w: tensor<16x4xf32>) -> tensor<8x4xf32> {
        %y = kforge.matmul %x, %w {kforge.name = \"up\"} : (tensor<8x16xf32>, tensor<16x4xf32>) -> tensor<8x4xf32>
        return %y : tensor<8x4xf32>
    }";
    let context = context();
    let problem = of_module(&context, &Module::parse(&context, module).unwrap()).unwrap();
    let of = |pass: &str, op: &str| {
        let mut step = Step::new(pass);
        step.op = Some(op.into());
        let found = check(&with(vec![step]), Some(&problem)).err();
        let found = found.unwrap_or_default();
        found.into_iter().map(|it| it.message).collect::<Vec<_>>()
    };
    assert_eq!(of("kforge-tile-matmul", "up"), [""; 0]);
    let found = of("kforge-tile-matmul", "not plain");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("expected letters"), "{found:?}");
    // Nor is an op looked for where none is taken.
    assert_eq!(of("canonicalize", "nosuch"), ["takes no 'op'"]);
}

/// An attention whose head no schedule can have, so that judging it shows.
fn oversized(name: &str) -> PlannedOp {
    PlannedOp {
        name: name.into(),
        made_by: None,
        made_with: Vec::new(),
        gone_after: Some("kforge-fuse-mlp-block".into()),
        gone_with: Vec::new(),
        epsilon: None,
        shape: OpShape::Attention {
            heads: 1,
            queries: 8,
            keys: 8,
            head: 1 << 20,
            value_head: 16,
            element: Dtype::F32,
        },
    }
}

#[test]
fn a_schedule_of_every_op_is_for_those_that_are_surely_there() {
    let problem = Problem {
        module: "m".into(),
        workload: "w".into(),
        ops: vec![oversized("wide")],
    };
    let of = |passes: Vec<Step>| {
        let found = check(&with(passes), Some(&problem)).err();
        let found = found.unwrap_or_default();
        found.into_iter().map(|it| it.message).collect::<Vec<_>>()
    };
    let tile = || Step::new("kforge-tile-attention");
    let fuse = || Step::new("kforge-fuse-mlp-block");
    let judged = of(vec![tile()]);
    assert!(
        judged.iter().any(|it| it.starts_with("head size ")),
        "{judged:?}"
    );
    // Gone for certain, or perhaps, where only named ops were fused.
    assert_eq!(of(vec![fuse(), tile()]), [""; 0]);
    let mut named = fuse();
    named.op = Some("wide".into());
    assert_eq!(of(vec![named.clone(), tile()]), [""; 0]);
    // The fusion itself schedules nothing, whatever the op.
    assert_eq!(of(vec![named]), [""; 0]);
    // By its name it is judged where it may be there.
    let mut by_name = tile();
    by_name.op = Some("wide".into());
    assert_eq!(of(vec![by_name]), judged);
}

#[test]
fn matrices_are_those_of_the_device() {
    let of = |shapes: &str| {
        let mut step = Step::new("kforge-tile-matmul");
        step.knobs.insert("matrix-unit".into(), Knob::Integer(16));
        let mut plan = with(vec![step]);
        let shapes = Knob::Name(shapes.into());
        plan.device.insert("matrix-shapes".into(), shapes);
        plan.device
            .insert("subgroup-size".into(), Knob::Integer(32));
        reasons(&plan).join("; ")
    };
    let missing = "matrix-unit 16 needs products 16x16x16";
    assert!(!of("16x16x16:f16:f32").contains(missing));
    assert!(!of("8x8x8:f16:f32+16x16x16:f16:f32").contains(missing));
    let found = of("8x8x8:f16:f32+8x8x8:f32:f32");
    assert!(
        found.contains(missing) && found.contains("has 8x8x8:f16:f32, 8x8x8:f32:f32"),
        "{found}"
    );
    assert!(of("").contains("has none"));
}

#[test]
fn what_cannot_be_read_is_a_violation_of_its_own_and_said_once() {
    let base = json!({"schema": 1, "target": "gpu", "passes": []});
    let of = |field: &str, value: Value| {
        let mut plan = base.clone();
        plan[field] = value;
        refused(&plan)
    };
    assert_eq!(of("provenance", json!({"verified": true})).len(), 1);
    let found = of("provenance", json!({"planner": 5}));
    assert!(
        found.len() == 1 && found[0].starts_with("provenance: "),
        "{found:?}"
    );
    let good = json!({"module": "0", "workload": "w", "ops": []});
    let mut wrong = good.clone();
    wrong["workload"] = json!(5);
    let found = of("problem", wrong);
    assert!(
        found.len() == 1 && found[0].starts_with("problem: "),
        "{found:?}"
    );
    let mut wrong = good.clone();
    wrong["ops"] = json!([[]]);
    let found = of("problem", wrong);
    assert_eq!(found, ["problem.ops[0]: is a list, expected an object"]);
    let mut wrong = good;
    wrong["more"] = json!(1);
    assert_eq!(of("problem", wrong).len(), 1);
}

#[test]
fn the_version_of_the_format_is_stated() {
    let passes = json!({"target": "gpu", "passes": []});
    assert_eq!(refused(&passes), ["schema: is missing, expected 1"]);
    let mut text = passes.clone();
    text["schema"] = json!("1");
    assert_eq!(refused(&text), ["schema: is \"1\", expected 1"]);
    // The flat form may leave it out, not get it wrong.
    let flat = json!({"target": "gpu", "pass_order": ["cse"]});
    assert!(from_json(&flat.to_string(), None).is_ok());
    let mut wrong = flat;
    wrong["schema"] = json!("1");
    assert_eq!(refused(&wrong), ["schema: is \"1\", expected 1"]);
}

#[test]
fn an_epsilon_is_a_positive_number_whatever_the_problem() {
    let of = |epsilon: Value| {
        let knobs = json!({"layernorm_epsilon": epsilon});
        let flat = json!({"target": "gpu", "pass_order": ["cse"], "knobs": knobs});
        from_json(&flat.to_string(), None).is_ok()
    };
    assert!(of(json!(1e-5)) && of(json!(2)));
    assert!(!of(json!(0)) && !of(json!(-1e-5)) && !of(json!(1e300)) && !of(json!("small")));
}

#[test]
fn a_width_that_cannot_be_divides_nothing() {
    let share = |width: i64| {
        let knobs = json!({"tile_m": 64, "tile_n": 64, "vector_width": width});
        let flat = json!({"target": "gpu", "pass_order": ["tile-matmul"], "knobs": knobs});
        let plan = from_json(&flat.to_string(), None).unwrap();
        let step = &plan.passes[0];
        (step.integer("thread-m"), step.integer("thread-n"))
    };
    // Columns in whole vectors; where none fit, the share of a width of 1.
    assert_eq!(share(16), (Some(1), Some(16)));
    assert_eq!(share(8), (Some(2), Some(8)));
    for width in [0, -4, 3] {
        assert_eq!(share(width), (Some(4), Some(4)), "{width}");
    }
}

#[test]
fn a_plan_is_named_by_what_it_does() {
    let (one, other) = (
        with(vec![Step::new("cse")]),
        with(vec![Step::new("canonicalize")]),
    );
    let id = one.id();
    assert!(id.len() == 16 && id.bytes().all(|it| it.is_ascii_hexdigit()));
    assert_eq!(id, one.clone().id());
    assert_ne!(id, other.id());
    // Not by where it comes from.
    let mut copied = one;
    copied.provenance.planner = "archive".into();
    assert_eq!(id, copied.id());
}

#[test]
fn the_published_schema_is_that_of_a_plan() {
    let published: Value = serde_json::from_str(&schema()).unwrap();
    assert_eq!(published["title"], "Plan");
    assert!(published["properties"]["passes"].is_object());
}

/// The passes of a pipeline, split where no bracket is open.
pub fn items(text: &str) -> Vec<String> {
    let inner = text.strip_prefix("builtin.module(").unwrap();
    let inner = inner.strip_suffix(')').unwrap();
    let (mut depth, mut items) = (0, vec![String::new()]);
    for c in inner.chars() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            _ => {}
        }
        match c {
            ',' if depth == 0 => items.push(String::new()),
            _ => items.last_mut().unwrap().push(c),
        }
    }
    items
}

#[test]
fn a_pass_in_the_wrong_place_is_named_with_its_place() {
    for target in [Target::Gpu, Target::Cpu] {
        let mut plan = Plan::new(target, Default::default());
        plan.passes.push(Step::new("cse"));
        let passes = items(&plan.text());
        let mut fixed = 0;
        for index in 0..passes.len() {
            let mut wrong = passes.clone();
            wrong[index] = "bogus".into();
            let text = format!("builtin.module({})", wrong.join(","));
            match Plan::from_text(&text).unwrap_err() {
                TextError::Fixed {
                    index: place, got, ..
                } => {
                    assert_eq!((place, got.as_str()), (index, "bogus"));
                    fixed += 1;
                }
                other => assert!(matches!(other, TextError::Unknown { .. }), "{other:?}"),
            }
        }
        // All but the one that was chosen.
        assert_eq!(fixed, passes.len() - 1);
    }
}
