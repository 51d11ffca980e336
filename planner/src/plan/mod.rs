//! A plan: which passes run in which order, with every knob, as plain data.
//!
//! A plan is only a proposal. It names passes of a closed set ([`catalog`]) and values
//! for their options; it cannot say what a kernel computes. [`check`] refuses what
//! does not fit the problem or the device before anything is built; what then comes
//! out is decided by `kforge-verify`.

mod canonical;
pub mod catalog;
mod check;
mod fields;
mod flat;
mod json;
mod text;
mod transform;

pub use check::{Violation, check};
pub(crate) use check::{device_of, fits};
pub use flat::{FLAT_KNOBS, FlatKnob};
pub use json::{PlanError, from_json, schema, to_json};
pub use text::TextError;
pub use transform::to_transform;

use std::{collections::BTreeMap, fmt};

use kforge_runtime::device::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The version of the plan format.
pub const SCHEMA: u32 = 1;

/// Option values by the option's name.
pub type Knobs = BTreeMap<String, Knob>;

/// What an optimisation does to one problem on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this format: 1.
    pub schema: u32,
    /// What is compiled for.
    pub target: Target,
    /// The device's limits: options of `kforge-attach-device` but `target`.
    #[serde(default)]
    pub device: Knobs,
    /// What the plan was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The chosen passes, in order; the fixed ones before and after are not listed.
    pub passes: Vec<Step>,
    /// Who proposed it.
    #[serde(default)]
    pub provenance: Provenance,
}

/// One pass with its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The pass, as in a pipeline: `kforge-tile-matmul`.
    pub pass: String,
    /// The ops it is about, by `kforge.name`, joined by `+`; absent: all it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// Every other option.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub knobs: Knobs,
}

/// One option's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Knob {
    /// On or off.
    Flag(bool),
    /// An integer.
    Integer(i64),
    /// A name.
    Name(String),
}

/// Where a plan comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// `heuristic`, `llm`, `search`, `archive`, or empty for a plan written by hand.
    #[serde(default)]
    pub planner: String,
    /// The language model asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Hash of the prompt it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Id of the attempt the plan was derived from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

impl Plan {
    /// A plan without chosen passes.
    pub fn new(target: Target, device: Knobs) -> Self {
        let mut plan = Self {
            schema: SCHEMA,
            target,
            device,
            problem: None,
            passes: Vec::new(),
            provenance: Provenance::default(),
        };
        plan.complete();
        plan
    }

    /// Gives every option that is not stated its pass's default, so that the plan
    /// still means the same when a default changes.
    pub fn complete(&mut self) {
        for (name, default) in catalog::device_options() {
            self.device.entry(name.to_owned()).or_insert(default);
        }
        for step in &mut self.passes {
            let Some(pass) = catalog::find(&step.pass) else {
                continue;
            };
            for (name, default) in pass.knobs() {
                step.knobs.entry(name.to_owned()).or_insert(default);
            }
        }
    }

    /// A short hash of what the plan does: its canonical text.
    pub fn id(&self) -> String {
        let hash = blake3::hash(self.text().as_bytes());
        hash.to_hex().as_str()[..16].to_owned()
    }
}

impl Step {
    /// A pass with its default options.
    pub fn new(pass: &str) -> Self {
        let known = catalog::find(pass);
        let knobs = known.map_or_else(Vec::new, |pass| pass.knobs());
        Self {
            pass: pass.to_owned(),
            op: None,
            knobs: knobs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    /// A pass for one op with integer knobs.
    pub fn schedule(pass: &str, op: &str, knobs: &[(&'static str, i64)]) -> Self {
        let mut step = Self::new(pass);
        step.op = Some(op.to_owned());
        let values = knobs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Knob::Integer(*value)));
        step.knobs.extend(values);
        step
    }

    /// An integer knob.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.knobs.get(name)? {
            Knob::Integer(value) => Some(*value),
            Knob::Flag(_) | Knob::Name(_) => None,
        }
    }
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Knob::Flag(value) => value.fmt(f),
            Knob::Integer(value) => value.fmt(f),
            Knob::Name(value) => value.fmt(f),
        }
    }
}
