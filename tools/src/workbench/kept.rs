//! The archive that a subcommand learns from and adds to, and the regression corpus.

use std::path::PathBuf;

use clap::Args;
use kforge_mutate::corpus;
use kforge_planner::archive::default_path;

use super::Failure;

/// Which archive, if any.
#[derive(Debug, Args)]
pub(super) struct Kept {
    /// Where attempts are kept and earlier ones are learnt from; the user's data folder
    /// if not given
    #[arg(long, value_name = "FILE", conflicts_with = "no_archive")]
    archive: Option<PathBuf>,
    /// Keep nothing, learn from nothing
    #[arg(long)]
    no_archive: bool,
}

impl Kept {
    /// Its file.
    pub(super) fn path(&self) -> Result<Option<PathBuf>, Failure> {
        match (&self.archive, self.no_archive) {
            (_, true) => Ok(None),
            (Some(path), _) => Ok(Some(path.clone())),
            (None, _) => default_path()
                .map(Some)
                .map_err(|error| Failure::Other(error.to_string())),
        }
    }
}

/// Which regression corpus, if any.
#[derive(Debug, Args)]
pub(super) struct RegressionCorpus {
    /// The regression corpus: its cases are run first, the case of every refusal is added
    #[arg(long, value_name = "FILE", default_value = corpus::DEFAULT)]
    corpus: PathBuf,
    /// Use no regression corpus
    #[arg(long, conflicts_with = "corpus")]
    no_corpus: bool,
}

impl RegressionCorpus {
    /// Its file.
    pub(super) fn path(&self) -> Option<PathBuf> {
        (!self.no_corpus).then(|| self.corpus.clone())
    }

    /// The folder beside it for what was refused, shrunk.
    pub(super) fn reduced(&self) -> Option<PathBuf> {
        let folder = |path: PathBuf| path.parent().map(|it| it.join("reduced"));
        self.path().and_then(folder)
    }
}
