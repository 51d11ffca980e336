//! What can go wrong in an xtask command.

use std::path::PathBuf;

/// An xtask command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program ran and said no.
    #[error("`{command}` failed ({status})")]
    Failed {
        /// The command line.
        command: String,
        /// Exit code or signal, as the system words it.
        status: String,
    },
    /// Tests ran and some failed.
    #[error("`{command}` failed ({status})\n{said}")]
    Tests {
        /// The command line.
        command: String,
        /// Exit code or signal, as the system words it.
        status: String,
        /// What the failed ones printed.
        said: String,
    },
    /// A program could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program answered in a form that is not understood.
    #[error("cannot read the answer of `{command}`: {reason}")]
    Answer {
        /// The command line.
        command: String,
        /// What was expected.
        reason: String,
    },
    /// Something that must be there is not; `mend` is the line that helps.
    #[error("{what} is missing: {mend}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to do, as a command where one exists.
        mend: String,
    },
    /// A downloaded file is not the expected one.
    #[error(
        "{} has sha256 {found}, expected {expected}: it was refused and deleted", path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Digest of what is there.
        found: String,
        /// Digest that was pinned.
        expected: String,
    },
}

/// Result of an xtask command.
pub type Result<T> = std::result::Result<T, Error>;
