//! Which ops a CPU can run, and why the others are refused.

use kforge_dialect::ir;
use melior::ir::{OperationRef, ValueLike, operation::OperationLike};

use super::local::{is_allocation, is_shared};
use crate::{LoweringError, emit::Emitted};

/// Dialects whose ops have a conversion.
const DIALECTS: [&str; 4] = ["arith", "math", "ub", "vector"];

/// Ops of other dialects that have one.
const OPS: [&str; 16] = [
    "memref.assume_alignment",
    "memref.cast",
    "memref.collapse_shape",
    "memref.dim",
    "memref.expand_shape",
    "memref.extract_strided_metadata",
    "memref.load",
    "memref.reinterpret_cast",
    "memref.store",
    "memref.subview",
    "scf.condition",
    "scf.for",
    "scf.if",
    "scf.index_switch",
    "scf.while",
    "scf.yield",
];

/// Ops that are replaced here, whatever the number of invocations.
const ONE_BY_ONE: [&str; 8] = [
    "gpu.block_dim",
    "gpu.block_id",
    "gpu.global_id",
    "gpu.grid_dim",
    "gpu.return",
    "gpu.thread_id",
    "memref.dealloc",
    "memref.memory_space_cast",
];

/// Ops that are replaced here where there is one invocation.
const TOGETHER: [&str; 6] = [
    "gpu.barrier",
    "gpu.lane_id",
    "gpu.num_subgroups",
    "gpu.subgroup_id",
    "gpu.subgroup_reduce",
    "gpu.subgroup_size",
];

/// Whether a workgroup is one invocation.
pub(super) fn alone(size: [i64; 3]) -> bool {
    size == [1, 1, 1]
}

/// The refusal of something that invocations do together.
pub(super) fn together(op: OperationRef, size: [i64; 3], what: &str) -> LoweringError {
    let [x, y, z] = size;
    let message = format!(
        "{what}, with {x}x{y}x{z} invocations per workgroup; a CPU runs invocations one after \
         another, the limit is 1x1x1"
    );
    LoweringError::at(op, message)
}

/// Refuses `op` where a CPU cannot run it in workgroups of `size`.
pub(super) fn check(op: OperationRef, size: [i64; 3]) -> Emitted<()> {
    let name = ir::name(op);
    if ONE_BY_ONE.contains(&name) {
        return Ok(());
    }
    if TOGETHER.contains(&name) {
        return match alone(size) {
            true => Ok(()),
            false => Err(together(op, size, "needs all invocations")),
        };
    }
    if is_allocation(op) {
        let shared = op.results().any(|result| is_shared(result.r#type()));
        return match shared && !alone(size) {
            true => Err(together(op, size, "allocates workgroup memory")),
            false => Ok(()),
        };
    }
    let dialect = name.split_once('.').map_or(name, |(dialect, _)| dialect);
    // Printing is done by a library that this process does not have.
    let known = DIALECTS.contains(&dialect) && name != "vector.print";
    if !known && !OPS.contains(&name) {
        return Err(LoweringError::at(op, "has no lowering to a CPU".into()));
    }
    Ok(())
}
