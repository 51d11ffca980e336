//! Reading MLIR: small total functions over melior's references.
//!
//! Enumerants and types of the gpu and vector dialects have no C API, so they
//! are read from their printed form.

use super::error::TranslateError;
use melior::ir::{
    Attribute, BlockLike, BlockRef, OperationRef, RegionLike, Value, ValueLike,
    attribute::{ArrayAttribute, DenseI32ArrayAttribute, DenseI64ArrayAttribute, IntegerAttribute},
    operation::{OperationLike, OperationResult},
};

/// Identity of an SSA value.
pub(super) fn key<'c>(value: &impl ValueLike<'c>) -> usize {
    value.to_raw().ptr as usize
}

pub(super) fn name(op: OperationRef<'_, '_>) -> String {
    op.name()
        .as_string_ref()
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// An error at `op`.
pub(super) fn fail(op: OperationRef<'_, '_>, message: impl Into<String>) -> TranslateError {
    let location = op.location().to_string();
    let location = location
        .strip_prefix("loc(")
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(&location);
    TranslateError {
        location: location.replace('"', ""),
        op: name(op),
        message: message.into(),
    }
}

pub(super) fn operand<'c, 'a>(
    op: OperationRef<'c, 'a>,
    index: usize,
) -> Result<Value<'c, 'a>, TranslateError> {
    op.operand(index)
        .map_err(|_| fail(op, format!("has no operand {index}")))
}

pub(super) fn result<'c, 'a>(
    op: OperationRef<'c, 'a>,
    index: usize,
) -> Result<Value<'c, 'a>, TranslateError> {
    op.result(index)
        .map(Value::from)
        .map_err(|_| fail(op, format!("has no result {index}")))
}

/// The op that defines `value`; none for a block argument.
pub(super) fn definition<'c, 'a>(value: Value<'c, 'a>) -> Option<OperationRef<'c, 'a>> {
    OperationResult::try_from(value)
        .ok()
        .map(|result| result.owner())
}

pub(super) fn operations<'c, 'a>(block: BlockRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let mut list = Vec::new();
    let mut next = block.first_operation();
    while let Some(op) = next {
        list.push(op);
        next = op.next_in_block();
    }
    list
}

pub(super) fn arguments<'c, 'a>(block: BlockRef<'c, 'a>) -> Vec<Value<'c, 'a>> {
    (0..block.argument_count())
        .filter_map(|index| block.argument(index).ok().map(Value::from))
        .collect()
}

/// The single block of a region; none for an empty region.
pub(super) fn block<'c, 'a>(
    op: OperationRef<'c, 'a>,
    region: usize,
) -> Result<Option<BlockRef<'c, 'a>>, TranslateError> {
    let Some(first) = op
        .region(region)
        .ok()
        .and_then(|region| region.first_block())
    else {
        return Ok(None);
    };
    if first.next_in_region().is_some() {
        return Err(fail(
            op,
            "has a region of several blocks, one is the limit; translate before control flow is lowered to cf",
        ));
    }
    Ok(Some(first))
}

pub(super) fn integer(op: OperationRef<'_, '_>, attribute: &str) -> Option<i64> {
    let attribute = op.attribute(attribute).ok()?;
    Some(IntegerAttribute::try_from(attribute).ok()?.value())
}

/// Integers of a dense array or an array attribute; empty when absent.
pub(super) fn integers(op: OperationRef<'_, '_>, attribute: &str) -> Vec<i64> {
    op.attribute(attribute)
        .map(integer_list)
        .unwrap_or_default()
}

fn integer_list(attribute: Attribute<'_>) -> Vec<i64> {
    if let Ok(array) = DenseI64ArrayAttribute::try_from(attribute) {
        return (0..array.len())
            .filter_map(|i| array.element(i).ok())
            .collect();
    }
    if let Ok(array) = DenseI32ArrayAttribute::try_from(attribute) {
        return (0..array.len())
            .filter_map(|i| array.element(i).ok().map(i64::from))
            .collect();
    }
    let Ok(array) = ArrayAttribute::try_from(attribute) else {
        return Vec::new();
    };
    (0..array.len())
        .filter_map(|i| IntegerAttribute::try_from(array.element(i).ok()?).ok())
        .map(|integer| integer.value())
        .collect()
}

/// A list of lists of integers, such as a reassociation.
pub(super) fn integer_lists(op: OperationRef<'_, '_>, attribute: &str) -> Vec<Vec<usize>> {
    let Some(array) = op
        .attribute(attribute)
        .ok()
        .and_then(|attribute| ArrayAttribute::try_from(attribute).ok())
    else {
        return Vec::new();
    };
    (0..array.len())
        .filter_map(|i| array.element(i).ok())
        .map(|inner| {
            integer_list(inner)
                .into_iter()
                .filter_map(|value| usize::try_from(value).ok())
                .collect()
        })
        .collect()
}

/// The word of an enum attribute: `x` of `#gpu<dim x>`, `add` of `#vector.kind<add>`.
pub(super) fn enumerant(op: OperationRef<'_, '_>, attribute: &str) -> String {
    let Ok(attribute) = op.attribute(attribute) else {
        return String::new();
    };
    let text = attribute.to_string();
    text.trim_end_matches('>')
        .rsplit(['<', ' '])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Operands of one group of an op with `operandSegmentSizes`.
pub(super) fn segment<'c, 'a>(
    op: OperationRef<'c, 'a>,
    group: usize,
) -> Result<Vec<Value<'c, 'a>>, TranslateError> {
    let sizes: Vec<usize> = integers(op, "operandSegmentSizes")
        .into_iter()
        .filter_map(|size| usize::try_from(size).ok())
        .collect();
    let Some(&size) = sizes.get(group) else {
        return Err(fail(op, format!("has no operand group {group}")));
    };
    let start: usize = sizes[..group].iter().sum();
    (start..start + size)
        .map(|index| operand(op, index))
        .collect()
}
