//! One `gpu.func` to one kernel: arguments, body, finish.

use super::{
    builder::Builder,
    error::TranslateError,
    kernel::{
        Access, Binding, Facts, Features, Immediate, ImmediateSource, ImmediateSpace, Kernel,
        address_space, immediate_bytes,
    },
    ops,
    options::{Launch, Scalar, TranslateOptions},
    read,
    types::{BufferType, MatrixType, ScalarType, Space, ValueType},
    view::{Index, View},
};
use melior::ir::{
    BlockRef, OperationRef, Type as MlirType, Value, ValueLike,
    attribute::StringAttribute,
    operation::{OperationLike, WalkOrder, WalkResult},
};
use naga::{
    AddressSpace, ArraySize, Barrier, EntryPoint, Expression, GlobalVariable, Handle, Literal,
    MemoryDecorations, Module, ResourceBinding, ShaderStage, Span, Statement, StorageAccess,
    StructMember, Type, TypeInner,
};
use std::collections::HashMap;
use std::num::NonZeroU32;

/// What an MLIR value became.
#[derive(Debug, Clone)]
pub(super) enum Lowered {
    Value(Handle<Expression>),
    View(View),
    /// A scalar argument: member of the immediates, and the type it has in MLIR.
    Immediate(u32, ScalarType),
    /// A matrix of one constant: usable as zero, or as a factor.
    ConstantMatrix {
        value: Handle<Expression>,
        ty: Handle<Type>,
    },
}

/// State of one translation.
pub(super) struct Translator<'o> {
    pub(super) b: Builder,
    pub(super) options: &'o TranslateOptions,
    pub(super) workgroup_size: [u32; 3],
    pub(super) features: Features,
    pub(super) subgroup_size: Option<u32>,
    values: HashMap<usize, Lowered>,
    arguments: Vec<Argument>,
    immediates: Vec<Immediate>,
    memory: u64,
}

/// A memref argument of the kernel and how it turned out to be used.
struct Argument {
    binding: Binding,
    variable: Handle<GlobalVariable>,
    loaded: bool,
    stored: bool,
}

/// Translates `func`, whose control flow has been found uniform where it must be.
pub(super) fn translate(
    func: OperationRef<'_, '_>,
    launch: &Launch,
    options: &TranslateOptions,
) -> Result<Kernel, TranslateError> {
    if read::name(func) != "gpu.func" || !func.has_attribute("gpu.kernel") {
        return Err(read::fail(func, "is not a gpu.func with gpu.kernel"));
    }
    let Some(body) = read::block(func, 0)? else {
        return Err(read::fail(func, "has no body to translate"));
    };
    let mut t = Translator {
        b: Builder::new(library(func)?),
        options,
        workgroup_size: workgroup_size(func, launch, options)?,
        features: Features::default(),
        subgroup_size: None,
        values: HashMap::new(),
        arguments: Vec::new(),
        immediates: Vec::new(),
        memory: 0,
    };
    t.declare_arguments(func, body, launch)?;
    t.block(body)?;
    t.finish(func)
}

/// Device functions the kernel calls, parsed into a module to start from.
fn library(func: OperationRef<'_, '_>) -> Result<Module, TranslateError> {
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

fn workgroup_size(
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
    fn declare_arguments(
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
    fn member(&mut self, source: ImmediateSource, scalar: ScalarType) -> u32 {
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

    /// Translates all ops of a block and returns its terminator.
    pub(super) fn block<'c, 'a>(
        &mut self,
        block: BlockRef<'c, 'a>,
    ) -> Result<Option<OperationRef<'c, 'a>>, TranslateError> {
        let mut last = None;
        for op in read::operations(block) {
            last = Some(op);
            ops::lower(self, op)?;
        }
        Ok(last)
    }

    /// The expression of a value that is no memref.
    pub(super) fn value(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Value<'_, '_>,
    ) -> Result<Handle<Expression>, TranslateError> {
        match self.values.get(&read::key(&value)).cloned() {
            Some(Lowered::Value(handle)) => Ok(handle),
            Some(Lowered::Immediate(member, scalar)) => {
                let loaded = self.b.immediate(member);
                Ok(match scalar {
                    ScalarType::Bool => {
                        let zero = self.b.i32(0);
                        self.b.binary(naga::BinaryOperator::NotEqual, loaded, zero)
                    }
                    ScalarType::F16 => self.b.convert(loaded, naga::Scalar::F16),
                    _ => loaded,
                })
            }
            Some(Lowered::ConstantMatrix { value, ty }) if self.is_zero(value) => {
                Ok(self.b.place(Expression::ZeroValue(ty)))
            }
            Some(Lowered::ConstantMatrix { .. }) => Err(read::fail(
                op,
                "uses a constant matrix that is not zero; it can only be a factor of mulf",
            )),
            Some(Lowered::View(_)) => Err(read::fail(
                op,
                "uses a memref as a value; only loads, stores and view ops take memrefs",
            )),
            None => Err(read::fail(op, "uses a value from outside the kernel")),
        }
    }

    pub(super) fn operand(
        &mut self,
        op: OperationRef<'_, '_>,
        index: usize,
    ) -> Result<Handle<Expression>, TranslateError> {
        let value = read::operand(op, index)?;
        self.value(op, value)
    }

    pub(super) fn lowered(&self, value: Value<'_, '_>) -> Option<&Lowered> {
        self.values.get(&read::key(&value))
    }

    pub(super) fn view(
        &self,
        op: OperationRef<'_, '_>,
        index: usize,
    ) -> Result<View, TranslateError> {
        match self.lowered(read::operand(op, index)?) {
            Some(Lowered::View(view)) => Ok(view.clone()),
            _ => Err(read::fail(
                op,
                format!("has operand {index} that is no memref of the kernel"),
            )),
        }
    }

    pub(super) fn set(
        &mut self,
        op: OperationRef<'_, '_>,
        index: usize,
        lowered: Lowered,
    ) -> Result<(), TranslateError> {
        let value = read::result(op, index)?;
        self.bind(value, lowered);
        Ok(())
    }

    pub(super) fn set_value(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Handle<Expression>,
    ) -> Result<(), TranslateError> {
        self.set(op, 0, Lowered::Value(value))
    }

    pub(super) fn bind(&mut self, value: Value<'_, '_>, lowered: Lowered) {
        self.values.insert(read::key(&value), lowered);
    }

    /// Scalar or vector type of a value, with its features noted.
    pub(super) fn value_type(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Value<'_, '_>,
    ) -> Result<ValueType, TranslateError> {
        let ty = ValueType::parse(&value.r#type().to_string()).map_err(|m| read::fail(op, m))?;
        self.require_scalar(op, ty.scalar)?;
        Ok(ty)
    }

    pub(super) fn result_type(
        &mut self,
        op: OperationRef<'_, '_>,
    ) -> Result<ValueType, TranslateError> {
        let value = read::result(op, 0)?;
        self.value_type(op, value)
    }

    pub(super) fn operand_type(
        &mut self,
        op: OperationRef<'_, '_>,
        index: usize,
    ) -> Result<ValueType, TranslateError> {
        let value = read::operand(op, index)?;
        self.value_type(op, value)
    }

    pub(super) fn matrix_type(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Value<'_, '_>,
    ) -> Result<(MatrixType, Handle<Type>), TranslateError> {
        self.require(op, "cooperative matrices", |f| &mut f.cooperative_matrix)?;
        let matrix =
            MatrixType::parse(&value.r#type().to_string()).map_err(|m| read::fail(op, m))?;
        self.require_scalar(op, matrix.scalar)?;
        match matrix.inner() {
            Some(inner) => Ok((matrix, self.b.ty(inner))),
            None => Err(read::fail(
                op,
                "has a matrix that is not 8 or 16 wide and high",
            )),
        }
    }

    /// Type of a variable that can hold `value`.
    pub(super) fn variable_type(
        &mut self,
        op: OperationRef<'_, '_>,
        value: Value<'_, '_>,
    ) -> Result<Handle<Type>, TranslateError> {
        if MatrixType::is_matrix(&value.r#type().to_string()) {
            return Ok(self.matrix_type(op, value)?.1);
        }
        let inner = self.value_type(op, value)?.inner();
        Ok(self.b.ty(inner))
    }

    fn require_scalar(
        &mut self,
        op: OperationRef<'_, '_>,
        scalar: ScalarType,
    ) -> Result<(), TranslateError> {
        match scalar {
            ScalarType::F16 => self.require(op, "f16", |f| &mut f.f16),
            ScalarType::I64 => self.require(op, "i64", |f| &mut f.int64),
            _ => Ok(()),
        }
    }

    /// Notes that the kernel needs a feature, if it may.
    pub(super) fn require(
        &mut self,
        op: OperationRef<'_, '_>,
        name: &str,
        feature: fn(&mut Features) -> &mut bool,
    ) -> Result<(), TranslateError> {
        let mut allowed = self.options.allowed;
        if !*feature(&mut allowed) {
            return Err(read::fail(
                op,
                format!("needs {name}, which the device does not have"),
            ));
        }
        *feature(&mut self.features) = true;
        Ok(())
    }

    pub(super) fn note_load(&mut self, view: &View) {
        if let Some(argument) = view.argument {
            self.arguments[argument].loaded = true;
        }
    }

    pub(super) fn note_store(&mut self, view: &View) {
        if let Some(argument) = view.argument {
            self.arguments[argument].stored = true;
        }
    }

    /// A scalar constant. Non-finite floats become immediates.
    pub(super) fn constant(&mut self, scalar: ScalarType, value: Scalar) -> Handle<Expression> {
        let literal = match (scalar, value) {
            (ScalarType::Bool, Scalar::Int(value)) => Literal::Bool(value != 0),
            (ScalarType::I32, Scalar::Int(value)) => Literal::I32(value as i32),
            (ScalarType::I64, Scalar::Int(value)) => Literal::I64(value),
            (ScalarType::F16 | ScalarType::F32, Scalar::Float(value)) if !value.is_finite() => {
                let source = value as f32;
                let known = self.immediates.iter().position(|immediate| {
                    matches!(immediate.source, ImmediateSource::Constant(other) if other.to_bits() == source.to_bits())
                });
                let member = known.map_or_else(
                    || self.member(ImmediateSource::Constant(source), ScalarType::F32),
                    |index| index as u32,
                );
                let loaded = self.b.immediate(member);
                return match scalar {
                    ScalarType::F16 => self.b.convert(loaded, naga::Scalar::F16),
                    _ => loaded,
                };
            }
            (ScalarType::F16, Scalar::Float(value)) => Literal::F16(half::f16::from_f64(value)),
            (ScalarType::F32, Scalar::Float(value)) => Literal::F32(value as f32),
            (scalar, Scalar::Float(value)) => {
                return self.constant(scalar, Scalar::Int(value as i64));
            }
            (scalar, Scalar::Int(value)) => {
                return self.constant(scalar, Scalar::Float(value as f64));
            }
        };
        self.b.literal(literal)
    }

    pub(super) fn is_zero(&self, value: Handle<Expression>) -> bool {
        match self.b.function.expressions[value] {
            Expression::Literal(Literal::F32(value)) => value == 0.0,
            Expression::Literal(Literal::F16(value)) => value.to_f32() == 0.0,
            _ => false,
        }
    }

    fn finish(self, func: OperationRef<'_, '_>) -> Result<Kernel, TranslateError> {
        let name = func
            .attribute("sym_name")
            .ok()
            .and_then(|attribute| StringAttribute::try_from(attribute).ok())
            .map(|attribute| attribute.value().to_owned())
            .ok_or_else(|| read::fail(func, "has no name"))?;
        let space = if immediate_bytes(&self.immediates) <= self.options.immediate_bytes {
            ImmediateSpace::Immediate
        } else {
            ImmediateSpace::Uniform(self.arguments.len() as u32)
        };
        let (mut module, mut function, immediates) = self.b.finish();
        if let Some(variable) = immediates {
            let ty = immediate_struct(&mut module, &self.immediates);
            let (space, binding) = address_space(space);
            let variable = module.global_variables.get_mut(variable);
            variable.ty = ty;
            variable.space = space;
            variable.binding = binding;
        }
        let mut bindings = Vec::new();
        let mut exchanges = false;
        for argument in self.arguments {
            let mut binding = argument.binding;
            if argument.stored {
                binding.access = Access::ReadWrite;
                exchanges |= argument.loaded;
                module.global_variables.get_mut(argument.variable).space = AddressSpace::Storage {
                    access: StorageAccess::LOAD | StorageAccess::STORE,
                };
            }
            bindings.push(binding);
        }
        if !exchanges {
            drop_storage_barriers(&mut function.body);
        }
        module.entry_points.push(EntryPoint {
            name: name.clone(),
            stage: ShaderStage::Compute,
            early_depth_test: None,
            workgroup_size: self.workgroup_size,
            workgroup_size_overrides: None,
            function,
            mesh_info: None,
            task_payload: None,
            incoming_ray_payload: None,
        });
        let facts = Facts {
            name,
            workgroup_size: self.workgroup_size,
            bindings,
            // A member nobody loads still has its place; a struct nobody loads is gone.
            immediates: if immediates.is_some() {
                self.immediates
            } else {
                Vec::new()
            },
            immediate_space: space,
            memory: self.memory as u32,
            features: self.features,
            subgroup_size: self.subgroup_size,
        };
        Kernel::validate(module, facts).map_err(|message| {
            read::fail(func, format!("is refused by naga's validator: {message}"))
        })
    }
}

fn immediate_struct(module: &mut Module, immediates: &[Immediate]) -> Handle<Type> {
    let mut members = Vec::new();
    for (index, immediate) in immediates.iter().enumerate() {
        let inner = ValueType::scalar(immediate.scalar).inner();
        let ty = module
            .types
            .insert(Type { name: None, inner }, Span::UNDEFINED);
        let name = match immediate.source {
            ImmediateSource::Argument(argument) => format!("arg{argument}"),
            ImmediateSource::Size {
                argument,
                dimension,
            } => format!("arg{argument}_size{dimension}"),
            ImmediateSource::Stride {
                argument,
                dimension,
            } => {
                format!("arg{argument}_stride{dimension}")
            }
            ImmediateSource::Offset(argument) => format!("arg{argument}_offset"),
            ImmediateSource::Constant(_) => format!("constant{index}"),
        };
        members.push(StructMember {
            name: Some(name),
            ty,
            binding: None,
            offset: immediate.offset,
        });
    }
    module.types.insert(
        Type {
            name: Some("Immediates".to_owned()),
            inner: TypeInner::Struct {
                members,
                span: immediate_bytes(immediates),
            },
        },
        Span::UNDEFINED,
    )
}

/// A barrier orders storage only where the kernel reads a buffer it also writes.
fn drop_storage_barriers(block: &mut naga::Block) {
    for statement in block.iter_mut() {
        match statement {
            Statement::ControlBarrier(flags) => flags.remove(Barrier::STORAGE),
            Statement::Block(inner) => drop_storage_barriers(inner),
            Statement::If { accept, reject, .. } => {
                drop_storage_barriers(accept);
                drop_storage_barriers(reject);
            }
            Statement::Loop {
                body, continuing, ..
            } => {
                drop_storage_barriers(body);
                drop_storage_barriers(continuing);
            }
            _ => {}
        }
    }
}

/// Arguments of the function itself; workgroup and private memory follow them.
fn kernel_arguments(func: OperationRef<'_, '_>, all: usize) -> usize {
    use melior::ir::{attribute::TypeAttribute, r#type::FunctionType};
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
