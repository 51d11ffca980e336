//! Kernels and launches: the frame every generated kernel stands in.

use kforge_dialect::Element;
use melior::ir::{
    Attribute, Block, BlockLike, OperationRef, Region, RegionLike, Type, Value, ValueLike,
    attribute::{DenseI32ArrayAttribute, IntegerAttribute, StringAttribute, TypeAttribute},
    r#type::{FunctionType, IntegerType, MemRefType},
};

use crate::emit::{Emit, Emitted, Ix, first_block};

/// The name of the `gpu.module` that holds the kernels.
pub const MODULE: &str = "kernels";

/// Workgroups along one dimension, WebGPU's limit.
const MAX_WORKGROUPS: i64 = 65535;

/// A kernel's frame.
#[derive(Debug)]
pub struct Frame<'c> {
    /// Unique in the module.
    pub name: String,
    /// One per argument: buffers, in order.
    pub arguments: Vec<Type<'c>>,
    /// Workgroup memory.
    pub workgroup: Vec<Type<'c>>,
    /// Invocations of one workgroup.
    pub invocations: i64,
    /// Workgroups, laid out along x and, above 65,535, y.
    pub workgroups: i64,
}

/// A kernel in the module, with the frame its launches need.
#[derive(Debug)]
pub struct Emission<'c, 'a> {
    /// How it is launched.
    pub frame: Frame<'c>,
    /// The `gpu.func`.
    pub kernel: OperationRef<'c, 'a>,
}

/// The coordinates a kernel body starts from.
#[derive(Debug)]
pub struct Body<'c, 'a> {
    /// The arguments.
    pub arguments: Vec<Value<'c, 'a>>,
    /// The workgroup memory.
    pub workgroup: Vec<Value<'c, 'a>>,
    /// The workgroup's number.
    pub workgroup_id: Ix<'c, 'a>,
    /// The invocation's number in its workgroup.
    pub invocation: Ix<'c, 'a>,
}

/// A memref in storage (a kernel argument).
pub fn storage<'c>(emit: &Emit<'c, '_>, dims: &[i64], element: Element, width: i64) -> Type<'c> {
    memref(emit, dims, element, width, None)
}

/// A memref in workgroup memory.
pub fn workgroup<'c>(emit: &Emit<'c, '_>, dims: &[i64], element: Element, width: i64) -> Type<'c> {
    let space = Attribute::parse(emit.context, "#gpu.address_space<workgroup>");
    memref(emit, dims, element, width, space)
}

fn memref<'c>(
    emit: &Emit<'c, '_>,
    dims: &[i64],
    element: Element,
    width: i64,
    space: Option<Attribute<'c>>,
) -> Type<'c> {
    let element = emit.vector_type(element.to_mlir(emit.context), width);
    MemRefType::new(element, dims, None, space).into()
}

impl<'c> Frame<'c> {
    /// Emits the kernel into the block of the `gpu.module`. The body is skipped
    /// by workgroups beyond the last, which exist where y is used.
    pub fn kernel<'a>(
        &self,
        kernels: &Emit<'c, 'a>,
        body: impl FnOnce(&Emit<'c, 'a>, &Body<'c, 'a>) -> Emitted<()>,
    ) -> Emitted<OperationRef<'c, 'a>> {
        let context = kernels.context;
        let block: Vec<_> = self
            .arguments
            .iter()
            .chain(&self.workgroup)
            .map(|ty| (*ty, kernels.location))
            .collect();
        let region = Region::new();
        region.append_block(Block::new(&block));
        let function = FunctionType::new(context, &self.arguments, &[]);
        let size = DenseI32ArrayAttribute::new(context, &[self.invocations as i32, 1, 1]);
        let attributions = IntegerAttribute::new(
            IntegerType::new(context, 64).into(),
            self.workgroup.len() as i64,
        );
        let op = kernels.op_with_regions(
            "gpu.func",
            &[],
            &[],
            &[
                ("function_type", TypeAttribute::new(function.into()).into()),
                ("sym_name", StringAttribute::new(context, &self.name).into()),
                ("known_block_size", size.into()),
                ("gpu.kernel", Attribute::unit(context)),
                ("workgroup_attributions", attributions.into()),
            ],
            vec![region],
        )?;
        let block = first_block(op)?;
        let emit = kernels.at(block);
        let argument = |index: usize| Ok(block.argument(index)?.into());
        let split = self.arguments.len();
        let [x, y] = self.grid();
        let mut workgroup_id = Ix::from(emit.id("gpu.block_id", "x")?);
        let mut inside = None;
        if y > 1 {
            workgroup_id =
                emit.shared(Ix::from(emit.id("gpu.block_id", "y")?) * x + workgroup_id)?;
            inside = emit.below(&workgroup_id, x * y, self.workgroups)?;
        }
        let frame = Body {
            arguments: (0..split).map(argument).collect::<Emitted<_>>()?,
            workgroup: (split..split + self.workgroup.len())
                .map(argument)
                .collect::<Emitted<_>>()?,
            workgroup_id,
            invocation: match self.invocations {
                1 => Ix::Const(0),
                _ => emit.id("gpu.thread_id", "x")?.into(),
            },
        };
        emit.when_some(inside, |emit| body(emit, &frame))?;
        emit.op("gpu.return", &[], &[], &[])?;
        Ok(op)
    }

    /// Emits the launch into host code.
    pub fn launch<'a>(&self, host: &Emit<'c, 'a>, arguments: &[Value<'c, 'a>]) -> Emitted<()> {
        let context = host.context;
        let one = host.index(&Ix::Const(1))?;
        let [x, y] = self.grid();
        let mut operands = vec![host.index(&Ix::Const(x))?, host.index(&Ix::Const(y))?, one];
        operands.extend([host.index(&Ix::Const(self.invocations))?, one, one]);
        for (value, ty) in arguments.iter().zip(&self.arguments) {
            operands.push(view(host, *value, *ty)?);
        }
        let symbol =
            Attribute::parse(context, &format!("@{MODULE}::@{}", self.name)).ok_or_else(|| {
                kforge_dialect::Error::Message(format!("'{}' is no symbol", self.name))
            })?;
        let mut segments = [0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
        segments[11] = arguments.len() as i32;
        let segments = DenseI32ArrayAttribute::new(context, &segments);
        host.op(
            "gpu.launch_func",
            &operands,
            &[],
            &[("kernel", symbol), ("operandSegmentSizes", segments.into())],
        )?;
        Ok(())
    }

    fn grid(&self) -> [i64; 2] {
        let y = self
            .workgroups
            .max(1)
            .unsigned_abs()
            .div_ceil(MAX_WORKGROUPS as u64) as i64;
        let x = self.workgroups.max(1).unsigned_abs().div_ceil(y as u64) as i64;
        [x, y]
    }
}

/// The same bytes under another shape or vector width. No upstream op says
/// this; serialisation reads through the cast to the buffer.
pub fn view<'c, 'a>(
    host: &Emit<'c, 'a>,
    value: Value<'c, 'a>,
    ty: Type<'c>,
) -> Emitted<Value<'c, 'a>> {
    if value.r#type() == ty {
        return Ok(value);
    }
    host.value("builtin.unrealized_conversion_cast", &[value], ty, &[])
}

impl<'c, 'a> Emit<'c, 'a> {
    fn id(&self, op: &str, dimension: &str) -> Emitted<Value<'c, 'a>> {
        let dimension = Attribute::parse(self.context, &format!("#gpu<dim {dimension}>"))
            .ok_or_else(|| {
                kforge_dialect::Error::Message("the gpu dialect is not loaded".into())
            })?;
        self.value(op, &[], self.index_type(), &[("dimension", dimension)])
    }

    /// `gpu.barrier`.
    pub fn barrier(&self) -> Emitted<()> {
        self.op("gpu.barrier", &[], &[], &[])?;
        Ok(())
    }
}
