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

/// Registers the pass that makes mistakes on purpose, once per process.
pub fn register_mutations() {
    kforge_dialect::pass::register(passes::MUTATION_PASSES, &[]);
}
