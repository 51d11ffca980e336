//! The server that the language model's planner is tested against: a Python wheel.
//!
//! Installed once into `target/llm-server`, from the pinned versions and digests of
//! its requirements; installed again when those change. Needs pip and nothing of the
//! machine's own Python packages.

use crate::error::{Error, Result};
use crate::shell;
use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = "tools/tests/llm_server/requirements.txt";

/// The folder with the server's packages under `target`, installed when they are not
/// there yet.
///
/// # Errors
/// pip that cannot reach the index, knows no wheel for this system or finds another digest.
pub fn install(target: &Path) -> Result<PathBuf> {
    let requirements = workspace::root().join(REQUIREMENTS);
    let wanted = workspace::read(&requirements)?;
    let packages = target.join("llm-server");
    // Written last, so an interrupted installation is done again.
    let installed = packages.join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|it| it == wanted) {
        return Ok(packages);
    }
    let fault = |path: &Path| {
        let path = path.to_path_buf();
        |source| Error::File { path, source }
    };
    if packages.exists() {
        std::fs::remove_dir_all(&packages).map_err(fault(&packages))?;
    }
    shell::run(
        Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--disable-pip-version-check", "--root-user-action=ignore"])
            .args(["--only-binary=:all:", "--require-hashes", "--target"])
            .arg(&packages)
            .arg("--requirement")
            .arg(&requirements),
    )?;
    std::fs::write(&installed, wanted).map_err(fault(&installed))?;
    Ok(packages)
}
