//! An MLIR file to a package for one device.
//!
//! A module that has kernels already is serialised as it is, any other goes through
//! `kforge-default-pipeline`.

use std::path::Path;

use kforge_dialect::ir;
use kforge_planner::{device::limits, plan::Knobs};
use kforge_runtime::{DeviceDescription, device::Target};
use melior::ir::{BlockLike, Module, operation::OperationLike};

use super::Failure;
use crate::compile::{CompileError, Compiled, Session, Source, SourceError};

/// Reads, lowers and serialises a module.
pub(super) fn lower(
    path: &Path,
    device: &DeviceDescription,
    seed: u64,
) -> Result<Compiled, Failure> {
    kforge_dialect::tools::report_crashes();
    let source = Source::read(path)?;
    let session = Session::default();
    let module = session.parse(&source)?;
    let pipeline = pipeline(&module, device);
    Ok(session.compile(module, &pipeline, seed)?)
}

/// What lowers a module, or attaches the device to one that has kernels already.
pub(crate) fn pipeline(module: &Module, device: &DeviceDescription) -> String {
    let pass = match has_kernels(module) {
        true => "kforge-attach-device",
        false => "kforge-default-pipeline",
    };
    let options = device_options(&limits(device), device.target);
    format!("builtin.module({pass}{{{options}}})")
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Read { path, source } => Self::Read { path, source },
            error => Self::Input(error.to_string()),
        }
    }
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        Self::Input(error.to_string())
    }
}

fn has_kernels(module: &Module) -> bool {
    let mut next = module.body().first_operation();
    while let Some(op) = next {
        if ir::name(op) == "gpu.module" {
            return true;
        }
        next = op.next_in_block();
    }
    false
}

/// The options of `kforge-attach-device` that describe a device.
fn device_options(limits: &Knobs, target: Target) -> String {
    let target = match target {
        Target::Gpu => "target=gpu",
        Target::Cpu => "target=cpu",
    };
    let stated = limits.iter().map(|(name, value)| (name, value.to_string()));
    let stated = stated.filter(|(_, value)| !value.is_empty());
    let options = stated.map(|(name, value)| format!("{name}={value}"));
    std::iter::once(target.to_owned())
        .chain(options)
        .collect::<Vec<_>>()
        .join(" ")
}
