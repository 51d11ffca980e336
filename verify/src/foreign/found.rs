//! What a shader needs of a device, what of it cannot be bound, and what it declares, for
//! messages.

use std::collections::BTreeSet;

use naga::{
    AddressSpace, Module, Scalar, ScalarKind, StorageAccess, TypeInner, valid::Capabilities,
};

use super::shader::{Shader, place};

impl Shader {
    /// The features of a device that the module needs, as packages call them.
    pub fn features(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        let mut add = |scalar: Scalar| {
            match (scalar.kind, scalar.width) {
                (ScalarKind::Float, 2) => found.insert("shader-f16"),
                (ScalarKind::Sint | ScalarKind::Uint, 8) => found.insert("shader-int64"),
                _ => false,
            };
        };
        let mut of = |inner: &TypeInner| match *inner {
            TypeInner::Scalar(scalar)
            | TypeInner::Vector { scalar, .. }
            | TypeInner::Matrix { scalar, .. }
            | TypeInner::Atomic(scalar) => add(scalar),
            _ => {}
        };
        let types = &self.module.types;
        types.iter().for_each(|(_, ty)| of(&ty.inner));
        // What is only on the way to a value has no type of the module.
        let functions = self.module.functions.iter();
        let functions = functions.map(|(handle, function)| (function, &self.info[handle]));
        let entries = self.module.entry_points.iter().enumerate();
        let entries =
            entries.map(|(index, entry)| (&entry.function, self.info.get_entry_point(index)));
        for (function, info) in functions.chain(entries) {
            for (handle, _) in function.expressions.iter() {
                of(info[handle].ty.inner_with(types));
            }
        }
        if uses_subgroups(&self.module) {
            found.insert("subgroup");
        }
        let mut globals = self.module.global_variables.iter();
        if globals.any(|(_, global)| global.space == AddressSpace::Immediate) {
            found.insert("immediates");
        }
        found.into_iter().map(str::to_owned).collect()
    }

    /// What was found, for errors: entry points, buffers, sizes.
    pub fn describe(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for entry in &self.module.entry_points {
            let [x, y, z] = entry.workgroup_size;
            let size = match entry.workgroup_size_overrides {
                Some(_) => "override constants".to_owned(),
                None => format!("{x}x{y}x{z}"),
            };
            parts.push(format!(
                "entry point '{}' of {size} invocations",
                entry.name
            ));
        }
        for (_, global) in self.module.global_variables.iter() {
            let name = global.name.as_deref().unwrap_or_default();
            let space = match global.space {
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    "storage, read_write"
                }
                AddressSpace::Storage { .. } => "storage, read",
                AddressSpace::Uniform => "uniform",
                AddressSpace::Immediate => "immediate",
                _ => continue,
            };
            let at = global
                .binding
                .map_or_else(String::new, |at| format!("{} ", place(at)));
            parts.push(format!("{at}var<{space}> '{name}'"));
        }
        let overrides = self.module.overrides.iter();
        parts.extend(overrides.map(|(_, constant)| {
            format!("override '{}'", constant.name.as_deref().unwrap_or("?"))
        }));
        parts.join(", ")
    }
}

/// What a device may have; which of it this one has is checked when the kernel is bound.
pub(super) fn capabilities() -> Capabilities {
    Capabilities::IMMEDIATES
        | Capabilities::SUBGROUP
        | Capabilities::SUBGROUP_BARRIER
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::SHADER_INT64
}

/// The first thing that cannot be bound, in a sentence.
pub(super) fn unsupported(module: &Module) -> Option<String> {
    let what = |global: &naga::GlobalVariable| match module.types[global.ty].inner {
        TypeInner::Image { .. } => Some("a texture"),
        TypeInner::Sampler { .. } => Some("a sampler"),
        TypeInner::AccelerationStructure { .. } => Some("an acceleration structure"),
        TypeInner::BindingArray { .. } => Some("an array of bindings"),
        _ => None,
    };
    let mut globals = module.global_variables.iter();
    let global = globals.find_map(|(_, global)| Some((what(global)?, global)));
    if let Some((what, global)) = global {
        let name = global.name.as_deref().unwrap_or_default();
        return Some(format!(
            "'{name}' is {what}; kernels get storage buffers, uniforms and immediates"
        ));
    }
    let mut types = module.types.iter();
    let matrix = types.any(|(_, ty)| matches!(ty.inner, TypeInner::CooperativeMatrix { .. }));
    matrix.then(|| "uses cooperative matrices, which are not taken from others' WGSL".to_owned())
}

fn uses_subgroups(module: &Module) -> bool {
    let functions = module.functions.iter().map(|(_, function)| function);
    let entries = module.entry_points.iter().map(|entry| &entry.function);
    functions.chain(entries).any(|function| {
        let arguments = function.arguments.iter();
        let builtin = |argument: &naga::FunctionArgument| {
            matches!(
                argument.binding,
                Some(naga::Binding::BuiltIn(
                    naga::BuiltIn::NumSubgroups
                        | naga::BuiltIn::SubgroupId
                        | naga::BuiltIn::SubgroupSize
                        | naga::BuiltIn::SubgroupInvocationId
                ))
            )
        };
        let mut expressions = function.expressions.iter();
        arguments.into_iter().any(builtin)
            || expressions.any(|(_, expression)| {
                matches!(
                    expression,
                    naga::Expression::SubgroupBallotResult
                        | naga::Expression::SubgroupOperationResult { .. }
                )
            })
    })
}
