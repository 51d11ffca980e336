//! Reads a package from a folder; nothing in it is trusted.
//!
//! Limits: manifest 16 MiB, program 64 MiB, kernel file 256 MiB, constants
//! 8 GiB. Only files the manifest lists are read, links are refused, and every
//! file must match its hash.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use super::{
    FORMAT, Manifest, Package, PackageError,
    names::is_inner_path,
    package::{CONSTANTS_FILE, KERNEL_FOLDER, MANIFEST_FILE, PROGRAM_FILE, hash},
};
use crate::tensor;

const MANIFEST_LIMIT: u64 = 16 << 20;
const PROGRAM_LIMIT: u64 = 64 << 20;
const KERNEL_LIMIT: u64 = 256 << 20;
const CONSTANTS_LIMIT: u64 = 8 << 30;

impl Package {
    /// Reads, checks hashes, and validates.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, PackageError> {
        let folder = folder.as_ref();
        let manifest = read_manifest(&folder.join(MANIFEST_FILE))?;
        let mut package = Self::new(manifest);
        for (path, expected) in package.manifest.hashes.clone() {
            let limit = file_limit(&path)?;
            let bytes = read_file(&folder.join(&path), limit)?;
            if hash(&bytes) != expected {
                return Err(PackageError::HashMismatch { path });
            }
            match path.as_str() {
                PROGRAM_FILE => package.program = Some(parse(&folder.join(&path), &bytes)?),
                CONSTANTS_FILE => {
                    package.constants = tensor::read_safetensors(&bytes)
                        .map_err(|source| PackageError::Constants { path, source })?;
                }
                _ => {
                    package.files.insert(path, bytes);
                }
            }
        }
        package.validate()?;
        Ok(package)
    }
}

impl Manifest {
    /// Parses a manifest; `path` is what messages call it. The format number is checked
    /// before anything else, the rest by [`Package::validate`].
    pub fn from_json(path: &Path, bytes: &[u8]) -> Result<Self, PackageError> {
        #[derive(serde::Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = parse(path, bytes)?;
        if head.format != FORMAT {
            return Err(PackageError::Format {
                found: head.format,
                supported: FORMAT,
            });
        }
        parse(path, bytes)
    }
}

pub(super) fn read_manifest(path: &Path) -> Result<Manifest, PackageError> {
    Manifest::from_json(path, &read_file(path, MANIFEST_LIMIT)?)
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, PackageError> {
    serde_json::from_slice(bytes).map_err(|source| PackageError::Json {
        path: path.to_path_buf(),
        source,
    })
}

fn file_limit(path: &str) -> Result<u64, PackageError> {
    match path {
        PROGRAM_FILE => Ok(PROGRAM_LIMIT),
        CONSTANTS_FILE => Ok(CONSTANTS_LIMIT),
        _ if is_inner_path(path) && path.starts_with(KERNEL_FOLDER) => Ok(KERNEL_LIMIT),
        _ => Err(PackageError::FileList {
            path: path.escape_default().to_string(),
            problem: "not a path a package may have; only files under kernels/ are allowed",
        }),
    }
}

/// Reads a regular file of at most `limit` bytes.
fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, PackageError> {
    let io = |action| {
        move |source| PackageError::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    };
    let metadata = fs::symlink_metadata(path).map_err(io("read"))?;
    if !metadata.is_file() {
        return Err(PackageError::NotAFile {
            path: path.to_path_buf(),
        });
    }
    let too_large = |bytes| PackageError::FileTooLarge {
        path: path.to_path_buf(),
        bytes,
        limit,
    };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io("open"))?;
    // The file may grow between the two calls, hence the second check.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(io("read"))?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}
