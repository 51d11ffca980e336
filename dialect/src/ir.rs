//! Small readings of IR that melior has no call for.

use melior::{
    Context,
    ir::{
        Attribute, Operation, OperationRef, Value, ValueLike,
        attribute::{
            DenseElementsAttribute, DenseI64ArrayAttribute, FloatAttribute, IntegerAttribute,
        },
        operation::{OperationLike, OperationMutLike, OperationResult},
    },
};

use crate::{Element, TensorType, ffi};

/// The operation that defines `value`, unless it is a block argument.
pub fn defining<'c, 'a>(value: Value<'c, 'a>) -> Option<OperationRef<'c, 'a>> {
    Some(OperationResult::try_from(value).ok()?.owner())
}

/// The op's full name.
pub fn name<'a>(operation: OperationRef<'_, 'a>) -> &'a str {
    ffi::op_name(operation)
}

/// The dimensions of a `linalg.transpose`.
pub fn transpose_permutation(operation: OperationRef) -> Option<Vec<i64>> {
    (name(operation) == "linalg.transpose").then(|| i64_array(operation, "permutation"))?
}

/// An `array<i64: ...>` attribute.
pub fn i64_array(operation: OperationRef, attribute: &str) -> Option<Vec<i64>> {
    let array = DenseI64ArrayAttribute::try_from(operation.attribute(attribute).ok()?).ok()?;
    (0..array.len())
        .map(|index| array.element(index).ok())
        .collect()
}

/// Copies the attributes with a dialect prefix, such as `kforge.name`.
pub fn copy_discardable(from: OperationRef, to: &mut Operation) {
    for (key, value) in from.attributes() {
        let Ok(key) = key.as_string_ref().as_str() else {
            continue;
        };
        if key.contains('.') {
            to.set_attribute(key, ffi::attribute_of_context(value));
        }
    }
}

/// The value of a splat of floats or integers.
pub fn splat_f64(constant: &DenseElementsAttribute) -> Option<f64> {
    scalar_f64(constant.splat_value())
}

/// A float or integer attribute as f64.
pub fn scalar_f64(attribute: Attribute) -> Option<f64> {
    FloatAttribute::try_from(attribute)
        .map(|float| float.value())
        .ok()
        .or_else(|| {
            IntegerAttribute::try_from(attribute)
                .map(|integer| integer.value() as f64)
                .ok()
        })
}

/// A dense splat of type `ty`.
pub fn splat_attribute<'c>(context: &'c Context, ty: &TensorType, value: f64) -> Attribute<'c> {
    let element: Attribute = match ty.element {
        Element::F32 | Element::F16 => {
            FloatAttribute::new(context, ty.element.to_mlir(context), value).into()
        }
        _ => IntegerAttribute::new(ty.element.to_mlir(context), value as i64).into(),
    };
    // The type is a static ranked tensor and the element has its element type.
    DenseElementsAttribute::splat(ty.to_mlir(context), element).into()
}

/// How many operations use `value`.
pub fn use_count(value: Value) -> usize {
    ffi::use_count(value.to_raw())
}

/// The users of `value`, one entry per use.
pub fn users<'c, 'a>(value: Value<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    ffi::users(value)
}

/// The tensor type of `value`, if it has one.
pub fn tensor_type(value: Value) -> Option<TensorType> {
    TensorType::of(value.r#type())
}

/// The bytes of dense numbers of `size` bytes each, in the host's byte order; of
/// one number for a splat. The caller has checked the element type.
pub fn dense_bytes<'c>(elements: &DenseElementsAttribute<'c>, size: usize) -> &'c [u8] {
    ffi::dense_bytes(elements, size)
}

/// Sets an attribute. Handles of operations are shared, so no borrow says who
/// may write; passes own the module they run on.
pub fn set_attribute<'c>(operation: OperationRef<'c, '_>, name: &str, value: Attribute<'c>) {
    ffi::set_attribute(operation, name, value);
}

/// Removes an attribute, if it is there.
pub fn remove_attribute(operation: OperationRef, name: &str) {
    ffi::remove_attribute(operation, name);
}
