//! The dialect: its table for the bridge, and what MLIR asks of its ops.

use std::{ffi::c_void, slice, sync::Once};

use melior::{
    Context, ContextRef, RewriterBase,
    dialect::DialectRegistry,
    ir::{
        Attribute, AttributeLike, Identifier, Location, OperationRef, TypeLike, Value, ValueLike,
        attribute::DictionaryAttribute, operation::OperationLike,
    },
};
use mlir_sys::{
    MlirAttribute, MlirContext, MlirLocation, MlirNamedAttribute, MlirOperation,
    MlirRewritePatternSet, MlirType, MlirValue,
};

use super::*;
use crate::{
    OPS, TensorType, attributes,
    generated::{Attributes, infer_result},
    ops::{self, Folded, Pattern},
    verify,
};

unsafe extern "C" fn verify_op(op: isize, operation: MlirOperation) -> bool {
    // SAFETY: MLIR passes a valid operation.
    let operation = unsafe { OperationRef::from_raw(operation) };
    guarded(Some(operation.location()), || {
        verify::verify(op as usize, operation)
    })
    .unwrap_or(false)
}

unsafe extern "C" fn fold_op(
    _op: isize,
    operation: MlirOperation,
    count: isize,
    operands: *const MlirAttribute,
    attribute: *mut MlirAttribute,
    value: *mut MlirValue,
) -> BridgeFold {
    // SAFETY: MLIR passes a valid operation and `count` attributes, null where
    // an operand is no constant.
    let (operation, constants) = unsafe {
        let raw = if count == 0 {
            &[]
        } else {
            slice::from_raw_parts(operands, count as usize)
        };
        let constants: Vec<Option<Attribute>> = raw
            .iter()
            .map(|raw| Attribute::from_option_raw(*raw))
            .collect();
        (OperationRef::from_raw(operation), constants)
    };
    let context = operation.context();
    // SAFETY: `context` lives until the end of this function.
    let context = unsafe { context.to_ref() };
    let folded = guarded(Some(operation.location()), || {
        ops::fold(context, operation, &constants)
    });
    match folded.flatten() {
        None => BridgeFold_BridgeFoldNone,
        Some(Folded::Attribute(folded)) => {
            // SAFETY: the bridge passes a place for the attribute.
            unsafe { *attribute = folded.to_raw() };
            BridgeFold_BridgeFoldAttribute
        }
        Some(Folded::Value(folded)) => {
            // SAFETY: the bridge passes a place for the value.
            unsafe { *value = folded.to_raw() };
            BridgeFold_BridgeFoldValue
        }
    }
}

unsafe extern "C" fn add_patterns(op: isize, context: MlirContext, set: MlirRewritePatternSet) {
    // SAFETY: MLIR passes a valid context.
    let context = unsafe { ContextRef::from_raw(context) };
    // SAFETY: `context` lives until the end of this function.
    let context = unsafe { context.to_ref() };
    let name = OPS[op as usize].name;
    for &pattern in ops::patterns(name) {
        let pattern = rewrite_pattern(context, name, pattern);
        // SAFETY: the set is valid and takes the pattern over.
        unsafe { mlir_sys::mlirRewritePatternSetAdd(set, pattern.into_raw()) };
    }
}

/// Wraps a Rust pattern for MLIR's drivers.
pub fn rewrite_pattern(
    context: &Context,
    root: &'static str,
    pattern: Pattern,
) -> melior::RewritePattern {
    melior::create_op_rewrite_pattern(
        root,
        1,
        context,
        move |_, operation, rewriter| {
            // SAFETY: MLIR passes a valid operation and rewriter, for this call.
            let (operation, rewriter) = unsafe {
                (
                    OperationRef::from_raw(operation),
                    RewriterBase::from_raw(mlir_sys::mlirPatternRewriterAsBase(rewriter)),
                )
            };
            let context = operation.context();
            // SAFETY: `context` lives until the end of this closure.
            let context = unsafe { context.to_ref() };
            guarded(Some(operation.location()), || {
                pattern(context, operation, &rewriter)
            })
            .flatten()
            .is_some()
        },
        &[],
    )
}

unsafe extern "C" fn infer_op(
    op: isize,
    location: MlirLocation,
    count: isize,
    operands: *const MlirValue,
    dictionary: MlirAttribute,
    result: *mut MlirType,
) -> bool {
    // SAFETY: MLIR passes a valid location and dictionary and `count` values.
    let (location, values, dictionary) = unsafe {
        let raw = if count == 0 {
            &[]
        } else {
            slice::from_raw_parts(operands, count as usize)
        };
        let values: Vec<Value> = raw.iter().map(|raw| Value::from_raw(*raw)).collect();
        (
            Location::from_raw(location),
            values,
            Attribute::from_raw(dictionary),
        )
    };
    let op = op as usize;
    let inferred = guarded(Some(location), || {
        let attributes = Attributes::Dictionary(DictionaryAttribute::try_from(dictionary).ok()?);
        let slots = OPS[op].operands.len();
        let present = attributes
            .segments(slots)
            .unwrap_or_else(|| vec![true; slots]);
        let mut values = values.iter();
        let types: Vec<Option<TensorType>> = present
            .into_iter()
            .map(|present| {
                present
                    .then(|| values.next())?
                    .and_then(|value| TensorType::of(value.r#type()))
            })
            .collect();
        infer_result(op, &types, &attributes)
    });
    match inferred.flatten() {
        Some(Ok(ty)) => {
            let context = location.context();
            // SAFETY: `context` lives until the end of this function, and the
            // bridge passes a place for the type.
            unsafe { *result = ty.to_mlir(context.to_ref()).to_raw() };
            true
        }
        Some(Err(violation)) => {
            diagnostics::error(location, &format!("'{}' op {violation}", OPS[op].name));
            false
        }
        None => false,
    }
}

unsafe extern "C" fn verify_attribute(
    operation: MlirOperation,
    attribute: MlirNamedAttribute,
) -> bool {
    // SAFETY: MLIR passes a valid operation and attribute.
    let (operation, name, value) = unsafe { named(operation, attribute) };
    let name = name.as_string_ref();
    guarded(Some(operation.location()), || {
        attributes::verify(operation, name.as_str().unwrap_or(""), value)
    })
    .unwrap_or(false)
}

unsafe extern "C" fn verify_arg_attribute(
    operation: MlirOperation,
    argument: u32,
    attribute: MlirNamedAttribute,
) -> bool {
    // SAFETY: MLIR passes a valid operation and attribute.
    let (operation, name, value) = unsafe { named(operation, attribute) };
    let name = name.as_string_ref();
    guarded(Some(operation.location()), || {
        attributes::verify_argument(operation, argument, name.as_str().unwrap_or(""), value)
    })
    .unwrap_or(false)
}

/// # Safety
/// Operation and attribute must be valid.
unsafe fn named<'c, 'a>(
    operation: MlirOperation,
    attribute: MlirNamedAttribute,
) -> (OperationRef<'c, 'a>, Identifier<'c>, Attribute<'c>) {
    // SAFETY: the caller's promise.
    unsafe {
        (
            OperationRef::from_raw(operation),
            Identifier::from_raw(attribute.name),
            Attribute::from_raw(attribute.attribute),
        )
    }
}

/// Tells the bridge the dialect; once per process.
pub fn define_dialect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ops = OPS
            .iter()
            .enumerate()
            .map(|(index, op)| {
                let operands = op.operands.iter().map(|operand| BridgeOperand {
                    name: string(operand.name),
                    optional: operand.optional,
                });
                let attributes = op.attributes.iter().map(|attribute| string(attribute.name));
                let (operands, num_operands) = leak(operands.collect());
                let (attributes, num_attributes) = leak(attributes.collect());
                BridgeOp {
                    name: string(op.name),
                    numOperands: num_operands,
                    operands,
                    numAttributes: num_attributes,
                    attributes,
                    pure_: true,
                    inferSlot: index as isize,
                }
            })
            .collect();
        let (ops, count) = leak(ops);
        let callbacks = BridgeCallbacks {
            verify: Some(verify_op),
            fold: Some(fold_op),
            patterns: Some(add_patterns),
            infer: Some(infer_op),
            verifyAttribute: Some(verify_attribute),
            verifyArgAttribute: Some(verify_arg_attribute),
        };
        // SAFETY: everything passed lives as long as the process.
        unsafe { bridgeDefineDialect(string("kforge"), count, ops, callbacks) };
    });
}

/// Makes the dialect loadable from `registry`.
pub fn insert_dialect(registry: &DialectRegistry) {
    define_dialect();
    // SAFETY: the registry is valid.
    unsafe { bridgeInsertDialect(registry.to_raw()) };
}

/// As [`insert_dialect`], for the registry MLIR hands to a plugin.
pub fn insert_dialect_raw(registry: *mut c_void) {
    define_dialect();
    // SAFETY: MLIR passes its registry, alive for this call.
    unsafe { bridgeInsertDialect(mlir_sys::MlirDialectRegistry { ptr: registry }) };
}

/// How many ops the bridge has inference slots for.
#[cfg(test)]
pub fn infer_slots() -> usize {
    // SAFETY: asks for a constant.
    unsafe { bridgeInferSlots() as usize }
}
