//! Results as `.npy` files, each whole or not there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kforge_runtime::{HostTensor, Package, whole_file::write_whole};
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

/// Writes `result.N.npy` for every result to a prepared folder and returns the paths.
pub(super) fn write(folder: &Path, results: &[HostTensor]) -> Result<Vec<PathBuf>, Failure> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        |source| Failure::Write { path, source }
    };
    let mut paths = Vec::new();
    for (index, tensor) in results.iter().enumerate() {
        let path = folder.join(format!("result.{index}.npy"));
        let bytes = tensor.to_npy_bytes();
        write_whole(&path, |file| file.write_all(&bytes)).map_err(failed(&path))?;
        paths.push(path);
    }
    Ok(paths)
}
