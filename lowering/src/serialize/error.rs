//! Why a module cannot become a package.

use kforge_dialect::{diagnostics, ir};
use kforge_runtime::manifest::PackageError;
use melior::{
    Context,
    ir::{Location, OperationRef, operation::OperationLike},
};

use crate::{cpu::CpuError, translate::TranslateError};

/// A refusal to serialise.
#[derive(Debug, thiserror::Error)]
pub enum SerializeError {
    /// An op outside the subset.
    #[error("{location}: error: '{op}' op {message}")]
    Op {
        /// `file:line:column`, or another location as MLIR prints it.
        location: String,
        /// The op's name.
        op: String,
        /// What is wrong, with value and limit, and what to do.
        message: String,
    },
    /// A kernel outside the subset.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// A kernel does not become machine code.
    #[error(transparent)]
    Cpu(#[from] CpuError),
    /// The package breaks a rule of the format.
    #[error(transparent)]
    Package(#[from] PackageError),
}

impl SerializeError {
    /// A refusal at `operation`.
    pub(super) fn at(operation: OperationRef, message: impl Into<String>) -> Self {
        Self::Op {
            location: place(operation.location()),
            op: ir::name(operation).to_owned(),
            message: message.into(),
        }
    }

    /// Emits the error as a diagnostic where it belongs, else at `fallback`.
    pub fn emit(&self, context: &Context, fallback: Location) {
        let (place, message) = match self {
            Self::Op {
                location,
                op,
                message,
            } => (location, format!("'{op}' op {message}")),
            Self::Translate(error) => (
                &error.location,
                format!("'{}' op {}", error.op, error.message),
            ),
            Self::Cpu(error) => return diagnostics::error(fallback, &error.to_string()),
            Self::Package(error) => return diagnostics::error(fallback, &error.to_string()),
        };
        let mut parts = place.rsplitn(3, ':');
        let column = parts.next().and_then(|text| text.parse().ok());
        let line = parts.next().and_then(|text| text.parse().ok());
        match (parts.next(), line, column) {
            (Some(file), Some(line), Some(column)) => {
                diagnostics::error(Location::new(context, file, line, column), &message);
            }
            _ => diagnostics::error(fallback, &message),
        }
    }
}

/// `file:line:column`; other locations as MLIR prints them.
fn place(location: Location) -> String {
    let text = location.to_string();
    text.strip_prefix("loc(")
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(&text)
        .replace('"', "")
}
