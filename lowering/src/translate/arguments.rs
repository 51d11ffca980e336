//! What a kernel declares: its arguments, its memory, its size.

use super::{
    error::TranslateError,
    kernel::{Access, Binding, Immediate, ImmediateSource},
    ops,
    options::{Launch, Scalar, TranslateOptions},
    read,
    translator::{Argument, Lowered, Translator},
    types::{BufferType, ScalarType, Space},
    view::{Index, View},
};
use melior::ir::{
    BlockRef, OperationRef, Type as MlirType, Value, ValueLike,
    attribute::TypeAttribute,
    operation::{OperationLike, WalkOrder, WalkResult},
    r#type::FunctionType,
};
use naga::{
    AddressSpace, ArraySize, GlobalVariable, MemoryDecorations, Module, ResourceBinding, Span,
    StorageAccess, TypeInner,
};
use std::num::NonZeroU32;

/// Device functions the kernel calls, parsed into a module to start from.
pub(super) fn library(func: OperationRef<'_, '_>) -> Result<Module, TranslateError> {
    let mut sources: Vec<&str> = Vec::new();
    func.walk(WalkOrder::PreOrder, |op| {
        if let Some(source) = ops::device_function(&read::name(op))
            && !sources.contains(&source)
        {
            sources.push(source);
        }
        WalkResult::Advance
    });
    naga::front::wgsl::parse_str(&sources.concat())
        .map_err(|error| read::fail(func, format!("needs a device function: {error}")))
}

pub(super) fn workgroup_size(
    func: OperationRef<'_, '_>,
    launch: &Launch,
    options: &TranslateOptions,
) -> Result<[u32; 3], TranslateError> {
    let known = read::integers(func, "known_block_size");
    let size = match known[..] {
        [x, y, z] => [x, y, z].map(|size| u32::try_from(size).unwrap_or(0)),
        _ => launch.block.ok_or_else(|| {
            read::fail(
                func,
                "has no workgroup size: give it known_block_size, or launch it with the same constant block size everywhere",
            )
        })?,
    };
    let invocations: u64 = size.iter().map(|&size| u64::from(size)).product();
    if size.contains(&0) || invocations > u64::from(options.invocations) {
        return Err(read::fail(
            func,
            format!(
                "has workgroup size {size:?}, {invocations} invocations; the limit is 1 to {}",
                options.invocations
            ),
        ));
    }
    if size
        .iter()
        .zip(options.workgroup_size)
        .any(|(&size, limit)| size > limit)
    {
        return Err(read::fail(
            func,
            format!(
                "has workgroup size {size:?}; the limit is {:?}",
                options.workgroup_size
            ),
        ));
    }
    Ok(size)
}
impl Translator<'_> {
    pub(super) fn declare_arguments(
        &mut self,
        func: OperationRef<'_, '_>,
        body: BlockRef<'_, '_>,
        launch: &Launch,
    ) -> Result<(), TranslateError> {
        let all = read::arguments(body);
        let workgroup = count(read::integer(func, "workgroup_attributions"));
        let kernel = kernel_arguments(func, all.len());
        for (index, &value) in all.iter().enumerate().take(kernel) {
            let ty = value.r#type();
            if BufferType::is_buffer(ty) {
                self.declare_buffer(func, index, value)?;
            } else {
                self.declare_scalar(func, index, value, launch)?;
            }
        }
        for (index, &value) in all.iter().enumerate().skip(kernel) {
            let space = if index < kernel + workgroup {
                Space::Workgroup
            } else {
                Space::Private
            };
            let view = self.allocate(func, value.r#type(), space)?;
            self.values.insert(read::key(&value), Lowered::View(view));
        }
        let buffers = self.arguments.len();
        if buffers > self.options.storage_buffers as usize {
            return Err(read::fail(
                func,
                format!(
                    "has {buffers} memref arguments; the device binds at most {} storage buffers, merge some",
                    self.options.storage_buffers
                ),
            ));
        }
        Ok(())
    }

    fn declare_scalar(
        &mut self,
        func: OperationRef<'_, '_>,
        index: usize,
        value: Value<'_, '_>,
        launch: &Launch,
    ) -> Result<(), TranslateError> {
        let ty = self.value_type(func, value)?;
        if ty.lanes != 1 {
            return Err(read::fail(
                func,
                format!("takes the vector argument {index}; pass scalars or a memref"),
            ));
        }
        let lowered = match launch.constants.get(&index) {
            Some(&constant) if !constant.fits(ty.scalar) => {
                return Err(read::fail(
                    func,
                    format!(
                        "is launched with {constant:?} as argument {index}; index is 32 bits wide here"
                    ),
                ));
            }
            Some(&constant) if is_finite(constant) => {
                Lowered::Value(self.constant(ty.scalar, constant))
            }
            _ => {
                let stored = match ty.scalar {
                    ScalarType::F16 => ScalarType::F32,
                    ScalarType::Bool => ScalarType::I32,
                    other => other,
                };
                Lowered::Immediate(
                    self.member(ImmediateSource::Argument(index), stored),
                    ty.scalar,
                )
            }
        };
        self.values.insert(read::key(&value), lowered);
        Ok(())
    }

    fn declare_buffer(
        &mut self,
        func: OperationRef<'_, '_>,
        index: usize,
        value: Value<'_, '_>,
    ) -> Result<(), TranslateError> {
        let buffer =
            BufferType::read(value.r#type()).map_err(|message| read::fail(func, message))?;
        self.require_scalar(func, buffer.element.scalar)?;
        if buffer.space.is_some_and(|space| space != Space::Storage) {
            return Err(read::fail(
                func,
                format!(
                    "takes argument {index} in workgroup or private memory; declare it in the kernel"
                ),
            ));
        }
        let base = self.b.ty(buffer.element.inner());
        let ty = self.b.ty(TypeInner::Array {
            base,
            size: ArraySize::Dynamic,
            stride: buffer.element.stride(),
        });
        let variable = self.b.module.global_variables.append(
            GlobalVariable {
                name: Some(format!("arg{index}")),
                space: AddressSpace::Storage {
                    access: StorageAccess::LOAD,
                },
                binding: Some(ResourceBinding {
                    group: 0,
                    binding: self.arguments.len() as u32,
                }),
                ty,
                init: None,
                memory_decorations: MemoryDecorations::empty(),
            },
            Span::UNDEFINED,
        );
        let argument = index;
        let extent = |t: &mut Self, known: Option<i64>, source| match known {
            Some(value) => Index::Static(value),
            None => Index::Immediate(t.member(source, ScalarType::I32)),
        };
        let mut sizes = Vec::new();
        for (dimension, &size) in buffer.sizes.iter().enumerate() {
            let source = ImmediateSource::Size {
                argument,
                dimension,
            };
            sizes.push(extent(self, size, source));
        }
        let strides = if dynamic_identity(&buffer) {
            // Strides of an identity layout follow from the sizes.
            let mut strides = vec![Index::Static(1); sizes.len()];
            for dimension in (1..sizes.len()).rev() {
                let (size, stride) = (sizes[dimension], strides[dimension]);
                strides[dimension - 1] = self.b.hoist(|b| b.index_mul(size, stride));
            }
            strides
        } else {
            let mut strides = Vec::new();
            for (dimension, &stride) in buffer.strides.iter().enumerate() {
                let source = ImmediateSource::Stride {
                    argument,
                    dimension,
                };
                strides.push(extent(self, stride, source));
            }
            strides
        };
        let offset = extent(self, buffer.offset, ImmediateSource::Offset(argument));
        let view = View {
            base: self.b.global(variable),
            argument: Some(self.arguments.len()),
            element: buffer.element,
            offset,
            sizes,
            strides,
        };
        self.values.insert(read::key(&value), Lowered::View(view));
        self.arguments.push(Argument {
            binding: Binding {
                argument: index,
                access: Access::Read,
                scalar: buffer.element.scalar,
                lanes: buffer.element.lanes,
                elements: buffer.span().and_then(|span| u64::try_from(span).ok()),
            },
            variable,
            loaded: false,
            stored: false,
        });
        Ok(())
    }

    /// Adds a member to the immediates.
    pub(super) fn member(&mut self, source: ImmediateSource, scalar: ScalarType) -> u32 {
        let end = self
            .immediates
            .last()
            .map_or(0, |last| last.offset + last.scalar.bytes());
        self.immediates.push(Immediate {
            source,
            scalar,
            offset: end.next_multiple_of(scalar.bytes()),
        });
        self.immediates.len() as u32 - 1
    }

    /// Memory the kernel declares itself.
    pub(super) fn allocate(
        &mut self,
        op: OperationRef<'_, '_>,
        ty: MlirType<'_>,
        default: Space,
    ) -> Result<View, TranslateError> {
        let buffer = BufferType::read(ty).map_err(|message| read::fail(op, message))?;
        self.require_scalar(op, buffer.element.scalar)?;
        let space = buffer.space.unwrap_or(default);
        let length = buffer
            .span()
            .and_then(|span| NonZeroU32::new(u32::try_from(span).ok()?))
            .ok_or_else(|| {
                read::fail(
                    op,
                    format!("allocates {ty}; sizes must be static and not 0"),
                )
            })?;
        let base = self.b.ty(buffer.element.inner());
        let array = self.b.ty(TypeInner::Array {
            base,
            size: ArraySize::Constant(length),
            stride: buffer.element.stride(),
        });
        let pointer = match space {
            Space::Private => self.b.local("private_memory", array),
            Space::Workgroup => {
                let bytes = u64::from(length.get()) * u64::from(buffer.element.stride());
                self.memory = self.memory.next_multiple_of(16) + bytes;
                if self.memory > u64::from(self.options.workgroup_bytes) {
                    return Err(read::fail(
                        op,
                        format!(
                            "brings workgroup memory to {} bytes; the limit is {}",
                            self.memory, self.options.workgroup_bytes
                        ),
                    ));
                }
                let variable = self.b.module.global_variables.append(
                    GlobalVariable {
                        name: Some("workgroup_memory".to_owned()),
                        space: AddressSpace::WorkGroup,
                        binding: None,
                        ty: array,
                        init: None,
                        memory_decorations: MemoryDecorations::empty(),
                    },
                    Span::UNDEFINED,
                );
                self.b.global(variable)
            }
            Space::Storage => {
                return Err(read::fail(
                    op,
                    format!("allocates {ty} in global memory; pass it as an argument"),
                ));
            }
        };
        View::fixed(pointer, &buffer)
            .ok_or_else(|| read::fail(op, format!("allocates {ty}; its layout must be static")))
    }
}

/// Arguments of the function itself; workgroup and private memory follow them.
fn kernel_arguments(func: OperationRef<'_, '_>, all: usize) -> usize {
    func.attribute("function_type")
        .ok()
        .and_then(|attribute| TypeAttribute::try_from(attribute).ok())
        .and_then(|attribute| FunctionType::try_from(attribute.value()).ok())
        .map_or(all, |ty| ty.input_count())
}

fn count(value: Option<i64>) -> usize {
    value
        .and_then(|value| usize::try_from(value).ok())
        .unwrap_or(0)
}

fn is_finite(value: Scalar) -> bool {
    match value {
        Scalar::Int(_) => true,
        Scalar::Float(value) => value.is_finite(),
    }
}

/// Whether dynamic strides are those of a dense row-major buffer: an identity
/// layout has offset 0 and a unit last stride, and says nothing else.
fn dynamic_identity(buffer: &BufferType) -> bool {
    buffer.identity && buffer.strides.contains(&None)
}
