//! `convert-kforge-to-cpu`: kforge and tensors to kernels of one invocation.
//!
//! Before:
//! ```mlir
//! func.func @f(%a: tensor<8x4xf32>, %b: tensor<4x8xf32>) -> tensor<8x8xf32> { kforge.matmul ... }
//! ```
//! After:
//! ```mlir
//! gpu.module @kernels { gpu.func @matmul_0(...) kernel attributes {known_block_size = array<i32: 1, 1, 1>} {...} }
//! func.func @f(%a: memref<8x4xf32>, ...) -> memref<8x8xf32> { gpu.launch_func @kernels::@matmul_0 ... }
//! ```
//! Requires: a device of target cpu (kforge-attach-device{target=cpu}); else as
//! convert-kforge-to-gpu.
//! Ensures: as convert-kforge-to-gpu, with one invocation per workgroup: no thread
//! ids, no barriers that do anything, vectors as wide as a register. Serialisation
//! makes LLVM code of such kernels; workgroups run in parallel.
//! Does nothing when: no function is on tensors.
//! Limits: fewer than 2^31 elements per tensor; 64 KiB of tiles per kernel.

use kforge_dialect::{
    device::Target,
    pass::{Failed, PassDef, PassRun},
};
use melior::{Context, ir::OperationRef};

use super::convert_kforge_to_gpu::{self, convert};

pub const PASS: PassDef = PassDef {
    argument: "convert-kforge-to-cpu",
    name: "ConvertKForgeToCpu",
    summary: "generate kernels of one invocation per workgroup, for machine code",
    run,
    ..convert_kforge_to_gpu::PASS
};

fn run<'c, 'a>(
    context: &'c Context,
    module: OperationRef<'c, 'a>,
    pass: &PassRun,
) -> Result<(), Failed> {
    convert(context, module, pass, Target::Cpu)
}
