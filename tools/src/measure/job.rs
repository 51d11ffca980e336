//! What the child process is asked, as one line of JSON.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// How candidates are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Milliseconds of one run beyond which a candidate is refused as too slow.
    #[serde(default)]
    pub most_ms: Option<f64>,
    /// Time after which the timed runs end early, once there are four.
    #[serde(default)]
    pub enough: Option<Duration>,
}

/// One candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Its folder.
    pub folder: PathBuf,
    /// Whether all kinds of values are tried.
    pub full: bool,
}

/// Candidates that are verified one after the other and timed in turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// They.
    pub candidates: Vec<Candidate>,
    /// How.
    pub ask: Ask,
}
