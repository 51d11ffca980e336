//! The archive: what goes in comes out, and nothing else does, whatever happens to the file.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bytes;
mod defaults;
mod exchange;
mod files;
mod keep;
mod processes;
mod queries;
mod untrusted;

use std::path::{Path, PathBuf};

use kforge_planner::{
    Attempt, Outcome, Plan, Problem,
    archive::{Archive, Key, Options, Record, Shader},
    heuristic,
    plan::Knob,
    problem::{OpShape, PlannedOp},
};
use kforge_runtime::{DeviceDescription, Dtype, device::Target};
use tempfile::TempDir;

/// A folder that goes with the test, and the archive's path in it.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.sqlite");
    (folder, path)
}

pub(crate) fn open(path: &Path) -> Archive {
    Archive::open(path, &Options::default()).unwrap()
}

/// A product of `m` rows.
pub(crate) fn problem(m: u64) -> Problem {
    let shape = OpShape::Matmul {
        batch: 1,
        m,
        n: 64,
        k: 64,
        element: Dtype::F32,
        transpose_b: false,
    };
    Problem {
        module: format!("{m:032x}"),
        ..of_shape(shape)
    }
}

/// One op.
pub(crate) fn of_shape(shape: OpShape) -> Problem {
    Problem {
        module: "0f".repeat(16),
        workload: shape.to_string(),
        ops: vec![PlannedOp {
            name: "up".into(),
            made_by: None,
            made_with: Vec::new(),
            gone_after: None,
            gone_with: Vec::new(),
            epsilon: None,
            shape,
        }],
    }
}

pub(crate) fn device() -> DeviceDescription {
    DeviceDescription {
        target: Target::Gpu,
        name: "llvmpipe".into(),
        backend: "vulkan".into(),
        driver: "lavapipe".into(),
        driver_info: "22.3".into(),
        workgroup_memory: 32768,
        invocations: 256,
        ..DeviceDescription::default()
    }
}

pub(crate) fn key(m: u64) -> Key {
    Key::new(&problem(m), &device())
}

/// A plan that differs from the heuristic's in one knob.
pub(crate) fn plan(m: u64, group_m: i64) -> Plan {
    let mut plan = heuristic::propose(&problem(m), &device());
    let tile = |step: &&mut kforge_planner::plan::Step| step.pass == "kforge-tile-matmul";
    let step = plan.passes.iter_mut().find(tile).unwrap();
    step.knobs.insert("group-m".into(), Knob::Integer(group_m));
    plan
}

pub(crate) fn verified(ms: f64) -> Outcome {
    Outcome::Verified {
        ms,
        speedup: 8.0 / ms,
        levels: vec!["L0".into(), "L2".into()],
        worst_ratio: 0.25,
    }
}

pub(crate) fn refused(reason: &str) -> Outcome {
    Outcome::Refused {
        reason: reason.into(),
        detail: "element 3 is 1, expected 2".into(),
    }
}

/// An attempt at the product of 64 rows; `created` names it.
pub(crate) fn record(created: u64, outcome: Outcome) -> Record {
    record_of(64, 1, created, outcome)
}

pub(crate) fn record_of(m: u64, group_m: i64, created: u64, outcome: Outcome) -> Record {
    let spread = matches!(outcome, Outcome::Verified { .. }).then_some(0.1 + 0.2);
    Record {
        key: key(m),
        attempt: Attempt {
            id: format!("try-{created}"),
            plan: plan(m, group_m),
            outcome,
        },
        created,
        seed: u64::MAX,
        spread,
        every_case: false,
        shaders: vec![Shader {
            kernel: "up".into(),
            wgsl: format!("@compute fn up() {{ /* {group_m} */ }}"),
        }],
    }
}
