//! One row: what is written for an attempt, and when a row that is read may be believed.
//!
//! A row is three JSON texts (key, attempt, evidence) and the hash of all three. The
//! hash finds accidents, not forgers: whoever writes a file can hash what he wrote. So
//! a row is also held against what the program itself demands of an attempt, and what
//! comes out is a proposal that the caller verifies again on its device.

use serde::{Deserialize, Serialize};

use super::{
    judge::{Damage, judge},
    key::{self, Key},
    shaders,
};
use crate::{
    attempt::{Attempt, Outcome},
    plan::{Plan, Provenance},
};

/// Bytes of each JSON text of a row; a plan for a hundred ops takes 30 KiB.
pub(super) const MAX_TEXT: usize = 4 << 20;

/// An attempt as it is handed in.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What the evidence holds for.
    pub key: Key,
    /// The plan and what became of it.
    pub attempt: Attempt,
    /// When, in seconds since 1970.
    pub created: u64,
    /// Seed of the inputs it was checked with.
    pub seed: u64,
    /// Range of the times by their median; only beside a time.
    pub spread: Option<f64>,
    /// Whether it was verified with every case at every shape.
    pub every_case: bool,
    /// The kernels it was compiled to.
    pub shaders: Vec<Shader>,
}

/// One kernel's shader text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shader {
    /// The kernel's entry point.
    pub kernel: String,
    /// Its WGSL.
    pub wgsl: String,
}

/// An intact row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Hash of all that follows: the row's name.
    pub hash: String,
    /// What the evidence holds for.
    pub key: Key,
    /// The plan and what became of it.
    pub attempt: Attempt,
    /// When and how it was tried.
    pub evidence: Evidence,
}

/// When and how an attempt was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// When, in seconds since 1970.
    pub created: u64,
    /// Seed of the inputs.
    pub seed: u64,
    /// Range of the times by their median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Whether it was verified with every case at every shape; searches use fewer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every_case: bool,
    /// Its kernels.
    pub shaders: Vec<ShaderRef>,
}

/// A kernel by the hash of its shader text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShaderRef {
    /// The kernel's entry point.
    pub kernel: String,
    /// Hash of its WGSL.
    pub hash: String,
}

/// The texts of a row with their hash, as they are stored and exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Hash of the three texts, as hex.
    pub hash: String,
    /// JSON of a [`Key`].
    pub key: String,
    /// JSON of an [`Attempt`].
    pub attempt: String,
    /// JSON of an [`Evidence`].
    pub evidence: String,
}

/// What searches use, made from the texts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    pub digest: String,
    pub signature: String,
    pub kernel: String,
    pub workload: String,
    pub device: String,
    pub attempt_id: String,
    pub created: i64,
    pub verified: bool,
    pub reason: Option<String>,
    pub ms: Option<f64>,
    pub plan: String,
}

impl Row {
    /// A row of these texts with the hash that belongs to them.
    pub fn new(key: String, attempt: String, evidence: String) -> Self {
        let mut row = Self {
            hash: String::new(),
            key,
            attempt,
            evidence,
        };
        row.hash = row.hash_of_texts();
        row
    }

    fn hash_of_texts(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for text in [&self.key, &self.attempt, &self.evidence] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The entry, if the row is intact and possible.
    pub fn decode(&self) -> Result<Entry, Damage> {
        let texts = [&self.key, &self.attempt, &self.evidence];
        if texts.iter().any(|text| text.len() > MAX_TEXT) {
            return Err(Damage::Unreadable);
        }
        if self.hash != self.hash_of_texts() {
            return Err(Damage::HashMismatch);
        }
        let unreadable = |_| Damage::Unreadable;
        let mut entry = Entry {
            hash: self.hash.clone(),
            key: serde_json::from_str(&self.key).map_err(unreadable)?,
            attempt: serde_json::from_str(&self.attempt).map_err(unreadable)?,
            evidence: serde_json::from_str(&self.evidence).map_err(unreadable)?,
        };
        // As every plan that is read: what its text leaves out has its default.
        entry.attempt.plan.complete();
        judge(&entry).map_err(|(damage, _)| damage)?;
        Ok(entry)
    }
}

impl Entry {
    pub(super) fn columns(&self, row: &Row) -> Columns {
        let (verified, reason) = match &self.attempt.outcome {
            Outcome::Verified { .. } => (true, None),
            Outcome::Refused { reason, .. } => (false, Some(reason.clone())),
        };
        Columns {
            digest: key::digest(&row.key),
            signature: self.key.signature(),
            kernel: self.key.kernel(),
            workload: self.key.problem.workload.clone(),
            device: self.key.adapter.name.clone(),
            attempt_id: self.attempt.id.clone(),
            created: i64::try_from(self.evidence.created).unwrap_or(i64::MAX),
            verified,
            reason,
            ms: self.attempt.ms(),
            plan: plan_digest(&self.attempt.plan),
        }
    }

    /// The baseline's time by its own, if it passed.
    pub fn speedup(&self) -> Option<f64> {
        match self.attempt.outcome {
            Outcome::Verified { speedup, .. } => Some(speedup),
            Outcome::Refused { .. } => None,
        }
    }
}

impl Record {
    /// The row, or what keeps it out of the archive.
    pub(super) fn encode(&self) -> Result<(Row, Entry), String> {
        let longest = self.shaders.iter().map(|shader| shader.wgsl.len()).max();
        if let Some(bytes) = longest.filter(|bytes| *bytes > shaders::MAX_BYTES) {
            let limit = shaders::MAX_BYTES;
            return Err(format!("a shader of {bytes} bytes, the limit is {limit}"));
        }
        let references = self.shaders.iter().map(|shader| ShaderRef {
            kernel: shader.kernel.clone(),
            hash: shader.hash(),
        });
        let evidence = Evidence {
            created: self.created,
            seed: self.seed,
            spread: self.spread,
            every_case: self.every_case,
            shaders: references.collect(),
        };
        let mut entry = Entry {
            hash: String::new(),
            key: self.key.clone(),
            attempt: self.attempt.clone(),
            evidence,
        };
        entry.attempt.plan.complete();
        // Judged first: JSON has no word for NaN.
        judge(&entry).map_err(|(_, message)| message)?;
        let json = |error: serde_json::Error| error.to_string();
        let attempt = serde_json::to_string(&entry.attempt).map_err(json)?;
        let evidence = serde_json::to_string(&entry.evidence).map_err(json)?;
        let row = Row::new(entry.key.text(), attempt, evidence);
        entry.hash = row.hash.clone();
        for text in [&row.key, &row.attempt, &row.evidence] {
            if text.len() > MAX_TEXT {
                return Err(format!("{} bytes, the limit is {MAX_TEXT}", text.len()));
            }
        }
        Ok((row, entry))
    }
}

impl Shader {
    /// The hash that names its text.
    pub fn hash(&self) -> String {
        blake3::hash(self.wgsl.as_bytes()).to_hex().to_string()
    }
}

/// What a plan does, whoever proposed it: equal for attempts at the same plan.
fn plan_digest(plan: &Plan) -> String {
    let plan = Plan {
        provenance: Provenance::default(),
        problem: None,
        ..plan.clone()
    };
    let text = serde_json::to_string(&plan).unwrap_or_default();
    key::digest(&text)
}
