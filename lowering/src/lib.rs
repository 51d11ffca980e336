//! Lowering of kforge programs to things that run.
//!
//! - [`gpu`]: kforge to the upstream `gpu` dialect.
//! - [`translate`]: the upstream `gpu` dialect to a validated naga module, and
//!   from there to WGSL, MSL and SPIR-V.

pub mod emit;
mod error;
pub mod gpu;
pub mod translate;

pub use error::LoweringError;
