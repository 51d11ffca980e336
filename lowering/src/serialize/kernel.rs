//! `gpu.func`s as kernels of a package.

use std::collections::{BTreeMap, BTreeSet};

use kforge_dialect::{attributes, ir};
use kforge_runtime::{
    Dtype, Package,
    manifest::{self, Code, Expr, Knob},
};
use melior::ir::{
    Attribute, OperationRef,
    attribute::{BoolAttribute, DictionaryAttribute, IntegerAttribute},
    operation::OperationLike,
};
use naga::valid::GlobalUse;

use super::{SerializeError, read, requires};
use crate::translate::{
    Access, Binding, Immediate, Kernel, Launch, ScalarType, TranslateOptions, translate_kernel,
};

/// All kernels of a module, by the names of their `gpu.module` and `gpu.func`.
pub(super) type Kernels = BTreeMap<(String, String), Translated>;

/// A kernel and what the package says of it.
pub(super) struct Translated {
    /// Its name in the package.
    pub(super) name: String,
    /// Shader text; native code lies in the object of all kernels instead.
    pub(super) wgsl: Option<String>,
    /// The argument of the `gpu.func` behind each binding.
    pub(super) arguments: Vec<usize>,
    /// What is passed as scalars.
    pub(super) immediates: Vec<Immediate>,
    pub(super) record: manifest::Kernel,
    /// The ops it is the last kernel of.
    pub(super) spec: Option<String>,
    /// Whether a dispatch launches it.
    pub(super) used: bool,
}

/// Translates every kernel that is launched.
pub(super) fn translate_all(
    module: OperationRef,
    launches: &BTreeMap<(String, String), Launch>,
    options: &TranslateOptions,
) -> Result<Kernels, SerializeError> {
    let mut names = Names::default();
    let mut kernels = Kernels::new();
    for (symbols, func) in functions(module) {
        let Some(launch) = launches.get(&symbols) else {
            continue;
        };
        let kernel = translate_kernel(func, launch, options)?;
        let name = names.unique(&symbols);
        let translated = Translated {
            record: record(func, &name, &kernel)?,
            wgsl: Some(kernel.wgsl().to_owned()),
            arguments: kernel.bindings().iter().map(|it| it.argument).collect(),
            immediates: kernel.immediates().to_vec(),
            name,
            spec: spec(func),
            used: false,
        };
        kernels.insert(symbols, translated);
    }
    Ok(kernels)
}

/// The ops a kernel is the last one of.
pub(super) fn spec(func: OperationRef) -> Option<String> {
    read::text(func, attributes::SPEC).map(ToOwned::to_owned)
}

/// Names of kernels in a package, each once.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The name of a kernel: that of its function where it is free.
    pub(super) fn unique(&mut self, (module, function): &(String, String)) -> String {
        let mut name = read::clean(function);
        if !self.0.insert(name.clone()) {
            name = read::clean(&format!("{module}_{function}"));
            while !self.0.insert(name.clone()) {
                name.push('_');
            }
        }
        name
    }
}

/// Every kernel of a module, with the names of its `gpu.module` and itself.
pub(super) fn functions<'c, 'a>(
    module: OperationRef<'c, 'a>,
) -> Vec<((String, String), OperationRef<'c, 'a>)> {
    let mut found = Vec::new();
    for op in read::body(module) {
        match ir::name(op) {
            "gpu.func" if op.has_attribute("gpu.kernel") => {
                let parent = read::symbol(module).to_owned();
                found.push(((parent, read::symbol(op).to_owned()), op));
            }
            "gpu.module" | "builtin.module" => found.extend(functions(op)),
            _ => {}
        }
    }
    found
}

/// Puts the kernels that dispatches launch into the package.
pub(super) fn keep_used(package: &mut Package, kernels: Kernels) {
    for translated in kernels.into_values().filter(|translated| translated.used) {
        if let (Some(file), Some(text)) = (translated.record.code.file(), translated.wgsl) {
            package.files.insert(file.to_owned(), text.into_bytes());
        }
        package
            .manifest
            .kernels
            .insert(translated.name, translated.record);
    }
}

fn record(
    func: OperationRef,
    name: &str,
    kernel: &Kernel,
) -> Result<manifest::Kernel, SerializeError> {
    if let crate::translate::ImmediateSpace::Uniform(_) = kernel.immediate_space()
        && !kernel.immediates().is_empty()
    {
        return Err(SerializeError::at(
            func,
            format!(
                "takes {} bytes of scalars, packages pass at most 128; make sizes static",
                kernel.immediate_bytes()
            ),
        ));
    }
    let stage = read::text(func, attributes::NAME).unwrap_or(name);
    Ok(manifest::Kernel {
        entry_point: kernel.entry_point().to_owned(),
        code: Code::Wgsl {
            file: format!("kernels/{name}.wgsl"),
        },
        workgroup_size: kernel.workgroup_size(),
        bindings: kernel
            .bindings()
            .iter()
            .enumerate()
            .map(|(index, binding)| bind(kernel, index, binding))
            .collect(),
        immediates: scalars(func, kernel.immediates())?,
        stage: stage.to_owned(),
        knobs: knobs(func),
        requires: requires::requires(func, kernel),
        abi: Default::default(),
    })
}

/// The scalar types of a kernel's immediates.
pub(super) fn scalars(
    func: OperationRef,
    immediates: &[Immediate],
) -> Result<Vec<manifest::ScalarType>, SerializeError> {
    let scalar = |immediate: &Immediate| match immediate.scalar {
        ScalarType::F32 => Ok(manifest::ScalarType::F32),
        ScalarType::I32 => Ok(manifest::ScalarType::I32),
        other => Err(SerializeError::at(
            func,
            format!("takes a scalar of type {other:?}; packages pass i32, index, i1, f16 and f32"),
        )),
    };
    immediates.iter().map(scalar).collect()
}

fn bind(kernel: &Kernel, index: usize, binding: &Binding) -> manifest::Binding {
    let access = match binding.access {
        Access::Read => manifest::Access::Read,
        Access::ReadWrite if loads(kernel, index) => manifest::Access::ReadWrite,
        Access::ReadWrite => manifest::Access::Write,
    };
    manifest::Binding {
        access,
        dtype: dtype(binding.scalar),
        elements: elements(binding.elements, u64::from(binding.lanes)),
    }
}

/// The package's element type.
pub(super) fn dtype(scalar: ScalarType) -> Dtype {
    match scalar {
        ScalarType::F16 => Dtype::F16,
        ScalarType::F32 => Dtype::F32,
        ScalarType::I64 => Dtype::I64,
        // No buffer holds booleans.
        ScalarType::I32 | ScalarType::Bool => Dtype::I32,
    }
}

/// Scalars in a binding of so many vectors.
pub(super) fn elements(vectors: Option<u64>, lanes: u64) -> Option<Expr> {
    let scalars = vectors?.checked_mul(lanes)?;
    Some(Expr::from(i64::try_from(scalars).ok()?))
}

/// Whether the kernel reads from binding `index`.
fn loads(kernel: &Kernel, index: usize) -> bool {
    let info = kernel.info().get_entry_point(0);
    let bound = |variable: &naga::GlobalVariable| {
        variable
            .binding
            .is_some_and(|place| place.binding as usize == index)
    };
    kernel
        .module()
        .global_variables
        .iter()
        .filter(|(_, variable)| bound(variable))
        .any(|(handle, _)| info[handle].intersects(GlobalUse::READ | GlobalUse::ATOMIC))
}

/// The knobs of `kforge.schedule`; a list is one text.
pub(super) fn knobs(func: OperationRef) -> BTreeMap<String, Knob> {
    let schedule = func.attribute(attributes::SCHEDULE).ok();
    let Some(schedule) = schedule.and_then(|value| DictionaryAttribute::try_from(value).ok())
    else {
        return BTreeMap::new();
    };
    (0..schedule.len())
        .filter_map(|index| {
            let (key, value) = schedule.element(index).ok()?;
            Some((key.as_string_ref().as_str().ok()?.to_owned(), knob(value)))
        })
        .collect()
}

fn knob(value: Attribute) -> Knob {
    // A boolean is an integer of one bit to MLIR.
    if let Ok(flag) = BoolAttribute::try_from(value) {
        Knob::Bool(flag.value())
    } else if let Ok(integer) = IntegerAttribute::try_from(value) {
        Knob::Integer(integer.value())
    } else {
        Knob::Text(attributes::text(value).map_or_else(|| value.to_string(), ToOwned::to_owned))
    }
}
