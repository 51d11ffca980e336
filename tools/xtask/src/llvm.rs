//! Finding LLVM/MLIR 22 and telling cargo about it through `.cargo/llvm.toml`.

use crate::error::{Error, Result};
use crate::shell;
use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The LLVM release everything is built against; the bindings' versions follow it.
pub const MAJOR: u32 = 22;

/// Environment variable naming an LLVM that was not installed by a package manager.
pub const PREFIX_VARIABLE: &str = "KFORGE_LLVM_PREFIX";

/// Names that `.cargo/llvm.toml` sets.
pub const VARIABLES: [&str; 5] = [
    "MLIR_SYS_LINK_SHARED",
    "MLIR_SYS_220_PREFIX",
    "TABLEGEN_220_PREFIX",
    "LLVM_SYS_221_PREFIX",
    "LIBCLANG_PATH",
];

/// An installed LLVM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Llvm {
    /// Folder that holds `bin`, `lib` and `include`.
    pub prefix: PathBuf,
    /// What `llvm-config --version` says.
    pub version: String,
}

/// Looks for LLVM: `KFORGE_LLVM_PREFIX`, then `llvm-config-22`, then Homebrew's `llvm@22`.
///
/// A `llvm-config` without a version in its name is never asked: it is often
/// another release. `None` when nothing of release 22 is found.
pub fn find() -> Option<Llvm> {
    candidates().into_iter().find_map(|config| {
        let prefix = shell::capture(Command::new(&config).arg("--prefix")).ok()?;
        let version = shell::capture(Command::new(&config).arg("--version")).ok()?;
        (major(&version) == Some(MAJOR)).then(|| Llvm {
            prefix: PathBuf::from(prefix),
            version,
        })
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(prefix) = std::env::var_os(PREFIX_VARIABLE) {
        return vec![Path::new(&prefix).join("bin/llvm-config")];
    }
    found.extend(shell::which(&format!("llvm-config-{MAJOR}")));
    if cfg!(target_os = "macos") {
        let brew = shell::capture(Command::new("brew").args(["--prefix", "llvm@22"]));
        found.extend(
            brew.ok()
                .map(|prefix| Path::new(&prefix).join("bin/llvm-config")),
        );
    }
    found
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// The text of `.cargo/llvm.toml` for an LLVM in `prefix`.
///
/// `rustdocflags` repeat the rpath because documentation tests are linked by
/// rustdoc, which does not see `rustflags`.
pub fn cargo_configuration(prefix: &Path) -> String {
    let prefix = prefix.display();
    format!(
        r#"# Written by `cargo xtask setup`; not tracked.
[env]
MLIR_SYS_LINK_SHARED = "1"
MLIR_SYS_220_PREFIX = "{prefix}"
TABLEGEN_220_PREFIX = "{prefix}"
LLVM_SYS_221_PREFIX = "{prefix}"
LIBCLANG_PATH = "{prefix}/lib"

[build]
rustflags = ["-C", "link-arg=-Wl,-rpath,{prefix}/lib"]
rustdocflags = ["-C", "link-arg=-Wl,-rpath,{prefix}/lib"]
"#
    )
}

/// Where the configuration lives.
pub fn configuration_path() -> PathBuf {
    workspace::root().join(".cargo/llvm.toml")
}

/// Writes the configuration unless it already says the same; `true` when it was written.
///
/// Rewriting with other flags rebuilds every crate, so an equal file is left alone.
pub fn write_configuration(path: &Path, prefix: &Path) -> Result<bool> {
    let wanted = cargo_configuration(prefix);
    if std::fs::read_to_string(path).is_ok_and(|present| present == wanted) {
        return Ok(false);
    }
    std::fs::write(path, wanted).map_err(|source| Error::File {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_is_the_first_number() {
        assert_eq!(major("22.1.8"), Some(22));
        assert_eq!(major("22.1.8git"), Some(22));
        assert_eq!(major("not found"), None);
    }

    #[test]
    fn configuration_names_every_variable() {
        let text = cargo_configuration(Path::new("/opt/llvm"));
        for name in VARIABLES {
            assert_eq!(text.matches(&format!("\n{name} = ")).count(), 1, "{name}");
        }
        assert!(text.contains(r#"LIBCLANG_PATH = "/opt/llvm/lib""#));
    }

    #[test]
    fn configuration_is_rewritten_only_when_it_changes() {
        let folder = std::env::temp_dir().join(format!("xtask-llvm-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("llvm.toml");
        assert!(write_configuration(&file, Path::new("/opt/llvm")).unwrap());
        assert!(!write_configuration(&file, Path::new("/opt/llvm")).unwrap());
        assert!(write_configuration(&file, Path::new("/opt/other")).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
