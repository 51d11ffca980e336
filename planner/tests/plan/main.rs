//! Plans against MLIR's own parser, and against what must be refused.

#![allow(clippy::unwrap_used, clippy::panic)]

mod check;
mod edges;
mod extract;
mod flat;
mod fusions;
mod reading;
mod round_trip;
mod transform;

use std::sync::Once;

use kforge_dialect::{Element, LayerNormArgs, MatmulArgs, SoftmaxArgs, TensorType, build};
use kforge_planner::{Problem, problem::of_module};
use kforge_runtime::{DeviceDescription, device::Target};
use melior::Context;

/// A context with every pass registered.
pub fn context() -> Context {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(kforge_passes::register);
    kforge_dialect::context()
}

/// `layer_norm(gelu(x w)) -> softmax`, whose ops are named up, norm and final.
pub fn problem() -> Problem {
    let context = context();
    let module = build::module(&context, "main", |f| {
        let x = f.argument(&TensorType::fixed(&[48, 64], Element::F32));
        let w = f.argument(&TensorType::fixed(&[64, 96], Element::F32));
        let gamma = f.argument(&TensorType::fixed(&[96], Element::F32));
        let up = build::matmul(f, "up", MatmulArgs::new(x, w))?;
        let args = LayerNormArgs {
            gamma: Some(gamma),
            epsilon: 1e-5,
            ..LayerNormArgs::new(up)
        };
        let norm = build::layer_norm(f, "norm", args)?;
        Ok(vec![build::softmax(f, "final", SoftmaxArgs::new(norm))?])
    });
    of_module(&context, &module.unwrap()).unwrap()
}

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
