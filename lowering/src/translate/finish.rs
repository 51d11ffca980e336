//! From the finished translation to a validated kernel.

use super::{
    error::TranslateError,
    kernel::{
        Access, Facts, Immediate, ImmediateSource, ImmediateSpace, Kernel, address_space,
        immediate_bytes,
    },
    read,
    translator::Translator,
    types::ValueType,
};
use melior::ir::{OperationRef, attribute::StringAttribute, operation::OperationLike};
use naga::{
    AddressSpace, Barrier, EntryPoint, Handle, Module, ShaderStage, Span, Statement, StorageAccess,
    StructMember, Type, TypeInner,
};

impl Translator<'_> {
    pub(super) fn finish(self, func: OperationRef<'_, '_>) -> Result<Kernel, TranslateError> {
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
