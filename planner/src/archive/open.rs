//! Opening: where the file is, who else opens it, and what is done when it is no archive.
//!
//! A file that is corrupt, or of a newer program, is renamed to `*.corrupt-TIME` with
//! its log, and an empty archive takes its place: compilation goes on, and whoever
//! knows the file can look into it. Openers wait for one another at `*.lock`, so that
//! of several programs one sets aside and the others find the new file. The page
//! check reads the whole file and its indices: 0.05 s for 10 000 attempts, 44 MB.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Archive,
    connect::{Failure, connect, is_read_only, with_suffix},
    error::{ArchiveError, from_sql},
};
use etcetera::BaseStrategy;

/// How an archive is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for other processes: 10 s.
    pub patience: Duration,
    /// Whether a missing archive is made: yes.
    pub create: bool,
    /// Whether an unusable file is renamed and a new archive begun: yes. Otherwise it
    /// is an error and stays where it is.
    pub set_aside: bool,
    /// Bytes that the file may grow to; `None`: what the disk holds.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            create: true,
            set_aside: true,
            max_bytes: None,
        }
    }
}

/// An unusable file that was renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it was, and an empty archive is now.
    pub from: PathBuf,
    /// Where it is.
    pub to: PathBuf,
    /// What was wrong with it.
    pub why: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "archive '{}' cannot be used ({}); it is kept as '{}' and a new one is begun",
            self.from.display(),
            self.why.escape_debug(),
            self.to.display()
        )
    }
}

/// `kforge/archive.sqlite` in the user's data folder: `$XDG_DATA_HOME` or
/// `~/.local/share`; on macOS `~/Library/Application Support`.
pub fn default_path() -> Result<PathBuf, ArchiveError> {
    let base = etcetera::base_strategy::choose_native_strategy();
    let base = base.map_err(|_| ArchiveError::NoFolder)?;
    Ok(base.data_dir().join("kforge").join("archive.sqlite"))
}

pub(super) fn open(path: &Path, options: &Options) -> Result<Archive, ArchiveError> {
    // SQLite would read a relative `file:name?mode=...` as more than a name.
    let path = &std::path::absolute(path).map_err(file("find", path))?;
    let here = path.try_exists().map_err(file("look for", path))?;
    if !here && !options.create {
        return Err(ArchiveError::Missing { path: path.into() });
    }
    if here && !path.is_file() {
        let source = std::io::Error::other("it is no file; name one that is to be the archive");
        return Err(file("use", path)(source));
    }
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(file("make", folder))?;
    }
    let lock = lock(path, options.patience)?;
    if !here && lock.is_none() && !path.exists() {
        return Err(ArchiveError::ReadOnly { path: path.into() });
    }
    let mut warnings = Vec::new();
    let connection = match connect(path, options) {
        Err(Failure::Unusable(why)) if options.set_aside => {
            warnings.push(set_aside(path, why)?);
            connect(path, options)
        }
        other => other,
    };
    let (connection, read_only) = connection.map_err(|failure| match failure {
        Failure::Unusable(detail) => ArchiveError::Corrupt {
            path: path.into(),
            detail,
        },
        Failure::Sql(error) => from_sql(error, path, options.patience.as_secs_f64()),
        Failure::Other(error) => error,
    })?;
    Ok(Archive {
        connection,
        path: path.into(),
        patience: options.patience,
        read_only,
        warnings,
    })
}

/// Only one at a time opens. `None` where nothing can be written, so nothing renamed.
fn lock(path: &Path, patience: Duration) -> Result<Option<File>, ArchiveError> {
    let name = with_suffix(path, ".lock");
    let open = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name);
    let file = match open {
        Ok(file) => file,
        Err(error) if is_read_only(error.kind()) => return Ok(None),
        Err(error) => return Err(self::file("open", &name)(error)),
    };
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(ArchiveError::Locked {
                    path: path.into(),
                    seconds: patience.as_secs_f64(),
                });
            }
            // Some network file systems have no locks: then openers are not kept apart.
            // SQLite's own protocol still holds for the rows.
            Err(TryLockError::Error(_)) => return Ok(Some(file)),
        }
    }
}

/// Renames the file and its log. The log goes first: a log without its file would be
/// deleted, a file without its log is only older.
fn set_aside(path: &Path, why: String) -> Result<SetAside, ArchiveError> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |it| it.as_secs());
    let mut to = with_suffix(path, &format!(".corrupt-{seconds}"));
    for count in 1.. {
        if !to.exists() && !with_suffix(&to, "-wal").exists() {
            break;
        }
        to = with_suffix(path, &format!(".corrupt-{seconds}-{count}"));
    }
    for suffix in ["-wal", "-shm", ""] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&to, suffix));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == ErrorKind::NotFound && !suffix.is_empty() => {}
            Err(error) if is_read_only(error.kind()) => {
                return Err(ArchiveError::Corrupt {
                    path: path.into(),
                    detail: why,
                });
            }
            other => other.map_err(file("set aside", &from))?,
        }
    }
    Ok(SetAside {
        from: path.into(),
        to,
        why,
    })
}

pub(super) fn file(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::File {
        action,
        path,
        source,
    }
}
