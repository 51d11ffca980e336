//! What the child process is asked and answers, one line of JSON each.

use std::path::PathBuf;

use kforge_mutate::{Instance, Judged};
use kforge_verify::{Case, Failure};
use serde::{Deserialize, Serialize};

/// One mutant of a candidate, or the candidate itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    /// The candidate's folder.
    pub folder: PathBuf,
    /// What is asked.
    pub ask: Ask,
    /// Cases that refused something of the same function before.
    pub cases: Vec<Case>,
    /// Seed of the inputs.
    pub seed: u64,
    /// Deadline of one submission.
    pub timeout_ms: u64,
    /// Whether the candidate may be machine code.
    pub native: bool,
}

/// What is asked about a candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ask {
    /// Which mutants it has.
    List,
    /// What the gate says of it as it is.
    Unchanged,
    /// What the gate says of it as of what ships: with every case, and as exact algebra.
    Shipped,
    /// What the gate says of another candidate, which a mistake of this kind was put into.
    Changed {
        /// Its folder.
        folder: PathBuf,
        /// The kind.
        kind: String,
        /// Whether it must be accepted.
        control: bool,
    },
    /// What the gate says of one of its mutants.
    Mutant(Instance),
    /// Every fault of the gate on the known wrong and right packages made of it.
    #[cfg(feature = "faults")]
    Faults,
}

/// The child's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// Every mutant of the candidate.
    Instances(Vec<Instance>),
    /// What became of one.
    Judged {
        /// It.
        judged: Box<Judged>,
        /// What a corpus keeps.
        failure: Option<Box<Failure>>,
    },
    /// What became of each fault, by its name.
    Faults(Vec<(String, Judged)>),
    /// Nothing could be asked.
    Failed(String),
}
