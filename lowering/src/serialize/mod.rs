//! A module to a package: what kforge-run runs.
//!
//! The input is what the conversion to the `gpu` dialect makes, and equally what
//! upstream pipelines make: `gpu.module`s with kernels, and host functions of one
//! block. Every public `func.func` with launches is an entry. Its body may hold
//! `gpu.launch_func` with constant sizes, `memref.alloc`, `alloca` and `dealloc`,
//! `memref.get_global` of constants, constants, views of a whole buffer
//! (`memref.cast`, `expand_shape`, `collapse_shape`, `reinterpret_cast`, and
//! `builtin.unrealized_conversion_cast` between memrefs of as many bytes), and
//! `func.return`. Anything else is refused with its location.
//!
//! # What becomes of what
//! - arguments are inputs, or weights if they have `kforge.weight`; an argument
//!   that a kernel writes is an input and, after the results, an output;
//! - returned allocations are outputs, the others scratch; views share the buffer;
//! - constant globals are constants;
//! - a kernel's stage is its `kforge.name`, its knobs are its `kforge.schedule`;
//! - `vector<4xT>` elements count as four in every shape of the package.
//!
//! Limits: static shapes without layout, elements f32, f16, i32 and i64, at most
//! 128 bytes of scalar kernel arguments of 32 bits each.

mod constants;
mod emit;
mod error;
mod function;
mod kernel;
mod launch;
mod native;
mod ports;
mod program;
mod read;
mod requires;
mod trips;
mod units;
mod view;

pub use emit::{Emitted, emit};
pub use error::SerializeError;
pub use kforge_runtime::manifest::Unit;
pub use native::Native;
pub use requires::translate_options;

use std::collections::BTreeMap;

use kforge_dialect::device::{Device, Target};
use kforge_runtime::{
    Package,
    manifest::{self, FORMAT, Manifest, PackageError, VerifierSettings},
};
use melior::ir::OperationRef;

use crate::translate::collect_launches;

/// What a package says that the module does not.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Canonical text of the plan the module was made with.
    pub plan: String,
    /// Seed of the verifier's cases.
    pub seed: u64,
}

/// A module as a package, with the parts that can be checked on their own.
#[derive(Clone, Debug)]
pub struct Serialized {
    /// The package, validated; not yet sealed.
    pub package: Package,
    /// Its units, in the order of their entries and steps.
    pub units: Vec<Unit>,
    /// Machine code, for the CPU target.
    pub native: Option<Native>,
    /// Why the program of a function or unit is missing, one sentence each.
    pub remarks: Vec<String>,
}

/// Makes a package of `module`.
///
/// # Errors
/// A located [`SerializeError`] for anything outside the subset, for a kernel
/// that does not translate, and if there is no entry.
pub fn package(module: OperationRef, options: &Options) -> Result<Serialized, SerializeError> {
    let launches = collect_launches(module)?;
    let (kernels, native) = match Device::of(module).target {
        Target::Gpu => {
            let translate = translate_options(module);
            (kernel::translate_all(module, &launches, &translate)?, None)
        }
        Target::Cpu => {
            let (kernels, native) = native::compile_all(module, &launches)?;
            (kernels, Some(native))
        }
    };
    let mut building = Building {
        package: Package::new(Manifest {
            format: FORMAT,
            kforge_version: env!("CARGO_PKG_VERSION").into(),
            plan: options.plan.clone(),
            symbols: BTreeMap::new(),
            buffers: Vec::new(),
            kernels: BTreeMap::new(),
            entries: BTreeMap::new(),
            hashes: BTreeMap::new(),
            verifier: VerifierSettings {
                seed: options.seed,
                cases: None,
            },
            verdict: None,
        }),
        kernels,
        shared: BTreeMap::new(),
    };
    let functions = function::entries(module);
    if functions.is_empty() {
        return Err(SerializeError::at(
            module,
            "has no public function with a gpu.launch_func; only such functions can be run",
        ));
    }
    let mut units = Vec::new();
    let mut inputs = BTreeMap::new();
    let several = functions.len() > 1;
    for function in functions {
        let (names, parts) = function::serialize(&mut building, module, function, several)?;
        inputs.insert(read::symbol(function).to_owned(), names);
        units.extend(parts);
    }
    let Building {
        mut package,
        kernels,
        ..
    } = building;
    kernel::keep_used(&mut package, kernels);
    let remarks = program::attach(module, &mut package, &inputs, &mut units);
    package.validate()?;
    Ok(Serialized {
        package,
        units,
        native,
        remarks,
    })
}

/// One unit as a package of its own; see [`Package::unit`].
///
/// # Errors
/// An index that is no unit.
pub fn unit_package(serialized: &Serialized, index: usize) -> Result<Package, PackageError> {
    let unit = serialized
        .units
        .get(index)
        .ok_or_else(|| PackageError::Invalid {
            place: format!("unit {index}"),
            problem: format!("does not exist; there are {}", serialized.units.len()),
        })?;
    serialized.package.unit(unit)
}

/// A package in the making.
struct Building {
    package: Package,
    kernels: kernel::Kernels,
    /// Weights and constants, which all entries share.
    shared: BTreeMap<String, manifest::BufferId>,
}
