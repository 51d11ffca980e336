//! Why nothing was found.

use kforge_planner::{archive::ArchiveError, budget::BudgetError, problem::ExtractError};
use kforge_runtime::DeviceError;

use super::PeerError;
use crate::{compile::CompileError, measure::CandidateError};

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum OptimizeError {
    /// The module does not parse.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The module cannot be planned.
    #[error("'{name}': {source}")]
    Problem {
        /// Which module.
        name: String,
        /// Why.
        source: ExtractError,
    },
    /// No device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A rule of the budget cannot be followed.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Candidates cannot be written.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// The peer's times do not fit.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// Two sizes are none of one kernel.
    #[error(
        "'{first}' and '{other}' have other ops ({first_ops}; {other_ops}), so that no plan is for both"
    )]
    OtherOps {
        /// The first size.
        first: String,
        /// Another one.
        other: String,
        /// Ops of the first.
        first_ops: String,
        /// Ops of the other.
        other_ops: String,
    },
    /// Folders of candidates are for one size.
    #[error("candidates for another machine are of one size, not of {0}; write a folder per size")]
    SeveralSizes(usize),
    /// There is no folder for candidates.
    #[error("no folder for candidates: {0}")]
    Folder(std::io::Error),
    /// The default knobs are refused, so there is nothing to compare with.
    #[error("the default plan is refused ({reason}): {detail}")]
    Baseline {
        /// In kebab-case.
        reason: String,
        /// In a sentence.
        detail: String,
    },
}
