//! Why a kernel of somebody else's is not put before the gate.

use std::fmt;

/// What kind of reason it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The interface, or what was asked for, is wrong in itself; nothing is said of the kernel.
    Input,
    /// The text is no valid WGSL.
    Wgsl,
    /// The kernel uses what the gate cannot bind.
    Unsupported,
    /// The kernel is not what its interface says, or not an implementation of the op.
    Interface,
    /// It cannot be launched: workgroups, sizes.
    Launch,
}

impl Cause {
    /// In reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Wgsl => "wgsl",
            Self::Unsupported => "unsupported",
            Self::Interface => "interface",
            Self::Launch => "launch",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where, and what: value, limit, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ForeignError {
    /// In one word.
    pub cause: Cause,
    /// File, binding or formula.
    pub place: String,
    /// In a sentence.
    pub problem: String,
}

impl ForeignError {
    pub(crate) fn new(cause: Cause, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            cause,
            place: place.into(),
            problem: problem.into(),
        }
    }
}
