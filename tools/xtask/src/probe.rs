//! Small questions to the machine whose answers are versions.

use crate::shell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// First line of `program --version` that holds a digit, trimmed; `None` when it does not run.
pub fn version(program: &Path) -> Option<String> {
    let text = shell::capture(Command::new(program).arg("--version")).ok()?;
    version_line(&text)
}

/// The first line with a digit: LLVM tools print the version on their second line.
pub fn version_line(text: &str) -> Option<String> {
    text.lines()
        .find(|line| line.chars().any(|c| c.is_ascii_digit()))
        .map(|line| line.trim().to_string())
}

/// Whether a dotted version is at least `wanted` (`1.95` or `1.95.0`).
pub fn at_least(version: &str, wanted: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.split('.')
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let (mut have, mut want) = (numbers(version), numbers(wanted));
    let length = have.len().max(want.len());
    have.resize(length, 0);
    want.resize(length, 0);
    have >= want
}

/// Vulkan driver descriptions (`*.json`) on this machine, sorted.
///
/// The loader's own search order: the override variables first, then the
/// system's folders. A file here is a driver that is installed, not yet one
/// that finds a device.
pub fn vulkan_drivers() -> Vec<PathBuf> {
    for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        if let Some(files) = std::env::var_os(name) {
            return std::env::split_paths(&files)
                .filter(|file| file.is_file())
                .collect();
        }
    }
    let mut found: Vec<PathBuf> = ["/etc", "/usr/share", "/usr/local/share"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(Path::new(folder).join("vulkan/icd.d")).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|ending| ending == "json"))
        .collect();
    found.sort();
    found
}

/// The Vulkan loader as the dynamic linker finds it.
pub fn vulkan_loader() -> Option<String> {
    let ldconfig = shell::which("ldconfig").unwrap_or_else(|| PathBuf::from("/sbin/ldconfig"));
    let text = shell::capture(Command::new(ldconfig).arg("-p")).ok()?;
    text.lines()
        .find(|line| line.trim_start().starts_with("libvulkan.so.1 "))
        .and_then(|line| line.split("=> ").nth(1))
        .map(str::to_string)
}

/// The lit of this LLVM, or one on PATH (Homebrew packs it apart).
pub fn lit(prefix: Option<&Path>) -> Option<PathBuf> {
    prefix
        .map(|prefix| prefix.join("bin/lit"))
        .filter(|file| shell::is_executable(file))
        .or_else(|| shell::which("lit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_line_skips_titles() {
        assert_eq!(
            version_line("LLVM (http://llvm.org/):\n  LLVM version 22.1.8\n").as_deref(),
            Some("LLVM version 22.1.8")
        );
        assert_eq!(version_line("no number\n"), None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(at_least("1.95.0", "1.95"));
        assert!(at_least("1.100.0", "1.95"));
        assert!(at_least("2.0.0-nightly", "1.95"));
        assert!(!at_least("1.94.1", "1.95"));
        assert!(!at_least("1.9.0", "1.95"));
    }
}
