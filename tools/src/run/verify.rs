//! The verdict a run needs, on the package alone: no MLIR.

use kforge_runtime::{Device, ExecOptions, Package};
use kforge_verify::{Failure as Refusal, Options, Subject, SubjectError, Verdict};

use super::Failure;

/// What is known before the user's own run.
#[derive(Debug)]
pub(super) struct Outcome {
    /// A verdict that passed.
    pub(super) verdict: Option<Verdict>,
    /// Why there is none.
    pub(super) missing: Option<String>,
}

/// Verifies an entry with few cases. A refusal is an error; having nothing to be
/// verified against is not, but is said.
pub(super) fn verify(
    package: &Package,
    entry: &str,
    device: &Device,
    exec: &ExecOptions,
    seed: u64,
) -> Result<Outcome, Failure> {
    let subject = match Subject::of_package(package, entry) {
        Ok(subject) => subject,
        Err(error @ (SubjectError::NoProgram(_) | SubjectError::NoSpec(_))) => {
            return Ok(Outcome {
                verdict: None,
                missing: Some(error.to_string()),
            });
        }
        Err(error) => return Err(Failure::Input(error.to_string())),
    };
    let options = Options {
        seed,
        ..Options::default()
    };
    let verdict = kforge_verify::verify(&subject, device, exec, &options);
    if verdict.passed {
        return Ok(Outcome {
            verdict: Some(verdict),
            missing: None,
        });
    }
    let reasons: Vec<String> = verdict.failures.iter().map(sentence).collect();
    Err(Failure::Refused(match reasons.is_empty() {
        true => "verification showed nothing".into(),
        false => reasons.join("; "),
    }))
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
