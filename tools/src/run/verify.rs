//! The verdict a run needs. Knows no MLIR: who compiled the kernels adds their
//! other shapes to the subject.

use std::fmt;

use kforge_runtime::{Device, ExecOptions};
use kforge_verify::{Failure as Refusal, Options, Scope, Subject, Verdict};
use serde::Serialize;

use super::Failure;

/// What is known before the user's own run.
#[derive(Debug)]
pub(super) struct Outcome {
    /// A verdict that passed.
    pub(super) verdict: Option<Verdict>,
    /// What it is about.
    pub(super) subject: Option<Subject>,
    /// Why there is none.
    pub(super) missing: Option<String>,
}

/// Comparisons that agreed, by what was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// The reference against the kernels' programs.
    pub(super) program: usize,
    /// Single kernels.
    pub(super) kernel: usize,
    /// Their knobs at other shapes.
    pub(super) shape: usize,
    /// The whole function.
    pub(super) function: usize,
}

impl Counts {
    pub(super) fn of(verdict: &Verdict) -> Self {
        let mut counts = Self::default();
        for check in &verdict.checks {
            *match check.scope {
                Scope::Program => &mut counts.program,
                Scope::Kernel => &mut counts.kernel,
                Scope::Shape => &mut counts.shape,
                Scope::Function => &mut counts.function,
            } += 1;
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            program,
            kernel,
            shape,
            function,
        } = self;
        write!(
            f,
            "{program} program, {kernel} kernel, {shape} shape, {function} function"
        )
    }
}

/// Runs the gate. A refusal is an error; having nothing to be verified against is
/// not, but is said.
pub(super) fn verify(
    subject: Result<Subject, Failure>,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
) -> Result<Outcome, Failure> {
    let subject = match subject {
        Ok(subject) => subject,
        Err(Failure::Unverifiable(why)) => {
            return Ok(Outcome {
                verdict: None,
                subject: None,
                missing: Some(why),
            });
        }
        Err(failure) => return Err(failure),
    };
    let verdict = kforge_verify::verify(&subject, device, exec, options);
    if verdict.passed {
        return Ok(Outcome {
            verdict: Some(verdict),
            subject: Some(subject),
            missing: None,
        });
    }
    let reasons: Vec<String> = verdict.failures.iter().map(sentence).collect();
    Err(Failure::Refused(match reasons.is_empty() {
        true => "verification showed nothing".into(),
        false => reasons.join("; "),
    }))
}

/// A timed run that was refused.
pub(super) fn no_time(refusal: Refusal) -> Failure {
    Failure::Refused(format!("no time: {}", sentence(&refusal)))
}

fn sentence(refusal: &Refusal) -> String {
    let values = refusal
        .values
        .as_ref()
        .map_or_else(String::new, |values| format!(", {values} values"));
    let knobs = match refusal.knobs.is_empty() {
        true => String::new(),
        false => format!(" [knobs: {}]", refusal.knobs),
    };
    format!(
        "stage '{}' ({:?}{values}): {}{knobs}",
        refusal.stage, refusal.reason, refusal.detail
    )
}
