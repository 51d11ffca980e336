//! Results as `.npy` files, each whole or not there.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use kforge_runtime::{HostTensor, Package};
use tempfile::NamedTempFile;

use super::Failure;

/// Names of an entry's results, in order.
pub(super) fn names(package: &Package, entry: &str) -> Vec<String> {
    let entry = package.manifest.entries.get(entry);
    entry.map_or_else(Vec::new, |entry| {
        entry.outputs.iter().map(|port| port.name.clone()).collect()
    })
}

/// Makes the folder, and sees whether a file can be made in it.
pub(super) fn prepare(folder: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::Write {
        path: folder.to_path_buf(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    NamedTempFile::new_in(folder).map_err(failed)?;
    Ok(())
}

/// A file that is there only under its final name, and may be read by whom the
/// user lets read new files.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Writes `result.N.npy` for every result to a prepared folder and returns the paths.
pub(super) fn write(folder: &Path, results: &[HostTensor]) -> Result<Vec<PathBuf>, Failure> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        |source| Failure::Write { path, source }
    };
    let mut paths = Vec::new();
    for (index, tensor) in results.iter().enumerate() {
        let path = folder.join(format!("result.{index}.npy"));
        // An interrupted run leaves the old file or none, never half of one.
        let mut file = new_file(folder).map_err(failed(folder))?;
        file.write_all(&tensor.to_npy_bytes())
            .map_err(failed(&path))?;
        file.as_file().sync_all().map_err(failed(&path))?;
        file.persist(&path)
            .map_err(|error| failed(&path)(error.error))?;
        paths.push(path);
    }
    Ok(paths)
}
