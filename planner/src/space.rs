//! The values that knobs may take, per kind of op.
//!
//! The lists hold at least what people tune by hand. Combinations that break a
//! relation or a limit are pruned by [`crate::check`], which is the only judge.

use crate::problem::OpShape;

/// A knob with its values, smallest first.
pub type Axis = (&'static str, &'static [i64]);

const MATMUL: &[Axis] = &[
    ("tile-m", &[1, 4, 8, 16, 32, 64, 128, 256]),
    ("tile-n", &[4, 8, 16, 32, 64, 128, 256]),
    // The large ones are for slices.
    ("tile-k", &[4, 8, 16, 32, 64, 128, 256, 512]),
    // With a matrix unit a subgroup's share.
    ("thread-m", &[1, 2, 4, 8, 16, 32, 64]),
    ("thread-n", &[1, 2, 4, 8, 16, 32, 64]),
    ("vector-width", &[1, 2, 4, 8, 16]),
    ("stages", &[1, 2, 3, 4, 5]),
    ("unroll", &[0, 4, 8, 16]),
    ("group-m", &[1, 2, 4, 8]),
    // 0 asks for no number; others select among the shares above.
    ("subgroups", &[0, 1, 2, 4, 8, 16]),
    ("split-k", &[1, 2, 4, 8]),
    ("prefetch", &[0, 1]),
    ("slice-k", &[1, 8, 16, 32, 64, 128]),
    ("matrix-unit", &[0, 8, 16]),
];

const ATTENTION: &[Axis] = &[
    ("block-q", &[1, 8, 16, 32, 64, 128, 256]),
    ("block-kv", &[1, 4, 8, 16, 32, 64, 128]),
    ("split-head", &[1, 2, 4, 8]),
    ("slice-kv", &[1, 2, 4, 8, 16, 32, 64, 128]),
    ("split-kv", &[1, 2, 4, 8, 16, 32]),
    ("matrix-unit", &[0, 8, 16]),
    ("prefetch", &[0, 1]),
];

const ROWS: &[Axis] = &[
    ("workgroup-size", &[1, 32, 64, 128, 256, 512, 1024]),
    ("rows", &[1, 2, 4, 8]),
    ("shuffle", &[0, 1]),
    ("block-size", &[64, 128, 256, 512, 1024, 2048, 4096, 8192]),
    ("vector-width", &[1, 2, 4, 8, 16]),
];

/// The knobs of a pass; none for passes that are no schedule.
pub fn of_pass(pass: &str) -> &'static [Axis] {
    match pass {
        "kforge-tile-matmul" => MATMUL,
        "kforge-tile-attention" => ATTENTION,
        "kforge-vectorize-layernorm" => ROWS,
        _ => &[],
    }
}

/// Every knob of a schedule, in alphabetical order.
pub fn knobs() -> Vec<&'static str> {
    let axes = [MATMUL, ATTENTION, ROWS].concat();
    let mut knobs: Vec<&str> = axes.into_iter().map(|(knob, _)| knob).collect();
    knobs.sort_unstable();
    knobs.dedup();
    knobs
}

/// The knobs of the pass that schedules such an op.
pub const fn axes(shape: &OpShape) -> &'static [Axis] {
    match shape {
        OpShape::Matmul { .. } => MATMUL,
        OpShape::Attention { .. } => ATTENTION,
        OpShape::Softmax(_) | OpShape::LayerNorm(_) | OpShape::RmsNorm(_) => ROWS,
    }
}
