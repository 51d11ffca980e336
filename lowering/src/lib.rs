//! Lowering of kforge programs to things that run.
//!
//! - [`cpu`]: the upstream `gpu` dialect to objects and functions of a CPU.
//! - [`gpu`]: kforge to the upstream `gpu` dialect.
//! - [`serialize`]: modules to packages.
//! - [`translate`]: the upstream `gpu` dialect to a validated naga module, and
//!   from there to WGSL, MSL and SPIR-V.

pub mod cpu;
pub mod emit;
mod error;
pub mod gpu;
pub mod serialize;
pub mod translate;

pub use error::LoweringError;
