//! Objects to shared libraries, which packages carry.

use std::{fs, io, process::Command};

use super::CpuError;

/// Links an object with the system's C compiler. The files live in a temporary
/// folder until this returns.
///
/// # Errors
/// If there is no `cc`, or it fails.
pub fn shared_library(object: &[u8]) -> Result<Vec<u8>, CpuError> {
    let failed = |error: io::Error| CpuError::Linker {
        reason: error.to_string(),
    };
    let folder = tempfile::Builder::new()
        .prefix("kforge-")
        .tempdir()
        .map_err(failed)?;
    let input = folder.path().join("kernels.o");
    let output = folder.path().join("kernels.so");
    fs::write(&input, object).map_err(failed)?;
    let result = Command::new("cc")
        .arg("-shared")
        .arg("-o")
        .args([&output, &input])
        .arg("-lm")
        .output()
        .map_err(|error| CpuError::Linker {
            reason: format!("cc does not start: {error}"),
        })?;
    if !result.status.success() {
        let reason = String::from_utf8_lossy(&result.stderr).trim().to_owned();
        return Err(CpuError::Linker { reason });
    }
    fs::read(&output).map_err(failed)
}
