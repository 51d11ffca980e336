//! Results as `.npy` files, each whole or not there.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use kforge_runtime::{HostTensor, Package};

use super::Failure;

/// Names of an entry's results, in order.
pub(super) fn names(package: &Package, entry: &str) -> Vec<String> {
    let entry = package.manifest.entries.get(entry);
    entry.map_or_else(Vec::new, |entry| {
        entry.outputs.iter().map(|port| port.name.clone()).collect()
    })
}

/// Writes `result.N.npy` for every result and returns the paths.
pub(super) fn write(folder: &Path, results: &[HostTensor]) -> Result<Vec<PathBuf>, Failure> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        |source| Failure::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut paths = Vec::new();
    for (index, tensor) in results.iter().enumerate() {
        let path = folder.join(format!("result.{index}.npy"));
        // An interrupted run leaves the old file or none, never half of one.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed(folder))?;
        file.write_all(&tensor.to_npy_bytes())
            .map_err(failed(&path))?;
        file.as_file().sync_all().map_err(failed(&path))?;
        file.persist(&path)
            .map_err(|error| failed(&path)(error.error))?;
        paths.push(path);
    }
    Ok(paths)
}
