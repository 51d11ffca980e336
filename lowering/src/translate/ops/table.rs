//! The table of [`super::supported_ops`], by dialect.

use super::{Lower, arith, control, gpu, math, matrix, memory, vector};
use naga::{BinaryOperator as B, BuiltIn, MathFunction as M, SubgroupOperation as S};

pub(super) static OPS: &[(&str, Lower)] = &[
    ("arith.addf", |t, op| arith::binary(t, op, B::Add)),
    ("arith.addi", |t, op| arith::binary(t, op, B::Add)),
    ("arith.andi", |t, op| arith::bitwise(t, op, B::And)),
    ("arith.bitcast", arith::bitcast),
    ("arith.ceildivsi", arith::ceil_division),
    ("arith.ceildivui", arith::unsigned_ceil_division),
    ("arith.cmpf", arith::compare_floats),
    ("arith.cmpi", arith::compare_integers),
    ("arith.constant", arith::constant),
    ("arith.divf", |t, op| arith::binary(t, op, B::Divide)),
    ("arith.divsi", |t, op| arith::binary(t, op, B::Divide)),
    ("arith.divui", |t, op| arith::unsigned(t, op, B::Divide)),
    ("arith.extf", arith::convert),
    ("arith.extsi", arith::convert_signed),
    ("arith.extui", arith::convert_unsigned),
    ("arith.floordivsi", arith::floor_division),
    ("arith.fptosi", arith::convert),
    ("arith.fptoui", arith::float_to_unsigned),
    ("arith.index_cast", arith::convert_signed),
    ("arith.index_castui", arith::convert_unsigned),
    ("arith.maximumf", |t, op| math::call(t, op, M::Max)),
    ("arith.maxnumf", |t, op| math::call(t, op, M::Max)),
    ("arith.maxsi", |t, op| math::call(t, op, M::Max)),
    ("arith.maxui", |t, op| arith::unsigned_call(t, op, M::Max)),
    ("arith.minimumf", |t, op| math::call(t, op, M::Min)),
    ("arith.minnumf", |t, op| math::call(t, op, M::Min)),
    ("arith.minsi", |t, op| math::call(t, op, M::Min)),
    ("arith.minui", |t, op| arith::unsigned_call(t, op, M::Min)),
    ("arith.mulf", |t, op| arith::binary(t, op, B::Multiply)),
    ("arith.muli", |t, op| arith::binary(t, op, B::Multiply)),
    ("arith.negf", arith::negate),
    ("arith.ori", |t, op| arith::bitwise(t, op, B::InclusiveOr)),
    ("arith.remf", |t, op| arith::binary(t, op, B::Modulo)),
    ("arith.remsi", |t, op| arith::binary(t, op, B::Modulo)),
    ("arith.remui", |t, op| arith::unsigned(t, op, B::Modulo)),
    ("arith.select", arith::select),
    ("arith.shli", |t, op| {
        arith::shift(t, op, B::ShiftLeft, false)
    }),
    ("arith.shrsi", |t, op| {
        arith::shift(t, op, B::ShiftRight, false)
    }),
    ("arith.shrui", |t, op| {
        arith::shift(t, op, B::ShiftRight, true)
    }),
    ("arith.sitofp", arith::convert_signed),
    ("arith.subf", |t, op| arith::binary(t, op, B::Subtract)),
    ("arith.subi", |t, op| arith::binary(t, op, B::Subtract)),
    ("arith.truncf", arith::convert),
    ("arith.trunci", arith::truncate),
    ("arith.uitofp", arith::convert_unsigned),
    ("arith.xori", |t, op| arith::bitwise(t, op, B::ExclusiveOr)),
    ("gpu.barrier", gpu::barrier),
    ("gpu.block_dim", gpu::block_dim),
    ("gpu.block_id", |t, op| {
        gpu::vector_id(t, op, BuiltIn::WorkGroupId)
    }),
    ("gpu.global_id", |t, op| {
        gpu::vector_id(t, op, BuiltIn::GlobalInvocationId)
    }),
    ("gpu.grid_dim", |t, op| {
        gpu::vector_id(t, op, BuiltIn::NumWorkGroups)
    }),
    ("gpu.lane_id", |t, op| {
        gpu::subgroup_builtin(t, op, BuiltIn::SubgroupInvocationId)
    }),
    ("gpu.num_subgroups", |t, op| {
        gpu::subgroup_builtin(t, op, BuiltIn::NumSubgroups)
    }),
    ("gpu.return", control::terminator),
    ("gpu.shuffle", gpu::shuffle),
    ("gpu.subgroup_id", |t, op| {
        gpu::subgroup_builtin(t, op, BuiltIn::SubgroupId)
    }),
    ("gpu.subgroup_mma_compute", matrix::compute),
    ("gpu.subgroup_mma_constant_matrix", matrix::constant),
    ("gpu.subgroup_mma_elementwise", matrix::elementwise),
    ("gpu.subgroup_mma_load_matrix", matrix::load),
    ("gpu.subgroup_mma_store_matrix", matrix::store),
    ("gpu.subgroup_reduce", gpu::subgroup_reduce),
    ("gpu.subgroup_size", |t, op| {
        gpu::subgroup_builtin(t, op, BuiltIn::SubgroupSize)
    }),
    ("gpu.thread_id", |t, op| {
        gpu::vector_id(t, op, BuiltIn::LocalInvocationId)
    }),
    ("math.absf", |t, op| math::call(t, op, M::Abs)),
    ("math.absi", |t, op| math::call(t, op, M::Abs)),
    ("math.acos", |t, op| math::call(t, op, M::Acos)),
    ("math.asin", |t, op| math::call(t, op, M::Asin)),
    ("math.atan", |t, op| math::call(t, op, M::Atan)),
    ("math.atan2", |t, op| math::call(t, op, M::Atan2)),
    ("math.ceil", |t, op| math::call(t, op, M::Ceil)),
    ("math.clampf", |t, op| math::call(t, op, M::Clamp)),
    ("math.cos", |t, op| math::call(t, op, M::Cos)),
    ("math.erf", math::device_call),
    ("math.exp", |t, op| math::call(t, op, M::Exp)),
    ("math.exp2", |t, op| math::call(t, op, M::Exp2)),
    ("math.floor", |t, op| math::call(t, op, M::Floor)),
    ("math.fma", |t, op| math::call(t, op, M::Fma)),
    ("math.log", |t, op| math::call(t, op, M::Log)),
    ("math.log2", |t, op| math::call(t, op, M::Log2)),
    ("math.powf", |t, op| math::call(t, op, M::Pow)),
    ("math.round", math::round),
    ("math.roundeven", |t, op| math::call(t, op, M::Round)),
    ("math.rsqrt", |t, op| math::call(t, op, M::InverseSqrt)),
    ("math.sin", |t, op| math::call(t, op, M::Sin)),
    ("math.sqrt", |t, op| math::call(t, op, M::Sqrt)),
    ("math.tan", |t, op| math::call(t, op, M::Tan)),
    ("math.tanh", math::device_call),
    ("math.trunc", |t, op| math::call(t, op, M::Trunc)),
    ("memref.alloc", memory::allocate),
    ("memref.alloca", memory::allocate),
    ("memref.assume_alignment", memory::same_view),
    ("memref.cast", memory::same_view),
    ("memref.collapse_shape", memory::collapse_shape),
    ("memref.dealloc", |_, _| Ok(())),
    ("memref.dim", memory::dim),
    ("memref.expand_shape", memory::expand_shape),
    ("memref.extract_strided_metadata", memory::metadata),
    ("memref.load", memory::load),
    ("memref.memory_space_cast", memory::same_view),
    ("memref.reinterpret_cast", memory::reinterpret_cast),
    ("memref.store", memory::store),
    ("memref.subview", memory::subview),
    ("scf.condition", control::terminator),
    ("scf.for", control::counted_loop),
    ("scf.if", control::branch),
    ("scf.while", control::while_loop),
    ("scf.yield", control::terminator),
    ("ub.poison", arith::poison),
    ("vector.broadcast", vector::broadcast),
    ("vector.extract", vector::extract),
    ("vector.extract_strided_slice", vector::extract_slice),
    ("vector.fma", |t, op| math::call(t, op, M::Fma)),
    ("vector.from_elements", vector::from_elements),
    ("vector.insert", vector::insert),
    ("vector.insert_strided_slice", vector::insert_slice),
    ("vector.load", memory::vector_load),
    ("vector.reduction", vector::reduction),
    ("vector.shuffle", vector::shuffle),
    ("vector.store", memory::vector_store),
    ("vector.to_elements", vector::to_elements),
];

/// Reductions over a subgroup, by the name of the operation.
pub(super) static REDUCTIONS: &[(&str, S, bool)] = &[
    // name, operation, unsigned
    ("add", S::Add, false),
    ("mul", S::Mul, false),
    ("and", S::And, false),
    ("or", S::Or, false),
    ("xor", S::Xor, false),
    ("minsi", S::Min, false),
    ("minui", S::Min, true),
    ("minnumf", S::Min, false),
    ("minimumf", S::Min, false),
    ("maxsi", S::Max, false),
    ("maxui", S::Max, true),
    ("maxnumf", S::Max, false),
    ("maximumf", S::Max, false),
];
