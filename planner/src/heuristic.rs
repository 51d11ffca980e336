//! The plan made from shapes and limits alone: no network, no clock, no chance.
//!
//! Everything that can be fused is; every op gets the schedule that its shape and the
//! device's workgroup memory, invocations and vector width suggest.

use kforge_dialect::{
    Element,
    device::Device,
    schedule::{AttentionProblem, AttentionSchedule, MatmulProblem, MatmulSchedule, RowSchedule},
};
use kforge_runtime::DeviceDescription;

use crate::{
    device,
    plan::{Plan, Provenance, Step, device_of},
    problem::{OpShape, PlannedOp, Problem, element},
};

/// Passes of every heuristic plan before the schedules, in the order they need.
pub const FUSE: &[&str] = &[
    "kforge-fold-constants",
    // Attention before epilogues: its scores must still be a plain matmul.
    "kforge-fuse-attention",
    "kforge-fuse-matmul-activation",
    "kforge-eliminate-dead-ops",
];

/// One plan for `problem` on `device`.
pub fn propose(problem: &Problem, device: &DeviceDescription) -> Plan {
    let mut plan = Plan::new(device.target, device::limits(device));
    plan.provenance = Provenance {
        planner: "heuristic".into(),
        ..Provenance::default()
    };
    plan.problem = Some(problem.clone());
    plan.passes = FUSE.iter().map(|pass| Step::new(pass)).collect();
    let limits = device_of(&plan);
    let schedules = there(problem, &plan)
        .map(|op| schedule(op, &limits))
        .collect::<Vec<_>>();
    plan.passes.extend(schedules);
    plan
}

/// The ops that a plan's fusions leave to be scheduled.
pub fn there<'p>(problem: &'p Problem, plan: &Plan) -> impl Iterator<Item = &'p PlannedOp> {
    let passes: Vec<String> = plan.passes.iter().map(|step| step.pass.clone()).collect();
    let is_there = move |op: &&PlannedOp| {
        let ran: Vec<&str> = passes.iter().map(String::as_str).collect();
        op.is_there(&ran)
    };
    problem.ops.iter().filter(is_there)
}

/// The schedule that an op's shape and the device suggest.
pub(crate) fn schedule(op: &PlannedOp, device: &Device) -> Step {
    let of = |dtype| element(dtype).unwrap_or(Element::F32);
    let knobs = match op.shape {
        OpShape::Matmul {
            batch,
            m,
            n,
            k,
            element,
            transpose_b,
        } => {
            let problem = MatmulProblem {
                batch,
                m,
                n,
                k,
                element: of(element),
                transpose_b,
            };
            MatmulSchedule::guess(&problem, device).knobs()
        }
        OpShape::Attention {
            heads,
            queries,
            keys,
            head,
            value_head,
            element,
        } => {
            let problem = AttentionProblem {
                heads,
                queries,
                keys,
                head,
                value_head,
                element: of(element),
            };
            AttentionSchedule::guess(&problem, device).knobs()
        }
        OpShape::Softmax(rows) | OpShape::LayerNorm(rows) | OpShape::RmsNorm(rows) => {
            RowSchedule::guess(rows.rows, rows.n, of(rows.element), device).knobs()
        }
    };
    Step::schedule(op.shape.pass(), &op.name, &knobs)
}
