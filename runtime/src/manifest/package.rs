//! A package in memory, its hashes, and what may be wrong with it.

use std::{collections::BTreeMap, io, path::PathBuf};

use thiserror::Error;

use super::{ExprError, ExtentError, Manifest};
use crate::tensor::{HostTensor, TensorError};

/// File name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// File name of the reference program.
pub const PROGRAM_FILE: &str = "program.json";
/// File name of the constants.
pub const CONSTANTS_FILE: &str = "constants.safetensors";
/// Folder of the kernel files.
pub const KERNEL_FOLDER: &str = "kernels/";

/// A package: the manifest and the bytes it speaks of.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// What the package says.
    pub manifest: Manifest,
    /// Kernel files by relative path (`kernels/...`).
    pub files: BTreeMap<String, Vec<u8>>,
    /// Values of `constant` buffers, by buffer name.
    pub constants: BTreeMap<String, HostTensor>,
    /// The reference program for the verifier; opaque to this crate.
    pub program: Option<serde_json::Value>,
}

/// Why a package cannot be read, written or used.
#[derive(Debug, Error)]
pub enum PackageError {
    /// The file system refused.
    #[error("cannot {action} '{path}': {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is larger than this crate reads.
    #[error("'{path}' has {bytes} bytes, the limit is {limit}")]
    FileTooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Something that is not a regular file.
    #[error("'{path}' is not a regular file; packages hold no links or devices")]
    NotAFile {
        /// Which path.
        path: PathBuf,
    },
    /// JSON that is not a manifest or program.
    #[error("'{path}' is not valid: {source}")]
    Json {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Another format number.
    #[error("package format is {found}, this version reads {supported}; use a matching kforge")]
    Format {
        /// Number found.
        found: u32,
        /// Number supported.
        supported: u32,
    },
    /// A file whose content is not what the manifest says.
    #[error("'{path}' does not match its hash in the manifest; the package was changed or damaged")]
    HashMismatch {
        /// Which file.
        path: String,
    },
    /// A file without a hash, or a hash without a file.
    #[error("'{path}' is {problem}")]
    FileList {
        /// Which file.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A rule of the format is broken.
    #[error("{place}: {problem}")]
    Invalid {
        /// Which part of the manifest.
        place: String,
        /// Which rule, with value and limit.
        problem: String,
    },
    /// An expression has no value.
    #[error("{place}: {source}")]
    Expression {
        /// Which part of the manifest.
        place: String,
        /// Why.
        source: ExprError,
    },
    /// A buffer has no layout.
    #[error("{place}: {source}")]
    Extent {
        /// Which buffer or port.
        place: String,
        /// Why.
        source: ExtentError,
    },
    /// The constants file is damaged.
    #[error("'{path}': {source}")]
    Constants {
        /// Which file or tensor.
        path: String,
        /// Why.
        source: TensorError,
    },
    /// The target folder exists and is something else.
    #[error("'{path}' exists and is not a kforge package; choose another folder or remove it")]
    NotAPackage {
        /// The folder.
        path: PathBuf,
    },
    /// A package whose functions exist only in this process.
    #[error("kernel '{kernel}' has no code file, so the package cannot be saved; emit an object")]
    NotStorable {
        /// The kernel.
        kernel: String,
    },
}

impl Package {
    /// A package of nothing but a manifest.
    pub fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            files: BTreeMap::new(),
            constants: BTreeMap::new(),
            program: None,
        }
    }

    /// Text of a kernel's WGSL file; `None` if it has none or it is not UTF-8.
    pub fn wgsl(&self, kernel: &str) -> Option<&str> {
        let super::Code::Wgsl { file } = &self.manifest.kernels.get(kernel)?.code else {
            return None;
        };
        std::str::from_utf8(self.files.get(file)?).ok()
    }

    /// Writes the hash of every file into the manifest.
    ///
    /// Call it when the package is complete; [`Package::save`] does.
    pub fn seal(&mut self) -> Result<(), PackageError> {
        let files = self.other_files()?;
        self.manifest.hashes = files
            .iter()
            .map(|(path, bytes)| (path.clone(), hash(bytes)))
            .collect();
        Ok(())
    }

    /// blake3 (hex) of everything but the verdict: what a verdict speaks of.
    ///
    /// It covers the manifest and, through its hashes, the files; so seal first.
    pub fn content_hash(&self) -> Result<String, PackageError> {
        let manifest = Manifest {
            verdict: None,
            ..self.manifest.clone()
        };
        Ok(hash(&to_json(&manifest, MANIFEST_FILE)?))
    }

    /// Every file but the manifest, as it is on disk.
    pub(super) fn other_files(&self) -> Result<BTreeMap<String, Vec<u8>>, PackageError> {
        let mut files = self.files.clone();
        if let Some(program) = &self.program {
            files.insert(PROGRAM_FILE.into(), to_json(program, PROGRAM_FILE)?);
        }
        if !self.constants.is_empty() {
            let bytes = crate::tensor::write_safetensors(&self.constants).map_err(|source| {
                PackageError::Constants {
                    path: CONSTANTS_FILE.into(),
                    source,
                }
            })?;
            files.insert(CONSTANTS_FILE.into(), bytes);
        }
        Ok(files)
    }
}

/// Pretty JSON with a final newline.
pub(super) fn to_json(value: &impl serde::Serialize, path: &str) -> Result<Vec<u8>, PackageError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| PackageError::Json {
        path: path.into(),
        source,
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// blake3 as hex.
pub(super) fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
