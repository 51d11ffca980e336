//! Files that appear whole or not at all, and turns of those who change one.
//!
//! A file is written under a name that nobody else uses, in the same folder, flushed to
//! disk, and then renamed; the folder is flushed last. So a killed process or a full disk
//! leaves the old file or the new one, and of several writers the last one wins whole.
//! Folders are written under another name by their owners and put in place here.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long [`turn`] waits for another process.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes `path` through a file beside it. Its folder must be there.
pub fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    // It may be read by whom the user lets read new files.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.prefix(".kforge-").tempfile_in(parent(path))?;
    let mut writer = BufWriter::new(temporary.as_file_mut());
    content(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    sync_folder(path)
}

/// Renames a finished folder to its final name. An older folder of that name is there until
/// the new one is, and then removed.
///
/// Where the system cannot exchange two names at once, there is neither for a moment, and the
/// older one is put back if the renaming fails.
pub fn put_folder(new: &Path, folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder).is_err_and(|it| it.kind() == ErrorKind::NotFound) {
        fs::rename(new, folder)?;
    } else if exchange(new, folder).is_ok() {
        fs::remove_dir_all(new)?;
    } else {
        let old = with_suffix(new, ".old");
        fs::rename(folder, &old)?;
        if let Err(error) = fs::rename(new, folder) {
            fs::rename(&old, folder)?;
            return Err(error);
        }
        fs::remove_dir_all(old)?;
    }
    sync_folder(folder)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// A name is on disk only with the folder that holds it.
fn sync_folder(path: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(parent(path))?.sync_all(),
        false => Ok(()),
    }
}

fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Waits until nobody else changes the file at `path`, for who reads it, changes it and
/// writes it back; the turn ends when the result is dropped. Its folder must be there.
///
/// # Errors
/// A folder that cannot be written to, or 10 s in which another process went on.
pub fn turn(path: &Path) -> io::Result<File> {
    let lock = with_suffix(path, ".lock");
    let mut options = File::options();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(lock)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                let seconds = PATIENCE.as_secs();
                let message = format!("in use by another process for more than {seconds} s");
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Renames a file that cannot be used to `*.corrupt-TIME`, a name that nothing has yet.
pub fn set_aside(path: &Path, seconds: u64) -> io::Result<PathBuf> {
    let mut to = with_suffix(path, &format!(".corrupt-{seconds}"));
    for count in 1.. {
        if fs::symlink_metadata(&to).is_err() {
            break;
        }
        to = with_suffix(path, &format!(".corrupt-{seconds}-{count}"));
    }
    fs::rename(path, &to)?;
    Ok(to)
}

/// The path with more at the end of its name.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let text = |text: &'static str| move |file: &mut dyn Write| file.write_all(text.as_bytes());
        write_whole(&path, text("old")).unwrap();
        let error = write_whole(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("stop"))
        });
        assert_eq!(error.unwrap_err().to_string(), "stop");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        write_whole(&path, text("new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_takes_the_place_of_an_older_one() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for text in ["one", "two"] {
            fs::create_dir(at("new")).unwrap();
            fs::write(at("new/file"), text).unwrap();
            put_folder(&at("new"), &at("folder")).unwrap();
            assert_eq!(fs::read_to_string(at("folder/file")).unwrap(), text);
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        assert!(put_folder(&at("none"), &at("folder")).is_err());
        assert_eq!(fs::read_to_string(at("folder/file")).unwrap(), "two");
    }

    #[test]
    fn writers_at_once_leave_one_of_their_files_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        thread::scope(|scope| {
            for letter in b'a'..b'i' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let text = vec![letter; 10_000 * usize::from(letter - b'a' + 1)];
                        write_whole(path, |file| file.write_all(&text)).unwrap();
                    }
                });
            }
        });
        let found = fs::read(&path).unwrap();
        let letter = found[0];
        assert_eq!(found.len(), 10_000 * usize::from(letter - b'a' + 1));
        assert!(found.iter().all(|it| *it == letter));
    }

    #[test]
    fn what_is_set_aside_twice_in_a_second_is_there_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let mut found = Vec::new();
        for text in ["one", "two", "three"] {
            fs::write(&path, text).unwrap();
            found.push(set_aside(&path, 7).unwrap());
        }
        let texts: Vec<_> = found
            .iter()
            .map(|it| fs::read_to_string(it).unwrap())
            .collect();
        assert_eq!(texts, ["one", "two", "three"]);
    }
}
