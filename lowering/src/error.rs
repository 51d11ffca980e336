//! Why something cannot be lowered.

use kforge_dialect::ir;
use melior::ir::{OperationRef, operation::OperationLike};

/// A refusal at an op, or a failure to build IR.
#[derive(Debug, thiserror::Error)]
pub enum LoweringError {
    /// The op has no lowering as it stands.
    #[error("{location}: '{op}' op {message}")]
    Op {
        /// Where the op comes from.
        location: String,
        /// Its name.
        op: String,
        /// What is wrong, with value and limit.
        message: String,
    },
    /// melior refused a construction.
    #[error(transparent)]
    Ir(#[from] melior::Error),
    /// The dialect refused a construction.
    #[error(transparent)]
    Dialect(#[from] kforge_dialect::Error),
}

impl LoweringError {
    /// A refusal at `operation`.
    pub fn at(operation: OperationRef, message: String) -> Self {
        LoweringError::Op {
            location: operation.location().to_string(),
            op: ir::name(operation).to_owned(),
            message,
        }
    }

    /// What is wrong, without location and op name: for a diagnostic at the op.
    pub fn reason(&self) -> String {
        match self {
            LoweringError::Op { message, .. } => message.clone(),
            other => other.to_string(),
        }
    }
}
