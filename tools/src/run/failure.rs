//! What can go wrong, and the exit code that says it.

use std::{io, path::PathBuf};

use kforge_runtime::{DeviceError, PackageError, RunError, TensorError};
use kforge_verify::SubjectError;

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command line or an input is wrong.
    #[error("{0}")]
    Input(String),
    /// A file that is not readable.
    #[error("cannot read '{path}': {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A result that cannot be written.
    #[error("cannot write '{path}': {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The report cannot be printed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The report has no JSON form.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A tensor file.
    #[error("'{path}': {source}")]
    Tensor {
        /// Which file or argument.
        path: String,
        /// What is wrong with it.
        source: TensorError,
    },
    /// The package is not valid.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// There is nothing to verify against.
    #[error("not verified: {0}")]
    Unverifiable(String),
    /// Verification refused the kernels.
    #[error("refused: {0}")]
    Refused(String),
    /// There is no device, or it cannot be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<SubjectError> for Failure {
    fn from(error: SubjectError) -> Self {
        match error {
            SubjectError::NoProgram(_) | SubjectError::NoSpec(_) => {
                Self::Unverifiable(error.to_string())
            }
            SubjectError::Package(error) => error.into(),
            error => Self::Input(error.to_string()),
        }
    }
}

#[cfg(feature = "mlir")]
impl From<kforge_passes::verify::VerifyError> for Failure {
    fn from(error: kforge_passes::verify::VerifyError) -> Self {
        use kforge_passes::verify::VerifyError;
        match error {
            VerifyError::Subject(error) => error.into(),
            VerifyError::Package(error) => error.into(),
            VerifyError::Device(error) => error.into(),
            // Knobs that fit one shape alone are as wrong as a wrong result.
            VerifyError::Shape { .. } => Self::Refused(error.to_string()),
            error => Self::Input(error.to_string()),
        }
    }
}

impl Failure {
    /// 1 for input, 2 for a refusal, 3 for the device.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 2,
            Self::Device(DeviceError::UnknownChoice { .. }) => 1,
            Self::Device(_) => 3,
            Self::Run(error) if error.kind().is_some() => 3,
            _ => 1,
        }
    }
}
