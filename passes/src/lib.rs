//! Every kforge pass, one thin file each, the table that registers them, and
//! the named pipelines.

pub mod passes;
pub mod pipelines;
mod select;

/// Registers every pass and pipeline with MLIR, once per process.
pub fn register() {
    kforge_dialect::pass::register(passes::PASSES, pipelines::PIPELINES);
}
