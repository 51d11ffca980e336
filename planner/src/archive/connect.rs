//! A connection to an archive's file: for writing, for reading, or to a file that nobody
//! changes, whichever the file system allows.

use std::{
    ffi::OsString,
    fs,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use super::{
    ArchiveError, Options,
    schema::{self, Content},
};

/// Why there is no connection.
pub(super) enum Failure {
    /// The file has to go.
    Unusable(String),
    /// SQLite's answer; another way of opening may help.
    Sql(rusqlite::Error),
    Other(ArchiveError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // Also a header with numbers that mean nothing, and values of odd types.
            None
            | Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
                Failure::Unusable(error.to_string())
            }
            _ => Failure::Sql(error),
        }
    }
}

/// For writing if that may be, else for reading; the flag says which it became.
pub(super) fn connect(path: &Path, options: &Options) -> Result<(Connection, bool), Failure> {
    let common = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let write = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let denied = |error: &rusqlite::Error| {
        let code = error.sqlite_error_code();
        use ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
        matches!(code, Some(CannotOpen | PermissionDenied | ReadOnly))
    };
    match Connection::open_with_flags(path, common | write)
        .map_err(Failure::from)
        .and_then(|connection| prepare(connection, path, options))
    {
        Err(Failure::Sql(error)) if denied(&error) && path.exists() => {}
        other => return other,
    }
    let read = OpenFlags::SQLITE_OPEN_READ_ONLY;
    match Connection::open_with_flags(path, common | read)
        .map_err(Failure::from)
        .and_then(|connection| prepare(connection, path, options))
    {
        Err(Failure::Sql(error)) if denied(&error) => {}
        other => return other,
    }
    // Without leave to make SQLite's shared memory file, a log cannot be read either.
    let log = with_suffix(path, "-wal");
    if fs::metadata(&log).is_ok_and(|it| it.len() > 0) {
        return Err(Failure::Other(ArchiveError::ReadOnly { path: path.into() }));
    }
    let Some(uri) = immutable(path) else {
        return Err(Failure::Other(ArchiveError::ReadOnly { path: path.into() }));
    };
    let connection = Connection::open_with_flags(uri, common | read | OpenFlags::SQLITE_OPEN_URI)?;
    prepare(connection, path, options)
}

/// The file (an absolute path) as one that nobody changes, in SQLite's URI form.
fn immutable(path: &Path) -> Option<String> {
    let mut uri = String::from("file:");
    for byte in path.to_str()?.bytes() {
        match byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            true => uri.push(char::from(byte)),
            false => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    Some(uri + "?immutable=1")
}

fn prepare(
    mut connection: Connection,
    path: &Path,
    options: &Options,
) -> Result<(Connection, bool), Failure> {
    if let Some(version) = newer_format(path) {
        let why = format!("its file format is {version}, this program knows 2");
        return Err(Failure::Unusable(why));
    }
    connection.busy_timeout(options.patience)?;
    // The file may come from anywhere: nothing in it may run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let read_only = connection.is_readonly("main")?;
    match schema::inspect(&connection)? {
        Content::Archive => {}
        Content::Empty if read_only => {
            return Err(Failure::Other(ArchiveError::ReadOnly { path: path.into() }));
        }
        Content::Empty => schema::create(&mut connection)?,
        Content::Foreign => {
            return Err(Failure::Other(ArchiveError::Foreign { path: path.into() }));
        }
        Content::Unusable(why) => return Err(Failure::Unusable(why)),
    }
    if !read_only {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        if let Some(bytes) = options.max_bytes {
            let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
    }
    Ok((connection, read_only))
}

/// The file format's version in SQLite's header, if it is none that can be written. SQLite
/// would open such a file for reading alone, for good.
fn newer_format(path: &Path) -> Option<u8> {
    let mut header = [0; 20];
    fs::File::open(path).ok()?.read_exact(&mut header).ok()?;
    let is_database = header.starts_with(b"SQLite format 3\0");
    let version = header[18].max(header[19]);
    (is_database && version > 2).then_some(version)
}

pub(super) fn is_read_only(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// The path with more at the end of its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
