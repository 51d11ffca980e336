//! What a kind of fault is, and what one run of it can end in.

use std::path::{Path, PathBuf};

use fastrand::Rng;
use tempfile::TempDir;

use crate::base::Base;

/// One kind of fault.
pub(crate) struct Kind {
    pub name: &'static str,
    /// What is injected, into what.
    pub injected: &'static str,
    /// Whether it runs where every change is tested.
    pub cheap: bool,
    /// Runs at once; more than the processors where a run waits for a clock.
    pub at_once: usize,
    pub run: fn(&mut Run) -> Result<Happened, Broken>,
}

/// One run of a kind: a folder of its own, and its random draws.
pub(crate) struct Run<'b> {
    pub base: &'b Base,
    pub index: usize,
    pub rng: Rng,
    folder: TempDir,
}

/// What happened; nothing that must not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happened {
    /// In a few words, which the table counts.
    As(String),
    /// The fault came too late or not at all: this run says nothing.
    NotInjected,
    /// This machine lacks what it takes.
    Skipped(String),
}

/// What must never happen.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub flaw: Flaw,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Something that was stored is gone or another, or half of a file is there.
    Lost,
    /// Something counts as verified that was not.
    FalseVerdict,
    /// A panic, an abort, or a signal that is not ours.
    Panic,
    /// Everything else: no message, no end, no next run.
    Other,
}

pub(crate) fn happened(what: impl Into<String>) -> Result<Happened, Broken> {
    Ok(Happened::As(what.into()))
}

pub(crate) fn broken<T>(flaw: Flaw, detail: impl Into<String>) -> Result<T, Broken> {
    Err(Broken {
        flaw,
        detail: detail.into(),
    })
}

/// `flaw` unless `holds`.
pub(crate) fn demand(
    holds: bool,
    flaw: Flaw,
    detail: impl FnOnce() -> String,
) -> Result<(), Broken> {
    match holds {
        true => Ok(()),
        false => broken(flaw, detail()),
    }
}

impl<E: std::error::Error> From<E> for Broken {
    /// An error of the campaign's own steps.
    fn from(error: E) -> Self {
        Self {
            flaw: Flaw::Other,
            detail: format!("the campaign: {error}"),
        }
    }
}

impl<'b> Run<'b> {
    pub fn new(base: &'b Base, kind: &str, index: usize) -> std::io::Result<Self> {
        let seed = blake3::hash(format!("{kind} {index}").as_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&seed.as_bytes()[..8]);
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("tmp"))?;
        Ok(Self {
            base,
            index,
            rng: Rng::with_seed(u64::from_le_bytes(bytes)),
            folder,
        })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of a file or folder of the base, under the same name.
    pub fn copy(&self, name: &str) -> std::io::Result<PathBuf> {
        self.copy_as(name, name)
    }

    pub fn copy_as(&self, name: &str, other: &str) -> std::io::Result<PathBuf> {
        let to = self.path(other);
        copy_all(&self.base.path(name), &to)?;
        Ok(to)
    }
}

/// Copies a file, or a folder with what is in it.
pub(crate) fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        std::fs::copy(from, to)?;
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Every file under a folder, sorted.
pub(crate) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() && !path.is_symlink() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}
