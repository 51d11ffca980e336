//! Why a comparison on the device was refused.

use kforge_runtime::{RunError, execute::FailureKind};

use crate::Reason;

/// A refusal without the stage it is about.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub reason: Reason,
    /// In one sentence.
    pub detail: String,
    /// The device is busy or gone: whatever runs next would be refused as well, after waiting
    /// as long again.
    pub device_is_lost: bool,
    /// Of values that are wrong, the largest error.
    pub max_abs_error: Option<f64>,
}

impl Refusal {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            device_is_lost: false,
            max_abs_error: None,
        }
    }

    /// What went wrong on the way.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::new(Reason::Execution, error.to_string())
    }

    /// A run that failed.
    pub fn run(error: &RunError) -> Self {
        let (reason, device_is_lost) = match error.kind() {
            Some(FailureKind::Timeout) => (Reason::Timing, true),
            Some(FailureKind::DeviceLost) => (Reason::Execution, true),
            _ => (Reason::Execution, false),
        };
        Self {
            device_is_lost,
            ..Self::new(reason, error.to_string())
        }
    }
}
