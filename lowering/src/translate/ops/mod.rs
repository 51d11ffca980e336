//! The subset: one table from op names to their translation.
//!
//! The table drives the dispatch, the list of [`supported_ops`] and the text of
//! every refusal, so the three cannot differ.

mod arith;
mod control;
mod gpu;
mod math;
mod matrix;
mod memory;
mod table;
mod vector;

use super::{error::TranslateError, read, translator::Translator};
use melior::ir::OperationRef;
use table::OPS;

/// Translates one op.
type Lower = for<'c, 'a, 't, 'o> fn(
    &'t mut Translator<'o>,
    OperationRef<'c, 'a>,
) -> Result<(), TranslateError>;

/// What to do about ops that are known to show up and are not translated.
const HINTS: &[(&str, &str)] = &[
    ("affine.", "run -lower-affine first"),
    (
        "cf.",
        "translate before control flow is lowered to cf, or run -lift-cf-to-scf",
    ),
    ("linalg.", "run -convert-linalg-to-loops first"),
    ("tensor.", "bufferize first"),
    (
        "scf.parallel",
        "map it with -gpu-map-parallel-loops,convert-parallel-loops-to-gpu",
    ),
    ("scf.forall", "map it to the gpu first"),
    (
        "vector.transfer_",
        "run -convert-vector-to-scf, or use vector.load and vector.store",
    ),
    (
        "vector.contract",
        "lower it to vector.fma or gpu.subgroup_mma_compute",
    ),
    (
        "gpu.all_reduce",
        "use gpu.subgroup_reduce and workgroup memory",
    ),
    (
        "memref.copy",
        "run -convert-linalg-to-loops on linalg.copy, or write the loop",
    ),
    ("memref.get_global", "pass the constant as an argument"),
    ("func.call", "run -inline first"),
];

/// Names of all ops that translate, in alphabetical order of their dialects.
pub fn supported_ops() -> impl Iterator<Item = &'static str> {
    OPS.iter().map(|(name, _)| *name)
}

pub(super) fn lower(
    t: &mut Translator<'_>,
    op: OperationRef<'_, '_>,
) -> Result<(), TranslateError> {
    let name = read::name(op);
    match OPS.iter().find(|(known, _)| *known == name) {
        Some((_, lower)) => lower(t, op),
        None => Err(read::fail(op, refusal(&name))),
    }
}

fn refusal(name: &str) -> String {
    let dialect = name.split('.').next().unwrap_or_default();
    let mut list: Vec<&str> = supported_ops()
        .filter(|op| op.split('.').next() == Some(dialect))
        .collect();
    let scope = if list.is_empty() {
        list = supported_ops()
            .filter_map(|op| op.split('.').next())
            .collect();
        list.dedup();
        "dialects".to_owned()
    } else {
        format!("ops of {dialect}")
    };
    let hint = HINTS
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))
        .map(|(_, hint)| format!("; {hint}"))
        .unwrap_or_default();
    format!(
        "is outside the subset that translates{hint}; supported {scope}: {}",
        list.join(", ")
    )
}

/// WGSL source of the device function behind an op.
pub(super) fn device_function(op: &str) -> Option<&'static str> {
    math::DEVICE_FUNCTIONS
        .iter()
        .find(|function| function.op == op)
        .map(|function| function.source)
}
