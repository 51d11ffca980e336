//! Module text, scanned before MLIR parses it. Bytecode, whose parser is not
//! hardened, is refused.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use kforge_dialect::scan;

/// The text of a module with the name that diagnostics use.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
}

/// Why a file is no source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file system refuses.
    #[error("cannot read '{path}': {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Bytecode.
    #[error("'{0}' is bytecode, which is not read from files; convert it with kforge-opt")]
    Bytecode(String),
    /// The scan refuses it, with a location.
    #[error("{0}")]
    Scan(String),
    /// Not UTF-8, or with zero bytes.
    #[error("'{0}' is not text")]
    Text(String),
}

impl Source {
    /// Text made by this program.
    pub fn of_text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        let limits = scan::Limits::default();
        let failed = |source| SourceError::Read {
            path: path.to_path_buf(),
            source,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        // One byte more than allowed is enough for the scan to refuse it.
        file.take((limits.mib << 20) + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let name = path.display().to_string();
        if bytes.starts_with(b"ML\xefR") {
            return Err(SourceError::Bytecode(name));
        }
        scan::check(&bytes, &limits)
            .map_err(|refused| SourceError::Scan(refused.located(&name)))?;
        match String::from_utf8(bytes)
            .ok()
            .filter(|text| !text.contains('\0'))
        {
            Some(text) => Ok(Self { name, text }),
            None => Err(SourceError::Text(name)),
        }
    }

    /// What diagnostics call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }
}
