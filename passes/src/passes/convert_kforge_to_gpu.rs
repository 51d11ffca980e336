//! `convert-kforge-to-gpu`: kforge and tensors to kernels and launches.
//!
//! Before:
//! ```mlir
//! func.func @f(%a: tensor<8x4xf32>, %b: tensor<4x8xf32>) -> tensor<8x8xf32> { kforge.matmul ... }
//! ```
//! After:
//! ```mlir
//! gpu.module @kernels { gpu.func @matmul_0(...) kernel attributes {kforge.spec = "..."} {...} }
//! func.func @f(%a: memref<8x4xf32>, ...) -> memref<8x8xf32> { gpu.launch_func @kernels::@matmul_0 ... }
//! ```
//! Requires: static shapes; calls inlined. An op without a schedule gets a
//! guessed one that fits the attached device.
//! Ensures: no kforge op and no tensor is left in functions; every unit's last
//! kernel carries the ops it implements as `kforge.spec`.
//! Does nothing when: no function is on tensors.
//! Limits: fewer than 2^31 elements per tensor; 8 buffers per kernel.

use kforge_dialect::{
    device::{Device, Target},
    diagnostics,
    pass::{Failed, PassDef, PassRun, StatisticDef},
};
use melior::{
    Context,
    ir::{OperationRef, operation::OperationLike},
};

pub const PASS: PassDef = PassDef {
    argument: "convert-kforge-to-gpu",
    name: "ConvertKForgeToGpu",
    summary: "generate gpu kernels and their launches from kforge ops",
    options: &[],
    statistics: &[StatisticDef {
        name: "kernels",
        description: "kernels generated",
    }],
    dialects: &["arith", "func", "gpu", "math", "memref", "scf", "vector"],
    run,
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    convert(context, module, pass, Target::Gpu)
}

/// Generates kernels for `target`, which must be what the module is compiled for.
pub fn convert<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
    target: Target,
) -> Result<(), Failed> {
    let attached = Device::of(module).target;
    if attached != target {
        let message = format!(
            "{}: the module is compiled for target '{}'; attach a device of target '{}'",
            pass.argument(),
            attached.as_str(),
            target.as_str()
        );
        diagnostics::error(module.location(), &message);
        return Err(Failed);
    }
    match kforge_lowering::gpu::convert(context, module) {
        Ok(kernels) => {
            pass.count("kernels", kernels as u64);
            Ok(())
        }
        Err((op, error)) => {
            diagnostics::op_error(op, &error.reason());
            Err(Failed)
        }
    }
}
