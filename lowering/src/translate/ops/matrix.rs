//! `gpu.subgroup_mma_*`: cooperative matrices.
//!
//! naga checks only the roles; shapes and types are checked here, against the
//! list of the device. The leading dimension counts elements of the memref, which
//! may be vectors. Bounds are not checked at run time beyond the first element.

use crate::translate::{
    error::TranslateError,
    options::MatrixShape,
    read::{self, fail},
    translator::{Lowered, Translator},
    types::{MatrixType, cooperative_size},
    view::{Index, View},
};
use melior::ir::{OperationRef, operation::OperationLike};
use naga::{BinaryOperator, CooperativeData, Expression, Literal, Statement};

use super::memory;

type Op<'c, 'a> = OperationRef<'c, 'a>;
type Done = Result<(), TranslateError>;

/// Pointer, stride and order of a matrix in memory; `start` is the first index.
fn data(
    t: &mut Translator<'_>,
    op: Op<'_, '_>,
    view: &View,
    matrix: MatrixType,
    start: usize,
) -> Result<CooperativeData, TranslateError> {
    let transposed = op.has_attribute("transpose");
    if view.element.scalar != matrix.scalar {
        return Err(fail(
            op,
            "accesses a memref whose scalar type is not that of the matrix",
        ));
    }
    let (rows, columns) = if transposed {
        (matrix.columns, matrix.rows)
    } else {
        (matrix.rows, matrix.columns)
    };
    check_extent(op, view, rows, columns)?;
    let leading = read::integer(op, "leadDimension").and_then(|value| u32::try_from(value).ok());
    let leading = leading.filter(|value| value * view.element.lanes >= columns);
    let leading = leading.ok_or_else(|| {
        fail(
            op,
            format!("has a leadDimension below the {columns} elements of a row"),
        )
    })?;
    let indices = memory::indices(t, op, start)?;
    let pointer = t.b.element_pointer(view, &indices);
    Ok(CooperativeData {
        pointer,
        stride: t.b.literal(Literal::U32(leading)),
        row_major: !transposed,
    })
}

/// A matrix must fit into the last two dimensions of the memref at all.
fn check_extent(op: Op<'_, '_>, view: &View, rows: u32, columns: u32) -> Done {
    let [.., height, width] = view.sizes[..] else {
        return Ok(());
    };
    let holds = |size: Index, lanes: u32, needed: u32| match size {
        Index::Static(size) => size * i64::from(lanes) >= i64::from(needed),
        _ => true,
    };
    if holds(height, 1, rows) && holds(width, view.element.lanes, columns) {
        return Ok(());
    }
    Err(fail(
        op,
        format!("accesses {rows}x{columns} elements of a memref that is smaller; pad it"),
    ))
}

pub(super) fn load(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let (matrix, _) = t.matrix_type(op, read::result(op, 0)?)?;
    let view = t.view(op, 0)?;
    t.note_load(&view);
    let data = data(t, op, &view, matrix, 1)?;
    let (Some(columns), Some(rows)) = (
        cooperative_size(matrix.columns),
        cooperative_size(matrix.rows),
    ) else {
        return Err(fail(op, "loads a matrix that is not 8 or 16 wide and high"));
    };
    let value = t.b.place(Expression::CooperativeLoad {
        columns,
        rows,
        role: matrix.role,
        data,
    });
    t.b.pin(value, "matrix");
    t.set_value(op, value)
}

pub(super) fn store(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let (matrix, _) = t.matrix_type(op, read::operand(op, 0)?)?;
    let target = t.operand(op, 0)?;
    let view = t.view(op, 1)?;
    t.note_store(&view);
    let data = data(t, op, &view, matrix, 2)?;
    t.b.statement(Statement::CooperativeStore { target, data });
    Ok(())
}

pub(super) fn compute(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    if op.has_attribute("a_transpose") || op.has_attribute("b_transpose") {
        return Err(fail(op, "transposes a factor; transpose when loading it"));
    }
    let (a_type, _) = t.matrix_type(op, read::operand(op, 0)?)?;
    let (b_type, _) = t.matrix_type(op, read::operand(op, 1)?)?;
    let (c_type, _) = t.matrix_type(op, read::operand(op, 2)?)?;
    let shape = MatrixShape {
        m: a_type.rows,
        n: b_type.columns,
        k: a_type.columns,
        input: a_type.scalar,
        accumulator: c_type.scalar,
    };
    let agree = b_type.rows == shape.k
        && b_type.scalar == shape.input
        && (c_type.rows, c_type.columns) == (shape.m, shape.n);
    if !agree || !t.options.matrix_shapes.contains(&shape) {
        return Err(fail(
            op,
            format!(
                "multiplies {}x{}x{} (m, n, k) of {:?} into {:?}; the device has {}",
                shape.m,
                shape.n,
                shape.k,
                shape.input,
                shape.accumulator,
                shapes(&t.options.matrix_shapes)
            ),
        ));
    }
    // How matrices lie in a subgroup, and so how many subgroups there are, is the device's.
    t.subgroup_size = t.subgroup_size.or(t.options.subgroup_size);
    let a = t.operand(op, 0)?;
    let b = t.operand(op, 1)?;
    let c = t.operand(op, 2)?;
    let value = t.b.place(Expression::CooperativeMultiplyAdd { a, b, c });
    t.set_value(op, value)
}

fn shapes(list: &[MatrixShape]) -> String {
    if list.is_empty() {
        return "no matrix shapes".to_owned();
    }
    list.iter()
        .map(|s| {
            format!(
                "{}x{}x{} {:?} into {:?}",
                s.m, s.n, s.k, s.input, s.accumulator
            )
        })
        .collect::<Vec<_>>()
        .join(", ")
}

pub(super) fn constant(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    let (_, ty) = t.matrix_type(op, read::result(op, 0)?)?;
    let value = t.operand(op, 0)?;
    t.set(op, 0, Lowered::ConstantMatrix { value, ty })
}

pub(super) fn elementwise(t: &mut Translator<'_>, op: Op<'_, '_>) -> Done {
    t.matrix_type(op, read::result(op, 0)?)?;
    let (operator, left, right) = match read::enumerant(op, "opType").as_str() {
        "addf" => (BinaryOperator::Add, t.operand(op, 0)?, t.operand(op, 1)?),
        "subf" => (
            BinaryOperator::Subtract,
            t.operand(op, 0)?,
            t.operand(op, 1)?,
        ),
        "mulf" => {
            let (left, right) = (read::operand(op, 0)?, read::operand(op, 1)?);
            let (matrix, factor) = match (t.lowered(left), t.lowered(right)) {
                (_, Some(&Lowered::ConstantMatrix { value, .. })) => (left, value),
                (Some(&Lowered::ConstantMatrix { value, .. }), _) => (right, value),
                _ => {
                    return Err(fail(
                        op,
                        "multiplies two matrices element by element; one must be a gpu.subgroup_mma_constant_matrix",
                    ));
                }
            };
            (BinaryOperator::Multiply, t.value(op, matrix)?, factor)
        }
        other => {
            return Err(fail(
                op,
                format!(
                    "applies {other} to matrices; addf, subf and mulf by a constant are supported, do others on a workgroup strip"
                ),
            ));
        }
    };
    let value = t.b.binary(operator, left, right);
    t.set_value(op, value)
}
