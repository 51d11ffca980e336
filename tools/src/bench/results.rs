//! What `run.py` writes, read with care: a file may come from anywhere.

use std::collections::BTreeSet;

use kforge_runtime::{Roofline, execute::Spread};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LeftOut, Peer, SCHEMA, SuiteName, Work};
use crate::measure::Clock;

/// Times of a suite and of its peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// Version of this format: 1.
    pub schema: u32,
    /// The version of the program that compiled the packages.
    pub version: String,
    /// Which works.
    pub suite: SuiteName,
    /// When it began, in UTC.
    pub date: String,
    /// The device that ran the packages, as `kforge-run` names it; absent if none ran.
    pub device: Option<String>,
    /// The driver, as `nvidia-smi` states it.
    pub driver: Option<String>,
    /// PyTorch's version, if there are peers.
    pub torch: Option<String>,
    /// Why there are no peers, if there are none.
    pub no_peers: Option<String>,
    /// What the device's memory and f32 arithmetic reach, where that is known.
    pub roofline: Option<PeakRates>,
    /// Timed runs of each side, at least.
    pub samples: u32,
    /// Works of the suite that have no package.
    pub left_out: Vec<LeftOut>,
    /// The works that were tried, in order.
    pub works: Vec<Measured>,
}

/// What a device reaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeakRates {
    /// Of a large copy, reads and writes counted.
    pub bytes_per_second: f64,
    /// Of f32 multiply-adds, two per multiply-add.
    pub flops_per_second: f64,
}

impl From<PeakRates> for Roofline {
    fn from(rates: PeakRates) -> Self {
        Self {
            bytes_per_second: rates.bytes_per_second,
            flops_per_second: rates.flops_per_second,
        }
    }
}

/// A work that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The work, as the suite lists it.
    pub work: Work,
    /// Ours.
    pub ours: Ours,
    /// The peers that were asked.
    pub peers: Vec<PeerResult>,
    /// The GPU's clocks while ours was verified and timed, if they could be read.
    pub clocks: Option<Clocks>,
    /// Seconds that all of it took.
    pub seconds: f64,
}

/// A time exists only beside a passed verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ours {
    /// Verified before, during and after.
    Timed(OurTime),
    /// There is no time.
    Refused(Refusal),
}

/// The time of a verified package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OurTime {
    /// Milliseconds of one run: the sum of its kernels', gaps between them not counted, by
    /// the device's clock; of the whole run by the host's.
    pub ms: Spread,
    /// Whose clock.
    pub clock: Clock,
    /// Milliseconds of a run from submission to completion by the host's clock.
    pub wall_ms: Option<Spread>,
    /// Levels that hold.
    pub levels: Vec<String>,
    /// Comparisons that agreed.
    pub comparisons: usize,
    /// Whether it ran without shader checks.
    pub without_checks: bool,
}

/// Why there is no time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// In a word: `refused` by verification, `timeout`, `device`, `input`, `crash`, `no-time`.
    pub reason: String,
    /// In a sentence.
    pub detail: String,
}

/// What a peer takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerResult {
    /// Whom.
    pub peer: Peer,
    /// Its time.
    pub time: PeerTime,
}

/// A peer's time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PeerTime {
    /// Measured.
    Timed {
        /// Milliseconds of one call.
        ms: Spread,
        /// How, in words: `events`, or `graph of 20`.
        how: String,
    },
    /// Why there is none.
    Missing(String),
}

/// The GPU's clocks, in MHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// Least of the multiprocessors' that was seen.
    pub sm_min_mhz: u32,
    /// Greatest of the multiprocessors' that was seen.
    pub sm_max_mhz: u32,
    /// Greatest of the memory's that was seen.
    pub memory_max_mhz: u32,
}

/// Why a file says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultsError {
    /// It is not of this format.
    #[error("it is no file of `run.py`: {0}")]
    Json(String),
    /// Another version of the format.
    #[error("it has schema {got}, this program reads {SCHEMA}; measure anew")]
    Schema {
        /// What it says.
        got: String,
    },
    /// What no measurement can have given.
    #[error("{place}: {what}")]
    Impossible {
        /// Where in the file.
        place: String,
        /// What is wrong there.
        what: String,
    },
}

impl Results {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Another format, with line and column; another version; or a value that cannot be, with
    /// its place: a time that is not positive or not in order, a goal that is not positive, a
    /// name that is there twice or is none, a peer that the work does not list.
    pub fn read(text: &str) -> Result<Self, ResultsError> {
        let json = |error: serde_json::Error| ResultsError::Json(error.to_string());
        let value: serde_json::Value = serde_json::from_str(text).map_err(json)?;
        let schema = value.get("schema");
        if let Some(got) = schema.filter(|it| it.as_u64() != Some(u64::from(SCHEMA))) {
            let got = got.to_string().chars().take(40).collect();
            return Err(ResultsError::Schema { got });
        }
        // From the text again, for the line and column in the message.
        let results: Self = serde_json::from_str(text).map_err(json)?;
        match results.impossible() {
            None => Ok(results),
            Some((place, what)) => Err(ResultsError::Impossible { place, what }),
        }
    }

    /// What of it cannot be, and where.
    fn impossible(&self) -> Option<(String, String)> {
        if let Some(rates) = self.roofline {
            let rates = [rates.bytes_per_second, rates.flops_per_second];
            if !rates.into_iter().all(is_positive) {
                return Some(("roofline".into(), "a rate is not positive".into()));
            }
        }
        let mut names = BTreeSet::new();
        for (index, measured) in self.works.iter().enumerate() {
            let name = &measured.work.name;
            let place = format!("works[{index}] '{}'", name.escape_debug());
            if !is_name(name) {
                return Some((place, "the name is none: letters, digits, _, -, .".into()));
            }
            if !names.insert(name) {
                return Some((place, "the name is there twice".into()));
            }
            if let Some((part, what)) = measured.impossible() {
                return Some((format!("{place}: {part}"), what));
            }
        }
        None
    }
}

impl Measured {
    /// The time of ours, if there is one.
    pub const fn time(&self) -> Option<&OurTime> {
        match &self.ours {
            Ours::Timed(time) => Some(time),
            Ours::Refused(_) => None,
        }
    }

    /// The time of a peer, if there is one, in milliseconds.
    pub fn peer_ms(&self, peer: Peer) -> Option<Spread> {
        let found = self.peers.iter().find(|it| it.peer == peer)?;
        match &found.time {
            PeerTime::Timed { ms, .. } => Some(*ms),
            PeerTime::Missing(_) => None,
        }
    }

    fn impossible(&self) -> Option<(String, String)> {
        let no_spread = "no spread: it needs 0 < min <= median <= max and a sample";
        let goals = self.work.peers.iter().filter_map(|it| it.goal);
        if !goals.into_iter().all(is_positive) {
            return Some(("goal".into(), "it is not positive".into()));
        }
        if let Some(time) = self.time() {
            for (field, spread) in [("ms", Some(time.ms)), ("wall_ms", time.wall_ms)] {
                if spread.is_some_and(|it| !it.is_possible()) {
                    return Some((format!("ours.timed.{field}"), no_spread.into()));
                }
            }
        }
        let mut seen = BTreeSet::new();
        for PeerResult { peer, time } in &self.peers {
            let place = format!("peer '{peer}'");
            let listed = self.work.peers.iter().any(|it| it.peer == *peer);
            if !listed || !seen.insert(peer) {
                return Some((
                    place,
                    "the work lists no such peer, or it is there twice".into(),
                ));
            }
            if let PeerTime::Timed { ms, .. } = time
                && !ms.is_possible()
            {
                return Some((place, no_spread.into()));
            }
        }
        None
    }
}

fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// Names end up in tables and drawings.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.len() <= 100 && text.chars().all(plain)
}
