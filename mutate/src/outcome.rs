//! What became of a mutant.

use std::collections::BTreeMap;

use kforge_verify::{Case, Failure, Scope, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the gate said of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fate {
    /// It was refused.
    Refused(Kill),
    /// It was accepted.
    Accepted {
        /// What is known of why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// It was accepted, and it is no other function: the argument.
    Equivalent {
        /// The rule, in one word.
        rule: String,
        /// Why it holds here.
        argument: String,
    },
    /// Nothing ran: naga, the compiler or the operator refuses what it would be.
    NotBuilt {
        /// Why.
        because: String,
    },
    /// What it would be is what was there.
    NotApplied,
}

/// How an instance was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// The check, in one word: `NumericMismatch`, `Poison`, `Validation`, ...
    pub reason: String,
    /// The check behind a regression case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What the comparison was about: `program`, `kernel`, `shape`, `function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The stage that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The kind of values on which it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    /// What was seen, in one sentence.
    pub detail: String,
}

/// One instance's fate, with what was measured on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// What the gate said.
    pub fate: Fate,
    /// Largest error of each stage that was compared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<String, f64>,
    /// Milliseconds that it took.
    pub ms: u64,
}

impl Fate {
    /// Accepted, as a control must be.
    pub const ACCEPTED: Self = Self::Accepted { note: None };
}

impl Kill {
    /// Refused before any device was asked.
    pub fn validation(detail: impl Into<String>) -> Self {
        Self::plain("Validation", detail)
    }

    /// Refused for a reason that has no more to it.
    pub fn plain(reason: &str, detail: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            by: None,
            scope: None,
            stage: None,
            values: None,
            detail: detail.into(),
        }
    }

    /// A failure of a verdict.
    pub fn of(failure: &Failure) -> Self {
        Self {
            reason: format!("{:?}", failure.reason),
            by: None,
            scope: Some(scope_name(failure.scope).into()),
            stage: Some(failure.stage.clone()),
            values: failure.values.clone(),
            detail: failure.detail.clone(),
        }
    }

    /// A failure of a case that was kept.
    pub fn regression(failure: &Failure) -> Self {
        let found = Self::of(failure);
        Self {
            by: Some(found.reason.clone()),
            reason: "RegressionCase".into(),
            ..found
        }
    }

    /// Whether there is no more to it than that a submission, or all of it, did not end in
    /// time: which says nothing of results.
    pub fn is_late(&self) -> bool {
        self.check() == "Timing"
    }

    /// The check that refused, behind a regression case or not.
    pub fn check(&self) -> &str {
        self.by.as_deref().unwrap_or(&self.reason)
    }
}

/// As in reports.
pub const fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Program => "program",
        Scope::Kernel => "kernel",
        Scope::Shape => "shape",
        Scope::Function => "function",
    }
}

/// A scope by its name in reports.
pub fn scope_of(name: &str) -> Option<Scope> {
    let all = [Scope::Program, Scope::Kernel, Scope::Shape, Scope::Function];
    all.into_iter().find(|scope| scope_name(*scope) == name)
}

/// The case that refused, to be run first next time. None where no inputs did.
pub fn case_of(failure: &Failure, seed: u64) -> Option<Case> {
    (failure.scope != Scope::Program).then(|| Case {
        stage: failure.stage.clone(),
        scope: failure.scope,
        values: failure.values.clone(),
        seed,
    })
}

/// Largest error of every stage in a verdict, by its name; stages at other shapes apart.
pub fn stage_errors(verdict: &Verdict) -> BTreeMap<String, f64> {
    let mut errors: BTreeMap<String, f64> = BTreeMap::new();
    let mut add = |stage: &str, error: f64| {
        if error.is_finite() {
            let largest = errors.entry(stage.to_owned()).or_default();
            *largest = largest.max(error);
        }
    };
    let on_device = |scope| matches!(scope, Scope::Kernel | Scope::Function);
    for check in verdict.checks.iter().filter(|it| on_device(it.scope)) {
        add(&check.stage, check.max_abs_error);
    }
    for failure in &verdict.failures {
        if let Some(error) = failure.max_abs_error {
            add(&failure.stage, error);
        }
    }
    errors
}
