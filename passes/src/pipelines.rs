//! Named pipelines, written so that they read as prose: each line is one pass,
//! with the reason for its place.

use kforge_dialect::pass::PipelineDef;

/// Every named pipeline.
pub static PIPELINES: &[PipelineDef] = &[];
