//! Calls of MLIR's C API that melior lacks, each behind a safe function.

#![allow(missing_docs)]

use std::slice;

use melior::{
    StringRef,
    ir::{
        Attribute, AttributeLike, Location, OperationRef, Value, ValueLike,
        attribute::DenseElementsAttribute,
    },
};
use mlir_sys::MlirValue;

use crate::bridge::{
    BridgeSeverity_BridgeError, BridgeSeverity_BridgeRemark, BridgeSeverity_BridgeWarning,
    bridgeEmit, text_of,
};

pub enum Severity {
    Error,
    Warning,
    Remark,
}

pub fn emit(severity: Severity, location: Location, message: &str) {
    let severity = match severity {
        Severity::Error => BridgeSeverity_BridgeError,
        Severity::Warning => BridgeSeverity_BridgeWarning,
        Severity::Remark => BridgeSeverity_BridgeRemark,
    };
    let message = StringRef::new(message);
    // SAFETY: location and message outlive the call, which keeps neither.
    unsafe { bridgeEmit(severity, location.to_raw(), message.to_raw()) }
}

pub fn use_count(value: MlirValue) -> usize {
    // SAFETY: the value is valid; the uses are not changed while they are walked.
    unsafe {
        let mut operand = mlir_sys::mlirValueGetFirstUse(value);
        let mut count = 0;
        while !mlir_sys::mlirOpOperandIsNull(operand) {
            count += 1;
            operand = mlir_sys::mlirOpOperandGetNextUse(operand);
        }
        count
    }
}

/// The op's full name, which lives as long as the context.
pub fn op_name<'a>(operation: OperationRef<'_, 'a>) -> &'a str {
    // SAFETY: identifiers are interned in the context, which outlives the op.
    unsafe {
        text_of(mlir_sys::mlirIdentifierStr(mlir_sys::mlirOperationGetName(
            operation.to_raw(),
        )))
    }
}

/// The text of a string attribute, which lives as long as the context.
pub fn string_value<'c>(attribute: Attribute<'c>) -> &'c str {
    // SAFETY: the caller has checked that it is a string attribute; attributes
    // are interned in the context.
    unsafe { text_of(mlir_sys::mlirStringAttrGetValue(attribute.to_raw())) }
}

/// The name of a name location.
pub fn location_name<'c>(location: Location<'c>) -> &'c str {
    // SAFETY: the caller has checked that it is a name location; identifiers
    // are interned in the context.
    unsafe {
        text_of(mlir_sys::mlirIdentifierStr(
            mlir_sys::mlirLocationNameGetName(location.to_raw()),
        ))
    }
}

/// The elements of dense integers or floats of `size` bytes, in the host's byte
/// order; one element for a splat.
pub fn dense_bytes<'c>(elements: &DenseElementsAttribute<'c>, size: usize) -> &'c [u8] {
    let count = if elements.is_splat() {
        1
    } else {
        elements.len()
    };
    if count == 0 {
        return &[];
    }
    // SAFETY: MLIR keeps that many elements of whole bytes, interned in the
    // context.
    unsafe { slice::from_raw_parts(elements.raw_data().cast(), count * size) }
}

/// Element `index` of dense booleans.
pub fn dense_bool(elements: &DenseElementsAttribute, index: usize) -> Option<bool> {
    if index >= elements.len() {
        return None;
    }
    // SAFETY: the index is in range; the caller has checked the element type.
    Some(unsafe { mlir_sys::mlirDenseElementsAttrGetBoolValue(elements.to_raw(), index as isize) })
}

/// Frees an attribute's lifetime from the operation it was read from.
pub fn attribute_of_context<'c>(attribute: Attribute) -> Attribute<'c> {
    // SAFETY: attributes are interned in the context; the caller uses it in
    // the same context.
    unsafe { Attribute::from_raw(attribute.to_raw()) }
}

pub fn set_attribute(operation: OperationRef, name: &str, value: Attribute) {
    let name = StringRef::new(name);
    // SAFETY: the operation is valid, the attribute is of its context.
    unsafe {
        mlir_sys::mlirOperationSetAttributeByName(
            operation.to_raw(),
            name.to_raw(),
            value.to_raw(),
        );
    }
}

pub fn remove_attribute(operation: OperationRef, name: &str) {
    let name = StringRef::new(name);
    // SAFETY: the operation is valid; a missing attribute is no error.
    unsafe { mlir_sys::mlirOperationRemoveAttributeByName(operation.to_raw(), name.to_raw()) };
}

/// What MLIR writes for a dynamic size.
pub fn dynamic_size() -> u64 {
    // SAFETY: asks for a constant.
    unsafe { mlir_sys::mlirShapedTypeGetDynamicSize() as u64 }
}

/// The users of a value, one entry per use.
pub fn users<'c, 'a>(value: Value<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let mut users = Vec::new();
    // SAFETY: as above; owners live as long as the value.
    unsafe {
        let mut operand = mlir_sys::mlirValueGetFirstUse(value.to_raw());
        while !mlir_sys::mlirOpOperandIsNull(operand) {
            users.push(OperationRef::from_raw(mlir_sys::mlirOpOperandGetOwner(
                operand,
            )));
            operand = mlir_sys::mlirOpOperandGetNextUse(operand);
        }
    }
    users
}
