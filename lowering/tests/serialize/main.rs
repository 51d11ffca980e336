//! Modules to packages, and the packages on a device.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

mod device;
mod packages;
mod refusals;

use kforge_lowering::serialize::{Options, SerializeError, Serialized, package};
use melior::ir::Module;

pub const VECTOR_ADD: &str = include_str!("../../../test/Inputs/vector-add.mlir");
pub const TILED_MATMUL: &str = include_str!("../../../test/Inputs/tiled-matmul.mlir");

pub fn serialize(source: &str) -> Result<Serialized, SerializeError> {
    let context = kforge_dialect::context();
    let module = Module::parse(&context, source).expect("test input parses");
    package(module.as_operation(), &Options::default())
}

pub fn serialized(source: &str) -> Serialized {
    serialize(source).unwrap_or_else(|error| panic!("{error}"))
}
