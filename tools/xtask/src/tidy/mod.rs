//! `cargo xtask tidy`: the house rules that a machine can check.
//!
//! Looks at what git tracks plus new files git does not ignore, so a rule is
//! already broken before the commit. Rules about text are in `text`, rules
//! about Rust code in `code`, rules about who may know whom in `crates`.

mod code;
mod crates;
mod rust;
mod text;

use crate::error::{Error, Result};
use crate::shell;
use crate::workspace;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Path inside the repository.
    path: String,
    /// Line, counted from 1; 0 for the file as a whole.
    line: usize,
    /// Short name of the rule.
    rule: &'static str,
    /// What is wrong and what to do.
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            path,
            line,
            rule,
            message,
        } = self;
        match line {
            0 => write!(f, "{path}: {message} [{rule}]"),
            line => write!(f, "{path}:{line}: {message} [{rule}]"),
        }
    }
}

/// Checks every rule; the findings are sorted by place.
pub fn tidy(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in files(root)? {
        // Not text, or removed but not yet committed: no rule applies.
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else {
            continue;
        };
        findings.extend(text::check(&path, &text));
        if path.ends_with(".rs") {
            findings.extend(code::check(&path, &text));
        }
    }
    let metadata = workspace::metadata(true)?;
    findings.extend(crates::check_edges(&metadata));
    for manifest in crates::manifests(&metadata) {
        let path = manifest.strip_prefix(root).unwrap_or(&manifest);
        let text = workspace::read(&manifest)?;
        findings.extend(crates::check_manifest(&path.to_string_lossy(), &text));
    }
    findings.sort_by(|a, b| (&a.path, a.line, a.rule).cmp(&(&b.path, b.line, b.rule)));
    Ok(findings)
}

fn files(root: &Path) -> Result<Vec<String>> {
    let mut command = Command::new("git");
    command.current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let list = shell::capture(&mut command)?;
    let files: Vec<String> = list
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_string)
        .collect();
    // An empty list would let every rule pass.
    if files.is_empty() {
        return Err(Error::Answer {
            command: shell::line(&command),
            reason: "no file is tracked here".to_string(),
        });
    }
    Ok(files)
}
