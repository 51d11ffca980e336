//! Writes a package to a folder, whole or not at all.
//!
//! All files go to a temporary folder beside the target and are flushed to disk; then the
//! folder takes the target's name. An older package there is whole until the new one is.
//! Anything else in the way is refused, except an empty folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    Package, PackageError,
    load::read_manifest,
    package::{MANIFEST_FILE, to_json},
};
use crate::whole_file::put_folder;

impl Package {
    /// Seals, validates and writes the package to `folder`.
    pub fn save(&mut self, folder: impl AsRef<Path>) -> Result<(), PackageError> {
        let folder = folder.as_ref();
        for (name, kernel) in &self.manifest.kernels {
            if kernel.code.file().is_none() {
                return Err(PackageError::NotStorable {
                    kernel: name.clone(),
                });
            }
        }
        self.seal()?;
        self.validate()?;
        check_target(folder)?;

        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        let staging = tempfile::Builder::new()
            .prefix(".kforge-")
            .tempdir_in(parent)
            .map_err(io_error("create a folder in", parent))?;
        let new = staging.path().join("new");
        fs::create_dir(&new).map_err(io_error("create", &new))?;
        for (path, bytes) in self.other_files()? {
            write_file(&new.join(path), &bytes)?;
        }
        write_file(
            &new.join(MANIFEST_FILE),
            &to_json(&self.manifest, MANIFEST_FILE)?,
        )?;
        sync_folder(&new)?;

        put_folder(&new, folder).map_err(io_error("write", folder))
    }
}

/// Refuses to replace what is no package.
fn check_target(folder: &Path) -> Result<(), PackageError> {
    let not_a_package = || PackageError::NotAPackage {
        path: folder.to_path_buf(),
    };
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_error("inspect", folder)(source)),
        Ok(metadata) if !metadata.is_dir() => return Err(not_a_package()),
        Ok(_) => {}
    }
    let mut entries = fs::read_dir(folder).map_err(io_error("list", folder))?;
    if entries.next().is_some() {
        read_manifest(&folder.join(MANIFEST_FILE)).map_err(|_| not_a_package())?;
    }
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io_error("create", parent))?;
    }
    let mut file = File::create_new(path).map_err(io_error("create", path))?;
    file.write_all(bytes).map_err(io_error("write", path))?;
    file.sync_all().map_err(io_error("flush", path))
}

/// Makes renames inside a folder durable, where the system can.
fn sync_folder(path: &Path) -> Result<(), PackageError> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|folder| folder.sync_all())
            .map_err(io_error("flush", path))?;
    }
    Ok(())
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    let path: PathBuf = path.to_path_buf();
    move |source| PackageError::Io {
        action,
        path,
        source,
    }
}
