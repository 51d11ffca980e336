//! Why a run failed: which stage, of which size, with which knobs.

use thiserror::Error;

use crate::{device::Target, manifest::PackageError, tensor::TensorError};

/// Why a package's entry cannot be run, or its run failed.
#[derive(Debug, Error)]
pub enum RunError {
    /// The package or the symbols given are wrong.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// No such entry.
    #[error("unknown entry '{entry}'; known entries: {known}")]
    UnknownEntry {
        /// The name given.
        entry: String,
        /// The names there are.
        known: String,
    },
    /// A tensor passed in is not what the entry takes.
    #[error("{place}: {problem}")]
    Argument {
        /// Which input or weight.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A result is not a tensor this crate can hold.
    #[error("output '{name}': {source}")]
    Output {
        /// Which output.
        name: String,
        /// Why.
        source: TensorError,
    },
    /// A stage failed on the device.
    #[error(
        "{} execution failed at stage '{}' (shape {}): {detail} [kernel '{}', knobs: {}]",
        target_name(*target), site.stage, site.shape, site.kernel, site.knobs
    )]
    Stage {
        /// GPU or CPU.
        target: Target,
        /// Where.
        site: Box<Site>,
        /// What kind of failure.
        kind: FailureKind,
        /// What happened, with value and limit.
        detail: String,
    },
    /// The run as a whole failed.
    #[error("{} execution failed in entry '{entry}': {detail}", target_name(*target))]
    Entry {
        /// GPU or CPU.
        target: Target,
        /// Which entry.
        entry: String,
        /// What kind of failure.
        kind: FailureKind,
        /// What happened, with value and limit.
        detail: String,
    },
}

impl RunError {
    /// What kind of failure on the device, if it was one.
    pub const fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Stage { kind, .. } | Self::Entry { kind, .. } => Some(*kind),
            _ => None,
        }
    }
}

/// Which dispatch of which kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The user's name for the stage.
    pub stage: String,
    /// Problem size, e.g. `128x256x512`.
    pub shape: String,
    /// Kernel name.
    pub kernel: String,
    /// The plan's knobs, `name=value, ...`.
    pub knobs: String,
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The kernel does not compile or does not fit its declaration.
    Pipeline,
    /// A limit of the device is exceeded.
    Limit,
    /// The device lacks something the kernel needs.
    Unsupported,
    /// Memory is exhausted.
    OutOfMemory,
    /// The device is gone; open it again in a new process.
    DeviceLost,
    /// The deadline passed; the device may still be busy.
    Timeout,
    /// Results could not be read back.
    Readback,
    /// The API refused a command.
    Validation,
}

const fn target_name(target: Target) -> &'static str {
    match target {
        Target::Gpu => "GPU",
        Target::Cpu => "CPU",
    }
}

/// A failure before it is known where it happened.
#[derive(Debug)]
pub(crate) struct Fault {
    pub kind: FailureKind,
    pub detail: String,
}

impl Fault {
    pub(crate) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(crate) fn at(self, target: Target, site: &Site) -> RunError {
        RunError::Stage {
            target,
            site: Box::new(site.clone()),
            kind: self.kind,
            detail: self.detail,
        }
    }

    pub(crate) fn in_entry(self, target: Target, entry: &str) -> RunError {
        RunError::Entry {
            target,
            entry: entry.into(),
            kind: self.kind,
            detail: self.detail,
        }
    }
}
