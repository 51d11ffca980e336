//! What was proposed, checked, refused and accepted, with the evidence.

use kforge_planner::{Plan, Problem, plan::Violation};
use kforge_runtime::DeviceDescription;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::MeasuredResult;

/// The version of the audit format.
pub const AUDIT_SCHEMA: u32 = 1;

/// How it was decided which plan may be used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Version of this format: 1.
    pub schema: u32,
    /// Version of kforge.
    pub version: String,
    /// What the plans are for: the hash of the module, and its ops.
    pub problem: Problem,
    /// Where they were verified and timed.
    pub device: DeviceDescription,
    /// Seed of the inputs.
    pub seed: u64,
    /// Every plan, in the order in which they were proposed.
    pub proposals: Vec<Proposal>,
    /// What was given as a plan and cannot be read; nothing is proposed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
    /// Id of the proposal that may be used; absent where none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// The default plan in the same run, where another one was accepted and its time
    /// was to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<MeasuredResult>,
    /// The default plan's median time by the accepted one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speedup: Option<f64>,
    /// What did not go as asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One plan and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Hash of the plan's canonical text.
    pub id: String,
    /// Where it was taken from: `archive`, `heuristic`, `llm`, or the name of a file.
    pub proposer: String,
    /// The plan, with who made it first.
    pub plan: Plan,
    /// Its canonical text.
    pub pipeline: String,
    /// Why it does not fit; such a plan is not compiled.
    pub violations: Vec<Violation>,
    /// What compilation and verification say of a plan that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<MeasuredResult>,
}

/// A text that is no plan.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// The name of its file.
    pub proposer: String,
    /// The text as it was given; of a long one, how it begins.
    pub text: String,
    /// Everything that is wrong with it.
    pub violations: Vec<Violation>,
}

impl Audit {
    /// The accepted plan with its verdict.
    pub fn accepted(&self) -> Option<&Proposal> {
        let id = self.accepted.as_ref()?;
        self.proposals.iter().rev().find(|it| it.id == *id)
    }
}

impl Proposal {
    /// Every reason against it; none if it was verified.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self.violations.iter().map(ToString::to_string).collect();
        if let Some(MeasuredResult::Refused(refusal)) = &self.verdict {
            reasons.push(format!("{}: {}", refusal.reason, refusal.detail));
        }
        reasons
    }
}

/// The published JSON Schema of [`Audit`].
pub fn audit_schema() -> String {
    let schema = schemars::schema_for!(Audit);
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    format!("{text}\n")
}
