//! The repository and what cargo knows about it.

use crate::error::{Error, Result};
use crate::shell;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root, two folders above this crate.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A cargo command in the repository, free of what `cargo xtask` put into the environment.
///
/// `cargo run` exports the `[env]` table of the configuration as it was before
/// set-up; exported variables win over the table, so stale ones are removed
/// and the fresh table counts.
pub fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    for name in crate::llvm::VARIABLES {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// `cargo metadata` as JSON; with the resolved dependency graph when `graph` is set.
pub fn metadata(graph: bool) -> Result<Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version=1", "--quiet"]);
    if !graph {
        command.arg("--no-deps");
    }
    let text = shell::capture(&mut command)?;
    serde_json::from_str(&text).map_err(|error| Error::Answer {
        command: shell::line(&command),
        reason: error.to_string(),
    })
}

/// Where cargo puts what it builds.
pub fn target_dir(metadata: &Value) -> PathBuf {
    metadata["target_directory"]
        .as_str()
        .map_or_else(|| root().join("target"), PathBuf::from)
}

/// Whether the workspace declares this binary.
pub fn has_binary(metadata: &Value, package: &str, binary: &str) -> bool {
    array(&metadata["packages"])
        .filter(|found| found["name"] == package)
        .flat_map(|found| array(&found["targets"]))
        .any(|target| target["name"] == binary && array(&target["kind"]).any(|kind| kind == "bin"))
}

/// The elements of a JSON array; none for anything else.
pub fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Reads a whole text file, naming it when that fails.
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn root_holds_the_workspace() {
        assert!(root().join("Cargo.toml").is_file());
        assert!(root().join("tools/xtask").is_dir());
    }

    #[test]
    fn binary_is_found_by_package_and_kind() {
        let metadata = json!({"packages": [{
            "name": "kforge-tools",
            "targets": [
                {"name": "kforge-run", "kind": ["bin"]},
                {"name": "kforge_tools", "kind": ["lib"]},
            ],
        }]});
        assert!(has_binary(&metadata, "kforge-tools", "kforge-run"));
        assert!(!has_binary(&metadata, "kforge-tools", "kforge_tools"));
        assert!(!has_binary(&metadata, "kforge-runtime", "kforge-run"));
    }
}
