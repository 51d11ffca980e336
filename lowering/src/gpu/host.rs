//! Host code: the function that launches kernels, while it is being written.
//!
//! Tensors become memrefs; what a tensor is stored in is remembered by value.

use std::collections::{HashMap, HashSet};

use kforge_dialect::{TensorType, attributes, device::Device, ir};
use melior::ir::{
    Attribute, BlockLike, OperationRef, ShapedTypeLike, Type, Value, ValueLike,
    attribute::StringAttribute,
    operation::OperationLike,
    r#type::{MemRefType, RankedTensorType},
};

use super::kernel::Frame;
use crate::{
    LoweringError,
    emit::{Emit, Emitted},
};

/// A function on its way from tensors to launches.
#[derive(Debug)]
pub struct Host<'c, 'a> {
    /// The body of the new function.
    pub emit: Emit<'c, 'a>,
    /// The body of the `gpu.module`.
    pub kernels: Emit<'c, 'a>,
    /// What kernels are generated for.
    pub device: Device,
    buffers: HashMap<usize, Value<'c, 'a>>,
    names: HashSet<String>,
}

impl<'c, 'a> Host<'c, 'a> {
    /// A function whose body goes to `emit` and whose kernels go to `kernels`.
    pub fn new(
        emit: Emit<'c, 'a>,
        kernels: Emit<'c, 'a>,
        device: Device,
        names: HashSet<String>,
    ) -> Self {
        Self {
            emit,
            kernels,
            device,
            buffers: HashMap::new(),
            names,
        }
    }

    /// The kernel names taken so far, for the next function of the module.
    pub fn into_names(self) -> HashSet<String> {
        self.names
    }

    /// Where symbols of the module go.
    pub fn module(&self) -> Emitted<Emit<'c, 'a>> {
        let function = self.emit.block.parent_operation();
        let block = function.and_then(|function| function.block());
        let block = block
            .ok_or_else(|| kforge_dialect::Error::Message("the function is in no module".into()))?;
        Ok(self.emit.at(block))
    }

    /// Says that `tensor` is stored in `buffer`.
    pub fn bind(&mut self, tensor: Value<'c, 'a>, buffer: Value<'c, 'a>) {
        self.buffers.insert(key(tensor), buffer);
    }

    /// The buffer that `tensor` is stored in.
    pub fn buffer(&self, user: OperationRef, tensor: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
        self.buffers.get(&key(tensor)).copied().ok_or_else(|| {
            LoweringError::at(
                user,
                format!(
                    "uses a value of type {} that has no buffer",
                    tensor.r#type()
                ),
            )
        })
    }

    /// A new buffer for a tensor of type `ty`.
    pub fn allocate(&self, ty: Type<'c>) -> Emitted<Value<'c, 'a>> {
        let segments =
            melior::ir::attribute::DenseI32ArrayAttribute::new(self.emit.context, &[0, 0]);
        self.emit.value(
            "memref.alloc",
            &[],
            ty,
            &[("operandSegmentSizes", segments.into())],
        )
    }

    /// A kernel name made from the op's name, unique in the module.
    pub fn unique_name(&mut self, op: OperationRef) -> String {
        let base: String = stage(op).replace('.', "_");
        let mut name = base.clone();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            name = format!("{base}_{number}");
            number += 1;
        }
        name
    }

    /// Gives `op` a schedule it did not have.
    pub fn attach_schedule(&self, op: OperationRef<'c, 'a>, schedule: Attribute<'c>) {
        ir::set_attribute(op, attributes::SCHEDULE, schedule);
    }

    /// Says on a kernel which op it came from, with which knobs.
    pub fn annotate(&self, kernel: OperationRef<'c, 'a>, op: OperationRef<'c, 'a>) {
        let name = StringAttribute::new(self.emit.context, &stage(op));
        ir::set_attribute(kernel, attributes::NAME, name.into());
        if let Ok(schedule) = op.attribute(attributes::SCHEDULE) {
            ir::set_attribute(kernel, attributes::SCHEDULE, schedule);
        }
    }

    /// Says on the last kernel of a unit which ops it implements.
    pub fn specify(&self, kernel: OperationRef<'c, 'a>, spec: &str) {
        let spec = StringAttribute::new(self.emit.context, spec);
        ir::set_attribute(kernel, attributes::SPEC, spec.into());
    }

    /// Emits the launch of `frame`.
    pub fn launch(&self, frame: &Frame<'c>, arguments: &[Value<'c, 'a>]) -> Emitted<()> {
        frame.launch(&self.emit, arguments)
    }
}

/// What reports call an op: its `kforge.name`, else its mnemonic.
pub fn stage(op: OperationRef) -> String {
    op.attribute(attributes::NAME)
        .ok()
        .and_then(attributes::text)
        .unwrap_or_else(|| ir::name(op).rsplit('.').next().unwrap_or("op"))
        .to_owned()
}

fn key(value: Value) -> usize {
    value.to_raw().ptr as usize
}

/// The memref a tensor is stored in; dynamic sizes are refused at `user`.
pub fn memref_of<'c>(user: OperationRef, ty: Type<'c>) -> Emitted<Type<'c>> {
    let tensor = RankedTensorType::try_from(ty)
        .map_err(|_| LoweringError::at(user, format!("has type {ty}, expected a ranked tensor")))?;
    let sizes = TensorType::of(ty)
        .and_then(|ty| ty.sizes())
        .ok_or_else(|| {
            LoweringError::at(
                user,
                format!("has type {ty}; only static shapes can be lowered"),
            )
        })?;
    let elements = sizes
        .iter()
        .try_fold(1u64, |product, size| product.checked_mul(*size));
    if elements.is_none_or(|elements| elements >= 1 << 31) {
        let message = format!("has type {ty} of 2^31 elements or more, which kernels cannot index");
        return Err(LoweringError::at(user, message));
    }
    let sizes: Vec<i64> = sizes.into_iter().map(|size| size as i64).collect();
    Ok(MemRefType::new(tensor.element(), &sizes, None, None::<Attribute>).into())
}
