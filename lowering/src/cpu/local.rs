//! Memory that kernels declare: workgroup and private memory as stack buffers.
//!
//! They are made once per call, ahead of the loop over blocks: a stack allocation
//! inside a loop is released only when the function returns.

use kforge_dialect::ir;
use melior::{
    IrRewriter,
    ir::{
        BlockLike, Identifier, OperationRef, ShapedTypeLike, Type, Value, ValueLike,
        attribute::{DenseI32ArrayAttribute, IntegerAttribute},
        operation::{OperationBuilder, OperationLike},
        r#type::{IntegerType, MemRefType},
    },
};

use super::element::{Element, dims};
use crate::{
    LoweringError,
    emit::{Emit, Emitted},
};

/// Bytes of workgroup and private memory of one kernel: an eighth of the 2 MiB of
/// stack that Rust's threads have.
pub const LOCAL_BYTES: u64 = 256 * 1024;

/// Alignment of every buffer: a cache line, and the widest vector.
const ALIGNMENT: i64 = 64;

/// Makes the buffers of one kernel.
#[derive(Debug, Default)]
pub(super) struct Locals {
    bytes: u64,
}

impl Locals {
    /// A buffer for `ty`, in the default memory space, put ahead of `before`.
    pub(super) fn allocate<'c, 'a>(
        &mut self,
        emit: &Emit<'c, 'a>,
        user: OperationRef,
        ty: Type<'c>,
        before: OperationRef<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let bytes = bytes_of(ty).ok_or_else(|| {
            LoweringError::at(
                user,
                format!("allocates {ty}; sizes and elements must be static"),
            )
        })?;
        self.bytes = self
            .bytes
            .saturating_add(bytes.next_multiple_of(ALIGNMENT.unsigned_abs()));
        if self.bytes > LOCAL_BYTES {
            let message = format!(
                "brings workgroup and private memory to {} bytes; the limit is {LOCAL_BYTES}, use smaller tiles",
                self.bytes
            );
            return Err(LoweringError::at(user, message));
        }
        let i64 = IntegerType::new(emit.context, 64).into();
        let none = DenseI32ArrayAttribute::new(emit.context, &[0, 0]);
        let buffer = OperationBuilder::new("memref.alloca", emit.location)
            .add_attributes(&[
                (
                    Identifier::new(emit.context, "alignment"),
                    IntegerAttribute::new(i64, ALIGNMENT).into(),
                ),
                (
                    Identifier::new(emit.context, "operandSegmentSizes"),
                    none.into(),
                ),
            ])
            .add_results(&[without_space(ty)?])
            .build()?;
        let block = before.block().unwrap_or(emit.block);
        let buffer = block.insert_operation_before(before, buffer);
        Ok(buffer.result(0)?.into())
    }

    /// Replaces an allocation in the body.
    pub(super) fn replace<'c, 'a>(
        &mut self,
        emit: &Emit<'c, 'a>,
        op: OperationRef<'c, 'a>,
        before: OperationRef<'c, 'a>,
    ) -> Emitted<()> {
        if op.operand_count() != 0 {
            let message = "has a dynamic size; make it static or pass the memory".to_owned();
            return Err(LoweringError::at(op, message));
        }
        let ty = Value::from(op.result(0)?).r#type();
        let buffer = self.allocate(emit, op, ty, before)?;
        IrRewriter::from_op(op)
            .as_rewriter_base()
            .replace_op_with_values(op, &[buffer]);
        Ok(())
    }
}

/// The memref type without its memory space: a CPU has one.
pub(super) fn without_space(ty: Type<'_>) -> Emitted<Type<'_>> {
    let memref = MemRefType::try_from(ty)?;
    if memref.memory_space().is_none() {
        return Ok(ty);
    }
    let dims = dims(memref)?;
    Ok(MemRefType::new(memref.element(), &dims, Some(memref.layout()), None).into())
}

fn bytes_of(ty: Type) -> Option<u64> {
    let memref = MemRefType::try_from(ty).ok()?;
    let mut bytes = Element::read(memref.element())?.stride()?;
    for size in dims(memref).ok()? {
        bytes = bytes.checked_mul(u64::try_from(size).ok()?)?;
    }
    Some(bytes)
}

/// Whether the memref is shared by the invocations of a workgroup.
pub(super) fn is_shared(ty: Type) -> bool {
    MemRefType::try_from(ty)
        .ok()
        .and_then(|ty| ty.memory_space())
        .is_some_and(|space| space.to_string() == "#gpu.address_space<workgroup>")
}

/// Whether `op` allocates memory.
pub(super) fn is_allocation(op: OperationRef) -> bool {
    matches!(ir::name(op), "memref.alloc" | "memref.alloca")
}
