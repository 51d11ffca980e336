//! Lowering of kforge programs to things that run.
//!
//! - [`translate`]: the upstream `gpu` dialect to a validated naga module, and
//!   from there to WGSL, MSL and SPIR-V.

pub mod translate;
