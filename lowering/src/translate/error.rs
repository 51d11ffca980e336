//! The one error of the translation: always located, always names an op.

/// A refusal to translate: where, which op, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{location}: error: '{op}' {message}")]
pub struct TranslateError {
    /// Source location as MLIR prints it, without `loc(...)`.
    pub location: String,
    /// Name of the op, such as `gpu.all_reduce`.
    pub op: String,
    /// What is wrong, with value and limit, and what to do.
    pub message: String,
}
