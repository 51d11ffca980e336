//! Module text to a package for a target, as kforge-run does it.

use kforge_lowering::serialize::{self, Options, Serialized};
use kforge_runtime::{Device, DeviceChoice, DeviceDescription};
use melior::{pass::PassManager, utility::parse_pass_pipeline};

pub use kforge_dialect::device::Device as Target;

/// The layer that the benchmarks compile.
pub const LAYER: &str = include_str!("../../../test/Inputs/minilm_layer.mlir");

/// A device, described as the pipeline's options describe it.
pub fn device(choice: DeviceChoice) -> (Device, String) {
    let device = Device::open(choice).unwrap();
    let options = options(device.description());
    (device, options)
}

fn options(device: &DeviceDescription) -> String {
    match device.simd_bits {
        0 => format!(
            "workgroup-memory={} invocations={} storage-binding={}",
            device.workgroup_memory, device.invocations, device.storage_binding_bytes
        ),
        bits => format!("target=cpu simd-bits={bits} cores={}", device.cores.max(1)),
    }
}

/// Parses, plans by the default pipeline, lowers and serialises.
pub fn lower(source: &str, options: &str) -> (Target, Serialized) {
    let context = kforge_dialect::context();
    let mut module = kforge_dialect::parse(&context, source, "bench.mlir").unwrap();
    let manager = PassManager::new(&context);
    let pipeline = format!("builtin.module(kforge-default-pipeline{{{options}}})");
    parse_pass_pipeline(manager.as_operation_pass_manager(), &pipeline).unwrap();
    manager.run(&mut module).unwrap();
    let serialized = serialize::package(module.as_operation(), &Options::default()).unwrap();
    (Target::of(module.as_operation()), serialized)
}
