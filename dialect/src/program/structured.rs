//! linalg ops with a meaning of their own: transpose, broadcast, fill, reduce
//! and the matrix products. What they write over is ignored where they ignore
//! it, and added where they accumulate into it.

use kforge_oracle::{ConstantData, DType, Op, ReduceKind, TensorType, ValueId};
use melior::ir::{
    BlockLike, OperationRef, RegionLike, Value, attribute::ArrayAttribute, operation::OperationLike,
};

use super::{
    ProgramError, elementwise,
    import::{Importer, Table, operand, refuse, result_type},
};
use crate::ir;

pub(super) const TABLE: Table = &[
    ("linalg.transpose", transpose),
    ("linalg.broadcast", broadcast),
    ("linalg.fill", fill),
    ("linalg.reduce", reduce),
    ("linalg.matmul", matmul),
    ("linalg.batch_matmul", matmul),
];

fn indices(operation: OperationRef, name: &str) -> Result<Vec<usize>, ProgramError> {
    ir::i64_array(operation, name)
        .and_then(|array| {
            array
                .into_iter()
                .map(|entry| usize::try_from(entry).ok())
                .collect()
        })
        .ok_or_else(|| refuse(operation, format!("has no list '{name}'")))
}

fn transpose<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let node = Op::Transpose {
        x: importer.operand(operation, 0)?,
        permutation: indices(operation, "permutation")?,
    };
    importer.result(operation, node)
}

fn broadcast<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let node = Op::Broadcast {
        x: importer.operand(operation, 0)?,
        dimensions: indices(operation, "dimensions")?,
    };
    importer.result(operation, node)
}

fn fill<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let ty = result_type(operation)?;
    let mut x = importer.operand(operation, 0)?;
    let value = importer.type_of(x);
    if value.dtype != ty.dtype {
        if !(value.dtype.is_float() && ty.dtype.is_float()) {
            let message = format!(
                "fills {ty} with {}; convert the value first",
                value.dtype.name()
            );
            return Err(refuse(operation, message));
        }
        let scalar = TensorType::new(ty.dtype, &[]);
        x = importer.append(operation, Op::Cast { x }, scalar);
    }
    let id = elementwise::spread(importer, operation, x, &ty.shape);
    importer.define(operation, id)
}

/// The reduction that a body of one op and a yield says.
fn reduction(operation: OperationRef) -> Option<ReduceKind> {
    let block = operation.first_region()?.first_block()?;
    let combine = block.first_operation()?;
    let end = combine.next_in_block()?;
    if ir::name(end) != "linalg.yield" || block.argument_count() != 2 {
        return None;
    }
    let (element, so_far): (Value, Value) = (
        block.argument(0).ok()?.into(),
        block.argument(1).ok()?.into(),
    );
    let operands = (combine.operand(0).ok()?, combine.operand(1).ok()?);
    let yielded = ir::defining(end.operand(0).ok()?)?;
    let combines = operands == (element, so_far) || operands == (so_far, element);
    if !combines || yielded != combine {
        return None;
    }
    match ir::name(combine) {
        "arith.addf" | "arith.addi" => Some(ReduceKind::Add),
        "arith.mulf" | "arith.muli" => Some(ReduceKind::Mul),
        "arith.maximumf" | "arith.maxnumf" | "arith.maxsi" => Some(ReduceKind::Max),
        "arith.minimumf" | "arith.minnumf" | "arith.minsi" => Some(ReduceKind::Min),
        _ => None,
    }
}

fn reduce<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    if operation.operand_count() != 2 {
        let message = "reduces several tensors at once; use one op for each";
        return Err(refuse(operation, message.into()));
    }
    let kind = reduction(operation).ok_or_else(|| {
        let message = "has a body other than one add, mul, max or min of element and accumulator";
        refuse(operation, message.into())
    })?;
    let x = importer.operand(operation, 0)?;
    let init = importer.operand(operation, 1)?;
    let mut axes = indices(operation, "dimensions")?;
    axes.sort_unstable();
    let init = (!is_identity(importer, init, kind)).then_some(init);
    importer.result(
        operation,
        Op::Reduce {
            x,
            init,
            kind,
            axes,
        },
    )
}

/// Whether starting a reduction from `init` changes nothing.
fn is_identity(importer: &Importer, init: ValueId, kind: ReduceKind) -> bool {
    let float = importer.type_of(init).dtype.is_float();
    splat(importer, init).is_some_and(|value| match kind {
        ReduceKind::Add => value == 0.0,
        ReduceKind::Mul => value == 1.0,
        ReduceKind::Max => float && value == f64::NEG_INFINITY,
        ReduceKind::Min => float && value == f64::INFINITY,
    })
}

/// The value of a constant splat, seen through broadcasts.
fn splat(importer: &Importer, mut id: ValueId) -> Option<f64> {
    loop {
        let index = (id.0 as usize).checked_sub(importer.program.inputs.len())?;
        match &importer.program.nodes.get(index)?.op {
            Op::Broadcast { x, .. } | Op::Reshape { x } => id = *x,
            Op::Constant {
                data: ConstantData::Splat(value),
            } => return Some(*value),
            _ => return None,
        }
    }
}

/// Which of the last two dimensions each operand of a product has swapped.
fn transposes(operation: OperationRef) -> Option<(bool, bool)> {
    let maps = ArrayAttribute::try_from(operation.attribute("indexing_maps").ok()?).ok()?;
    let results = |index| super::linalg::results(maps.element(index).ok()?);
    let batch = usize::from(ir::name(operation) == "linalg.batch_matmul");
    let (m, n, k) = (batch, batch + 1, batch + 2);
    let with_batch = |rows, columns| -> Vec<usize> { (0..batch).chain([rows, columns]).collect() };
    let side = |map: Vec<usize>, rows, columns| {
        (map == with_batch(rows, columns))
            .then_some(false)
            .or_else(|| (map == with_batch(columns, rows)).then_some(true))
    };
    (results(2)? == with_batch(m, n)).then_some(())?;
    Some((side(results(0)?, m, k)?, side(results(1)?, k, n)?))
}

fn matmul<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let (transpose_a, transpose_b) = transposes(operation).ok_or_else(|| {
        let message = "has indexing maps other than plain or transposed operands";
        refuse(operation, message.into())
    })?;
    let (a, b) = (
        importer.operand(operation, 0)?,
        importer.operand(operation, 1)?,
    );
    let ty = result_type(operation)?;
    let computed = [importer.type_of(a).dtype, importer.type_of(b).dtype];
    if !ty.dtype.is_float() || computed.iter().any(|dtype| !dtype.is_float()) {
        let message = format!("computes {ty}; programs have float products only");
        return Err(refuse(operation, message));
    }
    if computed.contains(&DType::F32) && ty.dtype != DType::F32 {
        let message = format!("narrows f32 operands to {ty} before the product");
        return Err(refuse(operation, message));
    }
    let init = operand(operation, 2)?;
    let init = importer.value(operation, init)?;
    let residual = (!is_identity(importer, init, ReduceKind::Add)).then_some(init);
    let node = Op::Matmul {
        a,
        b,
        bias: None,
        residual,
        transpose_a,
        transpose_b,
        activation: None,
    };
    importer.result(operation, node)
}
