//! What a kernel is passed: bindings, immediates, and how each argument is made
//! from them.

use kforge_dialect::ir;
use melior::ir::{
    OperationRef, ShapedTypeLike, Type, TypeLike, Value, ValueLike, operation::OperationLike,
    r#type::MemRefType,
};

use super::element::{DYNAMIC, Element, dims};
use crate::{
    LoweringError,
    emit::Emitted,
    translate::{Immediate, ImmediateSource, Launch, Scalar, ScalarType},
};

/// One memref argument: a pointer, in the order of [`Kernel::bindings`](super::Kernel::bindings).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Index among the arguments of the `gpu.func`.
    pub argument: usize,
    /// Whether the kernel may read it.
    pub reads: bool,
    /// Whether the kernel may write it.
    pub writes: bool,
    /// Scalar type of an element.
    pub scalar: ScalarType,
    /// Lanes of an element; 1 for a scalar.
    pub lanes: u64,
    /// Elements (of `lanes` scalars each) the argument spans from the start of
    /// its buffer, where the type is static.
    pub elements: Option<u64>,
}

/// A size, stride or offset.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    Known(i64),
    /// An immediate, by number.
    Immediate(usize),
    /// The stride that follows from the sizes of the dimensions behind.
    Contiguous,
}

/// How an argument is made.
#[derive(Debug)]
pub(super) enum Argument<'c> {
    Buffer {
        ty: MemRefType<'c>,
        sizes: Vec<Extent>,
        strides: Vec<Extent>,
        offset: Extent,
    },
    Immediate {
        number: usize,
        ty: Type<'c>,
    },
    Constant {
        value: Scalar,
        ty: Type<'c>,
    },
}

/// All arguments of a kernel.
#[derive(Debug, Default)]
pub(super) struct Arguments<'c> {
    pub(super) list: Vec<Argument<'c>>,
    pub(super) bindings: Vec<Binding>,
    pub(super) immediates: Vec<Immediate>,
}

impl<'c> Arguments<'c> {
    /// Reads the arguments `values` of `func`.
    pub(super) fn read(
        func: OperationRef<'c, '_>,
        values: &[Value<'c, '_>],
        launch: &Launch,
    ) -> Emitted<Self> {
        let mut arguments = Self::default();
        for (index, value) in values.iter().enumerate() {
            let ty = value.r#type();
            let argument = if ty.is_mem_ref() {
                arguments.buffer(func, index, *value)?
            } else {
                arguments.scalar(func, index, ty, launch)?
            };
            arguments.list.push(argument);
        }
        Ok(arguments)
    }

    fn scalar(
        &mut self,
        func: OperationRef,
        index: usize,
        ty: Type<'c>,
        launch: &Launch,
    ) -> Emitted<Argument<'c>> {
        if let Some(value) = launch.constants.get(&index) {
            return Ok(Argument::Constant { value: *value, ty });
        }
        let scalar = match ty.to_string().as_str() {
            "f16" | "f32" => ScalarType::F32,
            "i1" | "i32" | "index" => ScalarType::I32,
            "i64" => ScalarType::I64,
            other => {
                let message = format!(
                    "takes argument {index} of type {other}; pass f32, f16, i32, i64, i1, index or a memref"
                );
                return Err(LoweringError::at(func, message));
            }
        };
        let number = self.immediate(ImmediateSource::Argument(index), scalar);
        Ok(Argument::Immediate { number, ty })
    }

    fn buffer(
        &mut self,
        func: OperationRef,
        argument: usize,
        value: Value<'c, '_>,
    ) -> Emitted<Argument<'c>> {
        let ty = MemRefType::try_from(value.r#type())?;
        let refused = |message: String| LoweringError::at(func, message);
        let element = Element::read(ty.element());
        let Some((element, scalar)) =
            element.and_then(|element| element.storable().map(|scalar| (element, scalar)))
        else {
            return Err(refused(format!(
                "takes argument {argument} of type {ty}; elements are f32, f16, i32, i64 or vectors of them",
                ty = value.r#type()
            )));
        };
        let dims = dims(ty)?;
        let plain: Type = MemRefType::new(ty.element(), &dims, None, ty.memory_space()).into();
        let identity = plain == value.r#type();
        if !identity && !ty.layout().to_string().starts_with("strided<") {
            return Err(refused(format!(
                "takes argument {argument} with layout {}; use a strided layout",
                ty.layout()
            )));
        }
        let (known_strides, known_offset) = ty.strides_and_offset();
        let dynamic = MemRefType::is_dynamic_stride_or_offset;
        let sizes: Vec<Extent> = (0..dims.len())
            .map(|dimension| match dims[dimension] {
                DYNAMIC => self.extent(ImmediateSource::Size {
                    argument,
                    dimension,
                }),
                size => Extent::Known(size),
            })
            .collect();
        let strides: Vec<Extent> = known_strides
            .iter()
            .enumerate()
            .map(|(dimension, &stride)| match (dynamic(stride), identity) {
                (false, _) => Extent::Known(stride),
                (true, true) => Extent::Contiguous,
                (true, false) => self.extent(ImmediateSource::Stride {
                    argument,
                    dimension,
                }),
            })
            .collect();
        let offset = match dynamic(known_offset) {
            true => self.extent(ImmediateSource::Offset(argument)),
            false => Extent::Known(known_offset),
        };
        let mut uses = Uses::default();
        uses.follow(value);
        self.bindings.push(Binding {
            argument,
            reads: uses.reads,
            writes: uses.writes,
            scalar,
            lanes: element.lanes(),
            elements: span(&sizes, &strides, offset),
        });
        Ok(Argument::Buffer {
            ty,
            sizes,
            strides,
            offset,
        })
    }

    fn extent(&mut self, source: ImmediateSource) -> Extent {
        Extent::Immediate(self.immediate(source, ScalarType::I32))
    }

    fn immediate(&mut self, source: ImmediateSource, scalar: ScalarType) -> usize {
        let end = self
            .immediates
            .last()
            .map_or(0, |last| last.offset + last.scalar.bytes());
        let offset = end.next_multiple_of(scalar.bytes());
        self.immediates.push(Immediate {
            source,
            scalar,
            offset,
        });
        self.immediates.len() - 1
    }
}

/// Elements from the start of the buffer to the last one, where all is known.
fn span(sizes: &[Extent], strides: &[Extent], offset: Extent) -> Option<u64> {
    let Extent::Known(mut last) = offset else {
        return None;
    };
    for (size, stride) in sizes.iter().zip(strides) {
        let (Extent::Known(size), Extent::Known(stride)) = (size, stride) else {
            return None;
        };
        if *size == 0 {
            return Some(0);
        }
        last = last.checked_add((size - 1).checked_mul(*stride)?)?;
    }
    u64::try_from(last).ok()?.checked_add(1)
}

/// How a buffer is used, through all views of it.
#[derive(Debug, Default)]
struct Uses {
    reads: bool,
    writes: bool,
}

impl Uses {
    fn follow(&mut self, memref: Value) {
        for user in ir::users(memref) {
            match ir::name(user) {
                "memref.load" | "vector.load" => self.reads = true,
                // The stored value is no memref, so this is the destination.
                "memref.store" | "vector.store" => self.writes = true,
                "memref.dim" | "memref.dealloc" => {}
                name if name.starts_with("memref.") => {
                    for result in user.results().filter(|result| result.r#type().is_mem_ref()) {
                        self.follow(result.into());
                    }
                }
                // Passed on, or accessed by an op that this list does not know.
                _ => (self.reads, self.writes) = (true, true),
            }
        }
    }
}
