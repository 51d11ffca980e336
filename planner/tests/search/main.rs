//! Searches: what is legal, what is proposed, how soon the best is found.

#![allow(clippy::unwrap_used, clippy::panic)]

mod budget;
mod heuristic;
mod planners;
#[path = "../recorded/mod.rs"]
mod recorded;
mod schedules;
mod simulated;

use kforge_planner::{
    Attempt, Outcome, Plan, Problem,
    problem::{OpShape, PlannedOp, Rows},
};
use kforge_runtime::{DeviceDescription, Dtype, device::Target};
use proptest::prelude::*;

/// A GPU with the given workgroup memory and invocations.
pub fn gpu(workgroup_memory: u32, invocations: u32) -> DeviceDescription {
    DeviceDescription {
        target: Target::Gpu,
        name: "test".into(),
        workgroup_memory,
        invocations,
        subgroup_min: 32,
        subgroup_max: 32,
        ..DeviceDescription::default()
    }
}

/// The recorded ones, WebGPU's base limits and one that is smaller than any.
pub fn devices() -> Vec<DeviceDescription> {
    let mut devices = recorded::devices();
    devices.extend([DeviceDescription::default(), gpu(4096, 32)]);
    devices
}

/// `m x n x k` in f32.
pub fn matmul(m: u64, n: u64, k: u64) -> OpShape {
    OpShape::Matmul {
        batch: 1,
        m,
        n,
        k,
        element: Dtype::F32,
        transpose_b: false,
    }
}

/// Rows of a softmax.
pub fn softmax(rows: u64, n: u64) -> OpShape {
    OpShape::Softmax(Rows {
        rows,
        n,
        element: Dtype::F32,
    })
}

/// Attention over 8 heads.
pub fn attention(queries: u64, head: u64) -> OpShape {
    OpShape::Attention {
        heads: 8,
        queries,
        keys: queries,
        head,
        value_head: head,
        element: Dtype::F32,
    }
}

/// An op that is there from the start and stays.
pub fn op(name: &str, shape: OpShape) -> PlannedOp {
    PlannedOp {
        name: name.into(),
        made_by: None,
        made_with: Vec::new(),
        gone_after: None,
        gone_with: Vec::new(),
        epsilon: None,
        shape,
    }
}

/// A problem of these ops, known by its sizes.
pub fn problem(ops: Vec<PlannedOp>) -> Problem {
    let shapes: Vec<String> = ops.iter().map(|op| op.shape.to_string()).collect();
    Problem {
        module: shapes.join("+"),
        workload: shapes.join("+"),
        ops,
    }
}

/// Attention written out as ops, as extraction lists it, before a second product.
pub fn block() -> Problem {
    let by = |pass: &str| Some(pass.to_owned());
    let gone = |name, shape| PlannedOp {
        gone_after: by("kforge-fuse-attention"),
        ..op(name, shape)
    };
    problem(vec![
        op("query", matmul(64, 64, 64)),
        op("key", matmul(64, 64, 64)),
        gone("scores", matmul(64, 64, 8)),
        gone("weights", softmax(512, 64)),
        PlannedOp {
            made_by: by("kforge-fuse-attention"),
            ..op("scores", attention(64, 8))
        },
        PlannedOp {
            gone_after: by("kforge-fuse-mlp-block"),
            ..op("up", matmul(64, 256, 64))
        },
    ])
}

/// An attempt that passed in `ms`.
pub fn verified(plan: Plan, ms: f64) -> Attempt {
    Attempt {
        id: plan.id(),
        plan,
        outcome: Outcome::Verified {
            ms,
            speedup: 1.0 / ms,
            levels: vec!["quick".into()],
            worst_ratio: 0.5,
        },
    }
}

/// An attempt that did not pass.
pub fn refused(plan: Plan) -> Attempt {
    Attempt {
        id: plan.id(),
        plan,
        outcome: Outcome::Refused {
            reason: "compile".into(),
            detail: "no such kernel".into(),
        },
    }
}

/// Ops of every kind and many sizes.
pub fn shape() -> impl Strategy<Value = OpShape> {
    let size = || prop_oneof![1..70u64, Just(384), Just(1000), Just(4096)];
    let element = prop_oneof![Just(Dtype::F32), Just(Dtype::F16)];
    let sizes = (size(), size(), size(), 1..20u64, 1..300u64);
    (0..4u8, sizes, element).prop_map(|(kind, (m, n, k, batch, head), element)| {
        let rows = Rows {
            rows: m,
            n,
            element,
        };
        match kind {
            0 => OpShape::Matmul {
                batch,
                m,
                n,
                k,
                element,
                transpose_b: false,
            },
            1 => OpShape::Attention {
                heads: batch,
                queries: m,
                keys: n,
                head,
                value_head: head,
                element,
            },
            2 => OpShape::Softmax(rows),
            _ => OpShape::LayerNorm(rows),
        }
    })
}
