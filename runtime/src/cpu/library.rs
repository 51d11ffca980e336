//! Loads the shared libraries of a package.
//!
//! The library is written to a private temporary folder first, because systems
//! load libraries from paths only; the folder lives as long as the functions.

use std::{collections::BTreeMap, fs, sync::Arc};

use libloading::Library;

use super::{NativeFn, NativeKernels, RawNativeFn, host};
use crate::{
    execute::{ExecOptions, FailureKind, Fault},
    manifest::{Code, Kernel, Package},
};

/// A library and the folder its file is in; dropped in this order.
struct Loaded {
    library: Library,
    _folder: tempfile::TempDir,
}

/// Libraries of one package that are already loaded, by path.
#[derive(Default)]
pub(super) struct Libraries(BTreeMap<String, Arc<Loaded>>);

impl Libraries {
    /// The function of a kernel: the host's if it supplies one, else the package's.
    pub(super) fn function(
        &mut self,
        name: &str,
        kernel: &Kernel,
        package: &Package,
        options: &ExecOptions,
    ) -> Result<NativeFn, Fault> {
        let host: &NativeKernels = &options.native;
        if let Some(function) = host.get(name) {
            return Ok(function.clone());
        }
        let unsupported = |detail: String| Fault::new(FailureKind::Unsupported, detail);
        let Code::Native {
            file: Some(file),
            triple,
            cpu_features,
            symbol,
        } = &kernel.code
        else {
            return Err(unsupported("the package has no native code for it".into()));
        };
        if let Some(reason) = host::refusal(triple, cpu_features) {
            return Err(unsupported(reason));
        }
        if !options.allow_native_code {
            let detail = "the package contains native code, which is not allowed; allow it only \
                          for packages you trust";
            return Err(unsupported(detail.into()));
        }
        let loaded = match self.0.get(file) {
            Some(loaded) => Arc::clone(loaded),
            None => {
                let bytes = package
                    .files
                    .get(file)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let loaded = Arc::new(load(bytes)?);
                self.0.insert(file.clone(), Arc::clone(&loaded));
                loaded
            }
        };
        // SAFETY: the symbol is only copied as a pointer here; `loaded`, which
        // the function keeps, owns the code.
        let function = unsafe { loaded.library.get::<RawNativeFn>(symbol.as_bytes()) }
            .map(|function| *function)
            .map_err(|error| Fault::new(FailureKind::Pipeline, error.to_string()))?;
        // SAFETY: the user allowed this package's native code, and its manifest
        // declares the symbol to follow the ABI.
        Ok(unsafe { NativeFn::new(function, loaded) })
    }
}

fn load(bytes: &[u8]) -> Result<Loaded, Fault> {
    let failed = |detail: String| Fault::new(FailureKind::Pipeline, detail);
    let folder = tempfile::Builder::new()
        .prefix("kforge-")
        .tempdir()
        .map_err(|error| failed(format!("no temporary folder: {error}")))?;
    let path = folder.path().join(libloading::library_filename("kernels"));
    fs::write(&path, bytes).map_err(|error| failed(format!("cannot unpack it: {error}")))?;
    // SAFETY: loading runs the library's initialisers; the user allowed this
    // package's native code.
    let library = unsafe { Library::new(&path) }
        .map_err(|error| failed(format!("the library cannot be loaded: {error}")))?;
    Ok(Loaded {
        library,
        _folder: folder,
    })
}
