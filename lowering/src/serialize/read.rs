//! Reading host code: small total functions over melior's references.

use kforge_dialect::{attributes, ir};
use melior::ir::{
    BlockLike, BlockRef, OperationRef, RegionLike, Value, ValueLike,
    attribute::DenseI32ArrayAttribute,
    operation::{OperationLike, WalkOrder, WalkResult},
};

use super::SerializeError;

type Result<T> = std::result::Result<T, SerializeError>;

/// Identity of an SSA value.
pub(super) fn key(value: Value) -> usize {
    value.to_raw().ptr as usize
}

/// The operations of the first block of an op's first region.
pub(super) fn body<'c, 'a>(op: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    let first = block(op).and_then(|block| block.first_operation());
    std::iter::successors(first, |op| op.next_in_block()).collect()
}

/// The first block of an op's first region.
pub(super) fn block<'c, 'a>(op: OperationRef<'c, 'a>) -> Option<BlockRef<'c, 'a>> {
    op.first_region().and_then(|region| region.first_block())
}

/// The text of a string attribute.
pub(super) fn text<'c>(op: OperationRef<'c, '_>, name: &str) -> Option<&'c str> {
    op.attribute(name).ok().and_then(attributes::text)
}

/// The op's symbol name.
pub(super) fn symbol<'c>(op: OperationRef<'c, '_>) -> &'c str {
    text(op, "sym_name").unwrap_or_default()
}

/// Whether an op called `name` is nested in `op`.
pub(super) fn contains(op: OperationRef, name: &str) -> bool {
    let mut found = false;
    op.walk(WalkOrder::PreOrder, |inner| {
        found |= ir::name(inner) == name;
        match found {
            true => WalkResult::Interrupt,
            false => WalkResult::Advance,
        }
    });
    found
}

pub(super) fn operand<'c, 'a>(op: OperationRef<'c, 'a>, index: usize) -> Result<Value<'c, 'a>> {
    op.operand(index)
        .map_err(|_| SerializeError::at(op, format!("has no operand {index}")))
}

pub(super) fn result<'c, 'a>(op: OperationRef<'c, 'a>, index: usize) -> Result<Value<'c, 'a>> {
    op.result(index)
        .map(Value::from)
        .map_err(|_| SerializeError::at(op, format!("has no result {index}")))
}

/// The operands of one group of an op with `operandSegmentSizes`.
pub(super) fn segment<'c, 'a>(
    op: OperationRef<'c, 'a>,
    group: usize,
) -> Result<Vec<Value<'c, 'a>>> {
    let missing = || SerializeError::at(op, format!("has no operand group {group}"));
    let sizes = op.attribute("operandSegmentSizes").map_err(|_| missing())?;
    let sizes = DenseI32ArrayAttribute::try_from(sizes).map_err(|_| missing())?;
    let size = |index| {
        sizes
            .element(index)
            .map(|size| size.max(0) as usize)
            .map_err(|_| missing())
    };
    let mut start = 0;
    for index in 0..group {
        start += size(index)?;
    }
    (start..start + size(group)?)
        .map(|index| operand(op, index))
        .collect()
}

/// A name that packages and files accept: other characters become `_`.
pub(super) fn clean(name: &str) -> String {
    let keep = |c: char| match c.is_ascii_alphanumeric() || "_-".contains(c) {
        true => c,
        false => '_',
    };
    let name: String = name.chars().take(120).map(keep).collect();
    match name.is_empty() {
        true => "_".into(),
        false => name,
    }
}
