//! Kernels of a CPU package: one object for all of them.

use std::collections::BTreeMap;

use kforge_dialect::attributes;
use kforge_runtime::{
    cpu::NativeKernels,
    manifest::{self, Access, Code, Requires},
};
use melior::ir::{Module, OperationRef};

use super::{
    SerializeError,
    kernel::{self, Kernels, Names, Translated},
    read,
};
use crate::{
    cpu::{self, Binding, CpuTarget},
    translate::Launch,
};

/// The file of the shared library in a package.
const LIBRARY: &str = "kernels/native.so";

/// Machine code of a package's kernels.
#[derive(Clone, Debug)]
pub struct Native {
    /// The relocatable object.
    pub object: Vec<u8>,
    /// Its functions in this process, by kernel name.
    pub functions: NativeKernels,
}

/// Compiles every kernel that is launched, for this machine's processor.
pub(super) fn compile_all(
    module: OperationRef,
    launches: &BTreeMap<(String, String), Launch>,
) -> Result<(Kernels, Native), SerializeError> {
    // A context of its own: a pass must not load dialects into that of its module.
    let context = kforge_dialect::context();
    let copy = Module::parse(&context, &module.to_string())
        .ok_or_else(|| SerializeError::at(module, "does not parse as it prints"))?;
    let lowered = cpu::lower(&context, copy.as_operation())?;
    let target = CpuTarget::host()?;
    let object = cpu::emit_object(&context, &lowered, &target)?;

    let mut names = Names::default();
    let mut kernels = Kernels::new();
    let mut symbols_of = Vec::new();
    for (symbols, func) in kernel::functions(module) {
        let of_func = |it: &&cpu::Kernel| (&it.module, &it.name) == (&symbols.0, &symbols.1);
        let (true, Some(compiled)) = (
            launches.contains_key(&symbols),
            lowered.kernels.iter().find(of_func),
        ) else {
            continue;
        };
        let name = names.unique(&symbols);
        symbols_of.push((compiled.symbol.clone(), name.clone()));
        let translated = Translated {
            wgsl: None,
            arguments: compiled.bindings.iter().map(|it| it.argument).collect(),
            immediates: compiled.immediates.clone(),
            record: record(func, &name, compiled, &target, launches.get(&symbols))?,
            name,
            spec: kernel::spec(func),
            used: false,
        };
        kernels.insert(symbols, translated);
    }
    let pairs = symbols_of
        .iter()
        .map(|(symbol, name)| (symbol.as_str(), name.as_str()));
    let functions = cpu::jit(&object, pairs)?;
    Ok((kernels, Native { object, functions }))
}

fn record(
    func: OperationRef,
    name: &str,
    compiled: &cpu::Kernel,
    target: &CpuTarget,
    launch: Option<&Launch>,
) -> Result<manifest::Kernel, SerializeError> {
    let size = launch.and_then(|launch| launch.block);
    Ok(manifest::Kernel {
        entry_point: compiled.symbol.clone(),
        code: Code::Native {
            file: None,
            triple: target.triple.clone(),
            cpu_features: target.features.clone(),
            symbol: compiled.symbol.clone(),
        },
        workgroup_size: size.unwrap_or([1, 1, 1]),
        bindings: compiled.bindings.iter().map(binding).collect(),
        immediates: kernel::scalars(func, &compiled.immediates)?,
        stage: read::text(func, attributes::NAME)
            .unwrap_or(name)
            .to_owned(),
        knobs: kernel::knobs(func),
        requires: Requires::default(),
        abi: Default::default(),
    })
}

fn binding(binding: &Binding) -> manifest::Binding {
    manifest::Binding {
        access: match (binding.reads, binding.writes) {
            (_, false) => Access::Read,
            (false, true) => Access::Write,
            (true, true) => Access::ReadWrite,
        },
        dtype: kernel::dtype(binding.scalar),
        elements: kernel::elements(binding.elements, binding.lanes),
    }
}

impl super::Serialized {
    /// Puts native code into the package as a shared library, so that it can be
    /// saved; needs the system's C compiler. Nothing to do for shader text.
    ///
    /// # Errors
    /// If there is no `cc`, or it fails.
    pub fn link(&mut self) -> Result<(), SerializeError> {
        let Some(native) = &self.native else {
            return Ok(());
        };
        let library = cpu::shared_library(&native.object)?;
        self.package.files.insert(LIBRARY.to_owned(), library);
        for kernel in self.package.manifest.kernels.values_mut() {
            if let Code::Native { file, .. } = &mut kernel.code {
                *file = Some(LIBRARY.to_owned());
            }
        }
        Ok(())
    }

    /// Whether native code is in the package, which can then be saved.
    pub fn is_linked(&self) -> bool {
        self.package.files.contains_key(LIBRARY)
    }

    /// The functions of native kernels in this process; none for shader text.
    pub fn functions(&self) -> NativeKernels {
        self.native
            .as_ref()
            .map_or_else(NativeKernels::default, |native| native.functions.clone())
    }
}
