//! Why a kernel does not become machine code.

use kforge_runtime::DeviceError;

use crate::{LoweringError, translate::TranslateError};

/// A refusal, or a failure of a tool underneath.
#[derive(Debug, thiserror::Error)]
pub enum CpuError {
    /// An op or kernel outside the subset.
    #[error(transparent)]
    Lowering(#[from] LoweringError),
    /// A launch that cannot be read.
    #[error(transparent)]
    Launch(#[from] TranslateError),
    /// MLIR's conversions left something they do not know.
    #[error("{step} failed: {reason}")]
    Conversion {
        /// The conversion.
        step: &'static str,
        /// MLIR's messages.
        reason: String,
    },
    /// LLVM refused.
    #[error("LLVM failed at {step}: {reason}")]
    Llvm {
        /// What was being done.
        step: &'static str,
        /// LLVM's message.
        reason: String,
    },
    /// This machine's processor could not be described.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A feature that is no word, which would add others to the list.
    #[error("cpu feature '{feature}' is no feature name; use letters, digits, '.', '-' and '_'")]
    Feature {
        /// The name given, escaped.
        feature: String,
    },
    /// The linker of the system failed.
    #[error("cannot link a shared library: {reason}; install a C compiler as `cc`, or run without")]
    Linker {
        /// Its messages.
        reason: String,
    },
}
