//! The flat form: one order of passes, one set of snake_case knobs.

use kforge_dialect::pass::OptionDef;
use kforge_passes::passes::PASSES;
use kforge_planner::{
    Plan, check,
    plan::{FLAT_KNOBS, PlanError, catalog, from_json, to_json},
    space,
};
use serde_json::{Value, json};

use crate::problem;

fn flat(knobs: Value) -> Result<Plan, PlanError> {
    let text = json!({
        "target": "gpu",
        "device": {"subgroup-size": 32, "workgroup-memory": 49152},
        "pass_order": ["fold-constants", "fuse_matmul_activation", "tile-matmul", "vectorize_layernorm"],
        "knobs": knobs,
    });
    from_json(&text.to_string(), Some(&problem()))
}

#[test]
fn it_becomes_the_canonical_form() {
    let plan = flat(json!({"tile_m": 32, "tile_n": 64, "tile_k": 16, "vector_width": 4})).unwrap();
    assert_eq!(check(&plan, None), Ok(()));
    let tile = &plan.passes[2];
    assert_eq!(
        (tile.integer("tile-m"), tile.integer("vector-width")),
        (Some(32), Some(4))
    );
    assert_eq!(
        (tile.integer("thread-m"), tile.integer("thread-n")),
        (Some(4), Some(4))
    );
    assert_eq!(from_json(&to_json(&plan), None).unwrap(), plan);
}

#[test]
fn warps_decide_the_share_of_an_invocation() {
    let share = |warps: i64| {
        let plan = flat(json!({"tile_m": 64, "tile_n": 64, "num_warps": warps})).unwrap();
        assert_eq!(check(&plan, None), Ok(()), "{warps} warps");
        let tile = &plan.passes[2];
        (
            tile.integer("thread-m").unwrap(),
            tile.integer("thread-n").unwrap(),
        )
    };
    assert_eq!([1, 2, 4, 8].map(share), [(8, 16), (8, 8), (4, 8), (4, 4)]);
    // Over the invocations of the device.
    let plan = flat(json!({"tile_m": 64, "tile_n": 64, "num_warps": 16})).unwrap();
    let text = check(&plan, None).unwrap_err()[0].to_string();
    assert!(
        text.contains("512 invocations, the device 'webgpu' has 256"),
        "{text}"
    );
}

#[test]
fn on_a_cpu_one_invocation_computes_a_tile() {
    let plan = |knobs: Value| {
        let text = json!({"target": "cpu", "pass_order": ["tile-matmul"], "knobs": knobs});
        from_json(&text.to_string(), Some(&problem())).unwrap()
    };
    for (knobs, tile) in [
        (json!({}), (16, 16)),
        (json!({"tile_m": 32}), (32, 8)),
        (
            json!({"tile_m": 8, "tile_n": 32, "tile_k": 16, "vector_width": 4}),
            (8, 32),
        ),
    ] {
        let plan = plan(knobs);
        assert_eq!(check(&plan, None), Ok(()));
        let step = &plan.passes[0];
        for (knob, size) in [
            ("tile-m", tile.0),
            ("thread-m", tile.0),
            ("tile-n", tile.1),
            ("thread-n", tile.1),
        ] {
            assert_eq!(step.integer(knob), Some(size), "{knob}");
        }
    }
    let large = plan(json!({"tile_m": 32, "tile_n": 32}));
    let text = check(&large, None).unwrap_err()[0].to_string();
    assert!(text.contains("1024 accumulators per invocation, the limit is 256; on a CPU one invocation computes a whole tile, so take tiles such as 16x16"), "{text}");
}

#[test]
fn switches_add_and_remove_passes() {
    let plan = flat(json!({"enable_fold_constants": false, "enable_fuse_mlp": true})).unwrap();
    let passes: Vec<&str> = plan.passes.iter().map(|step| step.pass.as_str()).collect();
    assert!(!passes.contains(&"kforge-fold-constants"));
    assert_eq!(
        passes[..2],
        ["kforge-fuse-matmul-activation", "kforge-fuse-mlp-block"]
    );
}

#[test]
fn epsilon_is_checked_and_not_chosen() {
    assert_eq!(
        flat(json!({"layernorm_epsilon": 1e-5})).unwrap(),
        flat(json!({})).unwrap()
    );
    for (epsilon, words) in [
        (json!(0.0), "is 0.0, but op 'norm' has 0.00001"),
        (json!(1e-3), "must not change what is computed"),
        (json!("tiny"), "expected a number"),
    ] {
        let error = flat(json!({"layernorm_epsilon": epsilon}))
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn wrong_knobs_are_all_named() {
    let error = flat(json!({"tile_q": 1, "tile_m": "wide", "tile_n": 8, "block_n": 16}));
    let error = error.unwrap_err().to_string();
    for words in [
        "knobs.tile_q: is no knob; these are: tile_m",
        "knobs.tile_m: is \"wide\", expected an integer",
        "knobs.tile_n: is 8, but another knob sets tile-n to 16",
    ] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn every_flat_knob_is_an_option() {
    for knob in FLAT_KNOBS {
        for pass in knob.passes {
            assert!(catalog::find(pass).is_some(), "{pass}");
            let options: &[OptionDef] = PASSES
                .iter()
                .find(|it| it.argument == *pass)
                .unwrap()
                .options;
            if let Some(option) = knob.option {
                assert!(
                    options.iter().any(|it| it.name == option),
                    "{pass} {option}"
                );
            }
        }
    }
}

#[test]
fn the_space_holds_what_people_tune_by_hand() {
    let ops = problem().ops;
    let axis = |op: usize, knob: &str| {
        let (_, values) = space::axes(&ops[op].shape)
            .iter()
            .find(|(name, _)| *name == knob)
            .unwrap();
        values.to_vec()
    };
    let holds = |op, knob, wanted: &[i64]| {
        let values = axis(op, knob);
        assert!(
            wanted.iter().all(|value| values.contains(value)),
            "{knob}: {values:?}"
        );
    };
    holds(0, "tile-m", &[16, 32, 64, 128]);
    holds(0, "tile-n", &[16, 32, 64, 128]);
    holds(0, "tile-k", &[16, 32, 64]);
    holds(0, "group-m", &[1, 2, 4, 8]);
    holds(0, "stages", &[1, 2, 3, 4, 5]);
    holds(0, "subgroups", &[1, 2, 4, 8, 16]);
    holds(2, "block-size", &[256, 512, 1024, 2048, 4096]);
}

#[test]
fn every_flat_knob_is_documented() {
    let page = include_str!("../../../docs/plans.md");
    let mut rows = page.lines().filter(|line| line.starts_with("| `"));
    for knob in FLAT_KNOBS {
        let passes: Vec<String> = knob.passes.iter().map(|it| format!("`{it}`")).collect();
        let option = knob
            .option
            .map_or_else(|| "runs or not".into(), |it| format!("`{it}`"));
        let row = format!("| `{}` | {} | {option} |", knob.name, passes.join(", "));
        assert_eq!(rows.next(), Some(row.as_str()));
    }
    assert_eq!(rows.next(), None);
}
