//! What can go wrong with an archive's file, in words a user can act on.

use std::{io, path::PathBuf};

use rusqlite::{Error as Sql, ErrorCode};

use super::judge::Damage;

/// Why the archive cannot do what was asked. Nothing stored is lost by any of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Nothing there, and nothing was to be made.
    #[error("no archive at '{}'; give another path, or compile something first", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// No folder for a user's data.
    #[error("no home folder, so no place for the archive; set XDG_DATA_HOME or give a path")]
    NoFolder,
    /// Another process did not let go of it.
    #[error("archive '{}' is in use by another process for more than {seconds} s; try again", path.display())]
    Locked {
        /// The archive.
        path: PathBuf,
        /// How long it was waited for.
        seconds: f64,
    },
    /// It may be read only.
    #[error("archive '{}' is read-only, nothing was stored; give a path that can be written", path.display())]
    ReadOnly {
        /// The archive.
        path: PathBuf,
    },
    /// No room for the row.
    #[error("no space left for archive '{}', nothing was stored; free some and try again", path.display())]
    Full {
        /// The archive.
        path: PathBuf,
    },
    /// Damaged below the level of rows.
    #[error("archive '{}' is corrupt ({detail}); when it is next opened for writing it is set aside", path.display())]
    Corrupt {
        /// The archive.
        path: PathBuf,
        /// SQLite's words.
        detail: String,
    },
    /// Somebody else's database.
    #[error("'{}' is a database, but no kforge archive; give another path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("cannot {action} '{}'", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// SQLite refuses for another reason.
    #[error("archive '{}': {source}", path.display())]
    Database {
        /// The archive.
        path: PathBuf,
        /// SQLite's words.
        #[source]
        source: Sql,
    },
    /// What was to be stored is no evidence.
    #[error("attempt '{id}' is not stored: {message}")]
    Unfit {
        /// The attempt.
        id: String,
        /// What is wrong with it.
        message: String,
    },
    /// Nothing by that name.
    #[error("no attempt '{id}' in the archive; history lists them")]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// Several by that name.
    #[error("'{id}' names {} attempts; use the hash of one: {}", hashes.len(), hashes.join(", "))]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// What it could be.
        hashes: Vec<String>,
    },
    /// The row is not what was stored.
    #[error("attempt {hash} is damaged ({damage}) and not shown as evidence; gc removes such rows")]
    Damaged {
        /// The row.
        hash: String,
        /// How.
        damage: Damage,
    },
    /// The file is no export, or over a limit.
    #[error("'{}' cannot be imported or exported: {message}", path.display())]
    Exchange {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

/// SQLite's result codes as what they mean for a user.
pub(super) fn from_sql(source: Sql, path: &std::path::Path, seconds: f64) -> ArchiveError {
    let path = path.to_owned();
    let detail = source.to_string();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ArchiveError::Locked { path, seconds }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => ArchiveError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => ArchiveError::Full { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            ArchiveError::Corrupt { path, detail }
        }
        _ => ArchiveError::Database { path, source },
    }
}
