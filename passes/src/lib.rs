//! Every kforge pass, one thin file each, the table that registers them, and
//! the named pipelines.

mod activations;
mod constant;
mod mask;
pub mod mutate;
pub mod passes;
pub mod pipelines;
pub mod report;
mod rewrite;
pub mod select;
mod variants;
pub mod verify;

/// Registers every pass and pipeline with MLIR, once per process.
pub fn register() {
    kforge_dialect::pass::register(passes::PASSES, pipelines::PIPELINES);
}

/// The same, with the pass that makes mistakes on purpose. The first registration in a
/// process is the one that holds.
pub fn register_with_mutations() {
    kforge_dialect::pass::register(passes::WITH_MUTATIONS, pipelines::PIPELINES);
}
