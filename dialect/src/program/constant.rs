//! `arith.constant`: dense and splat tensors and scalars. Resources are refused:
//! their bytes are no part of the module's meaning that could be compared.

use kforge_oracle::{ConstantData, DType, Op, TensorType};
use melior::ir::{
    Attribute, AttributeLike, OperationRef,
    attribute::{BoolAttribute, DenseElementsAttribute},
    operation::OperationLike,
};

use super::{
    ProgramError,
    import::{Importer, Table, refuse, result_type, tensor_type},
};
use crate::{ffi, ir};

pub(super) const TABLE: Table = &[("arith.constant", constant)];

fn constant<'c, 'a>(
    importer: &mut Importer<'c, 'a, '_>,
    operation: OperationRef<'c, 'a>,
) -> Result<(), ProgramError> {
    // An index, for example, that only another op's attributes care about.
    let Ok(ty) = result_type(operation) else {
        return importer.define_opaque(operation);
    };
    let value = operation
        .attribute("value")
        .map_err(|_| refuse(operation, "has no value".into()))?;
    if !tensor_type(value.r#type()).is_ok_and(|of_value| of_value == ty) {
        let message = format!(
            "holds a value of type {}, the result is {ty}",
            value.r#type()
        );
        return Err(refuse(operation, message));
    }
    let data = data(value, &ty).map_err(|message| refuse(operation, message))?;
    importer.result(operation, Op::Constant { data })
}

fn data(value: Attribute, ty: &TensorType) -> Result<ConstantData, String> {
    let Ok(dense) = DenseElementsAttribute::try_from(value) else {
        return scalar(value).map(ConstantData::Splat).ok_or_else(|| {
            let text: String = value.to_string().chars().take(60).collect();
            format!("holds {text}; a program takes dense elements, splats and scalars")
        });
    };
    if ty.dtype == DType::Bool {
        let elements: Vec<f64> = (0..dense.len())
            .map(|index| ffi::dense_bool(&dense, index).map(f64::from))
            .collect::<Option<_>>()
            .ok_or("holds no booleans")?;
        return Ok(match (dense.is_splat(), elements.first()) {
            (true, Some(first)) => ConstantData::Splat(*first),
            _ => ConstantData::Dense(elements),
        });
    }
    let bytes = match ty.dtype {
        DType::F32 | DType::I32 => 4,
        DType::F16 | DType::Bf16 => 2,
        DType::I64 => 8,
        DType::Bool => 1,
    };
    let raw = ffi::dense_bytes(&dense, bytes);
    let elements: Vec<f64> = raw
        .chunks_exact(bytes)
        .map(|element| number(element, ty.dtype))
        .collect();
    Ok(match (dense.is_splat(), elements.first()) {
        (true, Some(first)) => ConstantData::Splat(*first),
        _ => ConstantData::Dense(elements),
    })
}

/// One element in the host's byte order, as MLIR keeps it.
fn number(bytes: &[u8], dtype: DType) -> f64 {
    fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.try_into().unwrap_or([0; N])
    }
    match dtype {
        DType::F32 => f64::from(f32::from_ne_bytes(fixed(bytes))),
        DType::F16 => half::f16::from_ne_bytes(fixed(bytes)).to_f64(),
        DType::Bf16 => half::bf16::from_ne_bytes(fixed(bytes)).to_f64(),
        DType::I32 => f64::from(i32::from_ne_bytes(fixed(bytes))),
        DType::I64 => exact(i64::from_ne_bytes(fixed(bytes))),
        DType::Bool => f64::from(bytes[0] != 0),
    }
}

/// Beyond 2^53 an f64 has gaps: infinity, which no integer type holds, so that
/// validation refuses the constant instead of taking a neighbour.
fn exact(value: i64) -> f64 {
    if value.unsigned_abs() <= 1 << 53 {
        value as f64
    } else {
        f64::INFINITY
    }
}

fn scalar(value: Attribute) -> Option<f64> {
    // A true i1 is -1 as a signed integer.
    if let Ok(boolean) = BoolAttribute::try_from(value) {
        return Some(f64::from(boolean.value()));
    }
    if value.is_integer() {
        let integer = melior::ir::attribute::IntegerAttribute::try_from(value).ok()?;
        return Some(exact(integer.value()));
    }
    ir::scalar_f64(value)
}
