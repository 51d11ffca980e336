//! `cargo xtask docs`: reference pages generated from what they describe.
//!
//! One page so far: the dialect, by mlir-tblgen from KForgeOps.td. The page is
//! tracked, so that it can be read without LLVM; `cargo xtask test` fails when
//! it no longer says what the definition says.

use crate::error::{Error, Result};
use crate::llvm::Llvm;
use crate::setup;
use crate::shell;
use crate::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

fn page_path() -> PathBuf {
    workspace::root().join("docs/reference/dialect.md")
}

/// Writes every page.
pub fn write() -> Result<()> {
    let path = page_path();
    let page = dialect_page(&setup::setup()?)?;
    let file = |source| Error::File {
        path: path.clone(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(file)?;
    }
    std::fs::write(&path, page).map_err(file)?;
    println!("wrote {}", path.display());
    Ok(())
}

/// What is wrong with the tracked pages, if anything is.
pub fn stale(llvm: &Llvm) -> Result<Option<String>> {
    let path = page_path();
    let page = dialect_page(llvm)?;
    let tracked = std::fs::read_to_string(&path).unwrap_or_default();
    Ok((tracked != page).then(|| {
        format!(
            "{} is stale: run `cargo xtask docs`",
            path.strip_prefix(workspace::root())
                .unwrap_or(&path)
                .display()
        )
    }))
}

fn dialect_page(llvm: &Llvm) -> Result<String> {
    let root = workspace::root();
    let generated = shell::capture(
        Command::new(llvm.prefix.join("bin/mlir-tblgen"))
            .args(["-gen-dialect-doc", "-dialect=kforge"])
            .arg("-I")
            .arg(llvm.prefix.join("include"))
            .arg(Path::new(&root).join("dialect/KForgeOps.td")),
    )?;
    Ok(tidied(&generated))
}

/// The generator's text without what other tools would trip over: the marker of a
/// table of contents that only one site generator knows, names of C++ classes
/// that do not exist here, trailing blanks and runs of empty lines.
fn tidied(generated: &str) -> String {
    let mut page = String::new();
    let mut empty = true;
    for line in generated.lines() {
        let line = line.trim_end();
        let line = match line.split_once(" (::kforge::") {
            Some((heading, _)) if line.starts_with("###") => heading,
            _ => line,
        };
        if line == "[TOC]" || (line.is_empty() && empty) {
            continue;
        }
        empty = line.is_empty();
        page += line;
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}

#[cfg(test)]
mod tests {
    use super::tidied;

    #[test]
    fn generated_text_is_tidied() {
        let generated = "\n# 'kforge' Dialect  \n\n[TOC]\n\n\n### `kforge.rope` (::kforge::RopeOp)\ntext (::kforge::x)\n\n\n";
        assert_eq!(
            tidied(generated),
            "# 'kforge' Dialect\n\n### `kforge.rope`\ntext (::kforge::x)\n"
        );
    }
}
