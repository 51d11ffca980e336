//! `gpu`: ids, barriers and subgroup operations.

use crate::translate::{
    error::TranslateError,
    read::{self, fail},
    translator::{Lowered, Translator},
    types::ScalarType,
};
use melior::ir::{OperationRef, operation::OperationLike};
use naga::{
    Barrier, BinaryOperator, BuiltIn, CollectiveOperation, Expression, GatherMode, Scalar,
    Statement, SubgroupOperation,
};

use super::table::REDUCTIONS;

type Op<'c, 'a> = OperationRef<'c, 'a>;
type Done = Result<(), TranslateError>;

fn dimension(op: Op<'_, '_>) -> Result<usize, TranslateError> {
    let word = read::enumerant(op, "dimension");
    ["x", "y", "z"]
        .iter()
        .position(|name| *name == word)
        .ok_or_else(|| fail(op, format!("has the unknown dimension {word}")))
}

pub(super) fn vector_id(t: &mut Translator<'_>, op: Op<'_, '_>, builtin: BuiltIn) -> Done {
    let dimension = dimension(op)?;
    // The only id of a dimension of size 1 is 0.
    let value = if builtin == BuiltIn::LocalInvocationId && t.workgroup_size[dimension] == 1 {
        t.b.i32(0)
    } else {
        t.b.builtin(builtin, dimension as u32)
    };
    t.set_value(op, value)
}

pub(super) fn block_dim(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let size = t.workgroup_size[dimension(op)?];
    let value = t.b.i32(size as i32);
    t.set_value(op, value)
}

pub(super) fn subgroup_builtin(t: &mut Translator<'_>, op: Op<'_, '_>, builtin: BuiltIn) -> Done {
    require_subgroups(t, op)?;
    let value = t.b.builtin(builtin, 0);
    t.set_value(op, value)
}

fn require_subgroups(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    t.require(op, "subgroup operations", |features| {
        &mut features.subgroups
    })
}

/// Orders storage too; that part is dropped later where no buffer is both read
/// and written.
pub(super) fn barrier(t: &mut Translator<'_>, _: Op<'_, '_>) -> Done {
    t.b.statement(Statement::ControlBarrier(
        Barrier::WORK_GROUP | Barrier::STORAGE,
    ));
    Ok(())
}

pub(super) fn subgroup_reduce(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    require_subgroups(t, op)?;
    if op.has_attribute("cluster_size") {
        return Err(fail(
            op,
            "reduces over clusters; only whole subgroups are supported",
        ));
    }
    let ty = t.result_type(op)?;
    let word = read::enumerant(op, "op");
    let Some(&(_, mut operation, unsigned)) = REDUCTIONS.iter().find(|(name, _, _)| *name == word)
    else {
        let known: Vec<&str> = REDUCTIONS.iter().map(|(name, _, _)| *name).collect();
        return Err(fail(
            op,
            format!("reduces by {word}; supported: {}", known.join(", ")),
        ));
    };
    if ty.scalar == ScalarType::Bool {
        operation = match operation {
            SubgroupOperation::And if ty.lanes == 1 => SubgroupOperation::All,
            SubgroupOperation::Or if ty.lanes == 1 => SubgroupOperation::Any,
            _ => {
                return Err(fail(
                    op,
                    format!("reduces i1 by {word}; and, or are supported"),
                ));
            }
        };
    }
    let mut argument = t.operand(op, 0)?;
    let mut inner = ty.inner();
    if unsigned {
        let scalar = match ty.scalar {
            ScalarType::I64 => Scalar::U64,
            _ => Scalar::U32,
        };
        argument = t.b.convert(argument, scalar);
        inner = match ty.size() {
            Some(size) => naga::TypeInner::Vector { size, scalar },
            None => naga::TypeInner::Scalar(scalar),
        };
    }
    let result_type = t.b.ty(inner);
    let result =
        t.b.unplaced(Expression::SubgroupOperationResult { ty: result_type });
    t.b.statement(Statement::SubgroupCollectiveOperation {
        op: operation,
        collective_op: CollectiveOperation::Reduce,
        argument,
        result,
    });
    let value = if unsigned {
        t.b.convert(result, ty.scalar.naga())
    } else {
        result
    };
    t.set_value(op, value)
}

/// Second result: whether the lane read from is within the width.
pub(super) fn shuffle(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    require_subgroups(t, op)?;
    let ty = t.result_type(op)?;
    if ty.scalar == ScalarType::Bool {
        return Err(fail(op, "shuffles i1; extend to i32 first"));
    }
    let argument = t.operand(op, 0)?;
    let offset = t.operand(op, 1)?;
    let width = t.operand(op, 2)?;
    check_width(t, op, width)?;
    let lane = t.b.builtin(BuiltIn::SubgroupInvocationId, 0);
    let index = t.b.convert(offset, Scalar::U32);
    let zero = t.b.i32(0);
    let (mode, source) = match read::enumerant(op, "mode").as_str() {
        "xor" => {
            let source = t.b.binary(BinaryOperator::ExclusiveOr, lane, offset);
            (GatherMode::ShuffleXor(index), source)
        }
        "up" => {
            let source = t.b.binary(BinaryOperator::Subtract, lane, offset);
            (GatherMode::ShuffleUp(index), source)
        }
        "down" => {
            let source = t.b.binary(BinaryOperator::Add, lane, offset);
            (GatherMode::ShuffleDown(index), source)
        }
        "idx" => (GatherMode::Shuffle(index), offset),
        other => return Err(fail(op, format!("has the unknown mode {other}"))),
    };
    let below = t.b.binary(BinaryOperator::Less, source, width);
    let above = t.b.binary(BinaryOperator::GreaterEqual, source, zero);
    let valid = t.b.binary(BinaryOperator::And, below, above);
    let result_type = t.b.ty(ty.inner());
    let result =
        t.b.unplaced(Expression::SubgroupOperationResult { ty: result_type });
    t.b.statement(Statement::SubgroupGather {
        mode,
        argument,
        result,
    });
    t.set(op, 0, Lowered::Value(result))?;
    t.set(op, 1, Lowered::Value(valid))
}

/// A shuffle takes part with the whole subgroup, so its width must be the size of
/// one. The size is noted as something the kernel relies on.
fn check_width(t: &mut Translator<'_>, op: Op<'_, '_>, width: naga::Handle<Expression>) -> Done {
    let Some(width) =
        t.b.literal_i32(width)
            .and_then(|width| u32::try_from(width).ok())
    else {
        return Err(fail(op, "has a width that is no constant"));
    };
    let expected = t.options.subgroup_size.or(t.subgroup_size);
    if expected.is_some_and(|size| size != width) {
        return Err(fail(
            op,
            format!(
                "has width {width}; it must be the subgroup size, here {}",
                expected.unwrap_or_default()
            ),
        ));
    }
    t.subgroup_size = Some(width);
    Ok(())
}
