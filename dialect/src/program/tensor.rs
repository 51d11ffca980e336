//! `tensor` ops: they move elements and compute nothing. Offsets, sizes and
//! strides must be constants in the op.

use kforge_oracle::{ConstantData, Op, TensorType, ValueId};
use melior::ir::{OperationRef, attribute::IntegerAttribute, operation::OperationLike};

use super::{
    ProgramError, elementwise,
    import::{Importer, Table, operand, refuse, result_type},
};
use crate::ir;

pub(super) const TABLE: Table = &[
    ("tensor.empty", empty),
    ("tensor.splat", splat),
    ("tensor.expand_shape", reshape),
    ("tensor.collapse_shape", reshape),
    ("tensor.reshape", reshape),
    ("tensor.cast", cast),
    ("tensor.extract_slice", extract_slice),
    ("tensor.insert_slice", insert_slice),
    ("tensor.concat", concat),
];

fn empty<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let ty = result_type(operation)?;
    importer.define_uninitialised(operation, ty)
}

fn splat<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let ty = result_type(operation)?;
    let x = importer.operand(operation, 0)?;
    let id = elementwise::spread(importer, operation, x, &ty.shape);
    importer.define(operation, id)
}

fn reshape<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let ty = result_type(operation)?;
    if importer.uninitialised(operand(operation, 0)?).is_some() {
        return importer.define_uninitialised(operation, ty);
    }
    let x = importer.operand(operation, 0)?;
    importer.result(operation, Op::Reshape { x })
}

fn cast<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let ty = result_type(operation)?;
    if importer.uninitialised(operand(operation, 0)?).is_some() {
        return importer.define_uninitialised(operation, ty);
    }
    let x = importer.operand(operation, 0)?;
    importer.define(operation, x)
}

struct Slice {
    offsets: Vec<usize>,
    sizes: Vec<usize>,
    strides: Vec<usize>,
}

/// The slice an op names; `tensors` operands come before its dynamic entries.
fn slice(operation: OperationRef, tensors: usize) -> Result<Slice, ProgramError> {
    let entries = |name: &str| -> Option<Vec<usize>> {
        ir::i64_array(operation, name)?
            .into_iter()
            .map(|entry| usize::try_from(entry).ok())
            .collect()
    };
    let slice = || {
        Some(Slice {
            offsets: entries("static_offsets")?,
            sizes: entries("static_sizes")?,
            strides: entries("static_strides")?,
        })
    };
    slice()
        .filter(|_| operation.operand_count() == tensors)
        .ok_or_else(|| {
            let message =
                "has dynamic or negative offsets, sizes or strides; a program needs constants";
            refuse(operation, message.into())
        })
}

fn extract_slice<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let Slice {
        offsets,
        sizes,
        strides,
    } = slice(operation, 1)?;
    let ty = result_type(operation)?;
    if importer.uninitialised(operand(operation, 0)?).is_some() {
        return importer.define_uninitialised(operation, ty);
    }
    let x = importer.operand(operation, 0)?;
    let sliced = TensorType::new(ty.dtype, &sizes);
    let node = Op::Slice {
        x,
        offsets,
        sizes,
        strides,
    };
    let id = importer.append(operation, node, sliced);
    let id = reshaped(importer, operation, id, ty);
    importer.define(operation, id)
}

fn insert_slice<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let Slice {
        offsets,
        sizes,
        strides,
    } = slice(operation, 2)?;
    let source = importer.operand(operation, 0)?;
    let dtype = importer.type_of(source).dtype;
    let inserted = TensorType::new(dtype, &sizes);
    let source = reshaped(importer, operation, source, inserted);
    let destination = match importer.uninitialised(operand(operation, 1)?) {
        // NaN until the last slice is in: what is never written is never right.
        Some(ty) if dtype.is_float() => {
            let data = ConstantData::Splat(f64::NAN);
            importer.append(operation, Op::Constant { data }, ty)
        }
        _ => importer.operand(operation, 1)?,
    };
    let node = Op::InsertSlice {
        source,
        destination,
        offsets,
        sizes,
        strides,
    };
    importer.result(operation, node)
}

/// `x` in the shape of `ty`: a slice may drop or add dimensions of size 1.
fn reshaped(
    importer: &mut Importer,
    operation: OperationRef,
    x: ValueId,
    ty: TensorType,
) -> ValueId {
    if importer.type_of(x).shape == ty.shape {
        return x;
    }
    importer.append(operation, Op::Reshape { x }, ty)
}

fn concat<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    let axis = operation
        .attribute("dim")
        .ok()
        .and_then(|value| IntegerAttribute::try_from(value).ok())
        .and_then(|value| usize::try_from(value.value()).ok())
        .ok_or_else(|| refuse(operation, "has no dimension".into()))?;
    let inputs = (0..operation.operand_count())
        .map(|index| importer.operand(operation, index))
        .collect::<Result<_, _>>()?;
    importer.result(operation, Op::Concat { inputs, axis })
}
