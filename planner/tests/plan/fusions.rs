//! What fusions leave, by the order in which a plan runs them.

use kforge_planner::{
    Plan, Problem, check,
    plan::{Step, from_json},
    problem::of_module,
};
use kforge_runtime::device::Target;
use melior::ir::Module;
use serde_json::json;

use crate::context;

const ACTIVATION: &str = "kforge-fuse-matmul-activation";
const MLP: &str = "kforge-fuse-mlp-block";

/// Two layers with a relu between them, which an epilogue takes before an mlp is seen.
const LAYERS: &str = "func.func @f(%x: tensor<8x16xf32>, %u: tensor<16x64xf32>, %d: tensor<64x16xf32>) -> tensor<8x16xf32> {
    %0 = kforge.matmul %x, %u {kforge.name = \"up\"} : (tensor<8x16xf32>, tensor<16x64xf32>) -> tensor<8x64xf32>
    %1 = kforge.activation %0 {kind = \"relu\"} : (tensor<8x64xf32>) -> tensor<8x64xf32>
    %y = kforge.matmul %1, %d {kforge.name = \"down\"} : (tensor<8x64xf32>, tensor<64x16xf32>) -> tensor<8x16xf32>
    return %y : tensor<8x16xf32>
}";

/// The same with the activation in the op from the start.
fn ready() -> String {
    let text = LAYERS.replace(
        "{kforge.name = \"up\"}",
        "{activation = \"relu\", kforge.name = \"up\"}",
    );
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("kforge.activation"))
        .collect();
    text.join("\n").replace("%1,", "%0,")
}

fn extract(text: &str) -> Problem {
    let context = context();
    of_module(&context, &Module::parse(&context, text).unwrap()).unwrap()
}

fn plan(passes: &[&str], op: &str) -> Plan {
    let mut plan = Plan::new(Target::Gpu, Default::default());
    plan.passes = passes.iter().map(|pass| Step::new(pass)).collect();
    plan.passes
        .push(Step::schedule("kforge-tile-matmul", op, &[]));
    plan
}

#[test]
fn what_a_fusion_needs_is_known() {
    let problem = extract(LAYERS);
    let up = problem.op("up").unwrap();
    assert_eq!(up.gone_after.as_deref(), Some(MLP));
    assert_eq!(up.gone_with, [ACTIVATION]);
    assert!(up.made_with.is_empty());
    assert!(extract(&ready()).op("up").unwrap().gone_with.is_empty());
}

#[test]
fn a_fusion_takes_away_only_where_it_does_something() {
    let (problem, ready) = (extract(LAYERS), extract(&ready()));
    for (passes, left, left_ready) in [
        (&[][..], true, true),
        (&[ACTIVATION], true, true),
        (&[MLP], true, false),
        (&[MLP, ACTIVATION], true, false),
        (&[ACTIVATION, MLP], false, false),
    ] {
        for (problem, left) in [(&problem, left), (&ready, left_ready)] {
            let verdict = check(&plan(passes, "up"), Some(problem));
            assert_eq!(verdict.is_ok(), left, "{passes:?}: {verdict:?}");
            let Err(violations) = verdict else { continue };
            let text = violations[0].to_string();
            assert!(
                text.contains("op 'up' is fused away by kforge-fuse-mlp-block before"),
                "{text}"
            );
        }
    }
    // A fusion of other ops may leave this one.
    let mut other = plan(&[ACTIVATION, MLP], "up");
    other.passes[1].op = Some("down".into());
    assert_eq!(check(&other, Some(&problem)), Ok(()));
}

/// The passes that a flat plan comes to.
fn passes(order: &[&str], knobs: serde_json::Value) -> Vec<String> {
    let flat = json!({"target": "gpu", "pass_order": order, "knobs": knobs});
    let plan = from_json(&flat.to_string(), Some(&extract(LAYERS))).unwrap();
    assert_eq!(check(&plan, None), Ok(()));
    plan.passes.into_iter().map(|step| step.pass).collect()
}

#[test]
fn switched_fusions_come_where_they_do_something() {
    let all = json!({
        "enable_fold_constants": true,
        "enable_fuse_matmul_activation": true,
        "enable_fuse_mlp": true,
    });
    let fusions = ["kforge-fold-constants", ACTIVATION, MLP];
    let schedule = "kforge-tile-matmul";
    assert_eq!(
        passes(&["tile-matmul"], all.clone()),
        [&fusions[..], &[schedule]].concat()
    );
    let mlp = json!({"enable_fuse_mlp": true});
    assert_eq!(
        passes(&["fuse-matmul-activation", "tile-matmul"], mlp.clone()),
        [ACTIVATION, MLP, schedule]
    );
    assert_eq!(passes(&["cse", "tile-matmul"], mlp), [MLP, "cse", schedule]);
    assert_eq!(
        passes(
            &["fuse-attention", "eliminate-dead-ops", "tile-matmul"],
            all
        ),
        [
            fusions[0],
            "kforge-fuse-attention",
            fusions[1],
            fusions[2],
            "kforge-eliminate-dead-ops",
            schedule
        ]
    );
}
