//! Cases that refused something before, run before all others.
//!
//! A refusal is kept as what made it: stage, scope, kind of values, seed. On the next
//! package of the same function that case alone is run again: a mistake that comes back
//! is found in one run instead of all.

use std::time::{Duration, Instant};

use kforge_oracle::{Level, Program};
use kforge_runtime::{Device, ExecOptions};
use serde::{Deserialize, Serialize};

use crate::{
    Options, Reason, References, Runnable, Scope, Subject, Verdict, alone, device, verdict,
};

/// One case: what was run on which inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The stage, with its shape where that is not its own.
    pub stage: String,
    /// What the comparison was about.
    pub scope: Scope,
    /// The kind of input values; every kind where it is absent.
    pub values: Option<String>,
    /// Seed of the inputs.
    pub seed: u64,
}

/// Runs the regression cases of the options; false where one refuses, which is then the
/// verdict's. Cases of stages that the subject has not are passed over, and those behind a
/// quarter of the deadline: they come on top of everything else, which must have its time.
pub fn all(
    subject: &Subject,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
    verdict: &mut Verdict,
) -> bool {
    // What is refused already is refused for that.
    if !verdict.failures.is_empty() {
        return true;
    }
    let alone = alone(subject);
    let start = Instant::now();
    let enough = Duration::from_millis(options.timeout_ms / 4);
    // Their inputs would take the places of those that every gate has.
    let references = References::default();
    for case in &options.regression {
        if start.elapsed() >= enough {
            break;
        }
        let Some(runnable) = find(subject, alone.as_ref(), case) else {
            continue;
        };
        let options = Options {
            // Every kind of values by its name, else those that are tried anyway.
            cases: case.values.as_ref().map_or(options.cases, |_| Level::Full),
            seed: case.seed,
            only: case.values.clone(),
            most_ms: None,
            references: references.clone(),
            ..options.clone()
        };
        let mut own = Verdict::new(device.description(), &options);
        device::check(runnable, case.scope, device, exec, &options, &mut own);
        match own.failures.into_iter().next() {
            None => verdict.replayed += 1,
            // One kind of values alone may decide nothing of a right kernel.
            Some(failure) if failure.reason == Reason::Undecided => {}
            Some(failure) => {
                verdict.failures.push(failure);
                verdict.regression_case = Some(case.clone());
                return false;
            }
        }
    }
    true
}

fn find<'s>(
    subject: &'s Subject,
    alone: Option<&'s Runnable>,
    case: &Case,
) -> Option<&'s Runnable> {
    let named = |runnable: &&Runnable| runnable.stage == case.stage;
    match case.scope {
        // Programs are compared without a device; the gate does so first in any case.
        Scope::Program => None,
        Scope::Kernel => subject.units.iter().find(named),
        Scope::Shape => subject.variants.iter().map(|it| &it.unit).find(named),
        Scope::Function => Some(alone.unwrap_or(&subject.function)).filter(named),
    }
}

impl Options {
    /// The kinds of values to try, with what each adds to the seed.
    pub(crate) fn value_cases(&self, program: &Program) -> Vec<(kforge_oracle::Values, u64)> {
        let mut cases = kforge_oracle::cases_of(program, self.cases);
        if self.faults.has(crate::Fault::OneKindOfValues) {
            cases.truncate(1);
        }
        if let Some(only) = &self.only {
            cases.retain(|(values, _)| verdict::name(*values) == *only);
        }
        cases
    }

    /// The seed of a case.
    pub(crate) fn seed_of(&self, salt: u64) -> u64 {
        let seed = match self.faults.has(crate::Fault::SeedFixed) {
            true => 0,
            false => self.seed,
        };
        seed.wrapping_add(salt)
    }
}
