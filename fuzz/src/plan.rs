//! Plans as JSON, in both forms.

use std::sync::OnceLock;

use kforge_planner::{
    Plan, Problem, check, heuristic,
    plan::{from_json, to_json},
    problem::{OpShape, PlannedOp, Rows},
};
use kforge_runtime::{DeviceDescription, Dtype};

/// A plan file: what is read prints and reads again as the same, and the pipeline of a
/// plan that passes the checks says all of it.
pub fn plan_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(plan) = from_json(text, Some(problem())) else {
        return;
    };
    assert_eq!(from_json(&to_json(&plan), None).as_ref(), Ok(&plan));
    for problem in [None, Some(problem())] {
        if check(&plan, problem).is_ok() {
            holds(&plan);
        }
    }
}

/// What is promised of a plan that was accepted.
pub(crate) fn holds(plan: &Plan) {
    let text = plan.text();
    let read = Plan::from_text(&text);
    let read = read.map(|it| (it.target, it.device, it.passes));
    let own = (plan.target, plan.device.clone(), plan.passes.clone());
    assert_eq!(read, Ok(own), "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
}

fn op(name: &str, shape: OpShape) -> PlannedOp {
    PlannedOp {
        name: name.into(),
        made_by: None,
        made_with: Vec::new(),
        gone_after: None,
        gone_with: Vec::new(),
        epsilon: matches!(shape, OpShape::LayerNorm(_)).then(|| "1e-5".into()),
        shape,
    }
}

/// A problem with an op of every kind that has knobs.
pub(crate) fn problem() -> &'static Problem {
    static PROBLEM: OnceLock<Problem> = OnceLock::new();
    PROBLEM.get_or_init(|| {
        let element = Dtype::F32;
        let rows = Rows {
            rows: 24,
            n: 384,
            element,
        };
        let up = OpShape::Matmul {
            batch: 1,
            m: 24,
            n: 1536,
            k: 384,
            element,
            transpose_b: false,
        };
        let attention = OpShape::Attention {
            heads: 12,
            queries: 24,
            keys: 24,
            head: 32,
            value_head: 32,
            element: Dtype::F16,
        };
        Problem {
            module: "0f".repeat(16),
            workload: "layer".into(),
            ops: vec![
                op("up", up),
                op("attention", attention),
                op("norm", OpShape::LayerNorm(rows)),
                op("final", OpShape::Softmax(rows)),
            ],
        }
    })
}

/// A GPU with room for the heuristic's tiles.
pub(crate) fn device() -> DeviceDescription {
    DeviceDescription {
        name: "fuzz".into(),
        workgroup_memory: 32768,
        invocations: 256,
        storage_buffers: 8,
        storage_binding_bytes: 1 << 27,
        subgroup_min: 32,
        subgroup_max: 32,
        ..DeviceDescription::default()
    }
}

/// The heuristic's plan for [`problem`].
pub(crate) fn proposed() -> Plan {
    heuristic::propose(problem(), &device())
}
