//! What the child process of `kforge verify` is asked and answers: a line of JSON each.

use std::path::PathBuf;

use kforge_oracle::Program;
use kforge_runtime::execute::DispatchTime;
use kforge_verify::{Verdict, foreign::ForeignKernel};
use serde::{Deserialize, Serialize};

use crate::measure::{Refusal, Time};

/// What is verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Base {
    /// One op, which one kernel computes.
    Program(Program),
    /// A compiled module with its kernels at other shapes: the folder of a candidate.
    Compiled(PathBuf),
    /// The folder of a package.
    Package(PathBuf),
}

/// A verification.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    pub base: Base,
    /// What takes the place of compiled kernels.
    pub kernels: Vec<ForeignKernel>,
    /// Whether every kind of values is tried.
    pub full: bool,
    pub seed: u64,
    /// Timed runs; 0 for none.
    pub repeats: usize,
    /// Deadline of one submission.
    pub timeout_ms: u64,
    /// Whether the package may be machine code.
    pub native: bool,
    /// The regression corpus, whose cases run first and to which that of a refusal is added.
    pub corpus: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// The gate ran.
    Judged {
        verdict: Box<Verdict>,
        /// Only beside a passed verdict, and where it was asked for.
        time: Option<Time>,
        /// The same by dispatch.
        dispatches: Vec<DispatchTime>,
        /// Why there is no time although one was asked for.
        no_time: Option<Refusal>,
    },
    /// A kernel was refused before the gate.
    Refused(Refusal),
    /// What was asked is wrong; nothing is said of any kernel.
    Input(String),
    /// No device.
    Device(String),
}
