//! Cases that refused something before, run first.
//!
//! A refusal is kept as what made it: stage, scope, kind of values, seed. On the next
//! package of the same function that case alone is run again: a mistake that comes back
//! is found in one run instead of all.

use kforge_oracle::Program;
use kforge_runtime::{Device, ExecOptions};
use serde::{Deserialize, Serialize};

use crate::{Failure, Options, Runnable, Scope, Subject, Verdict, alone, device, sines, verdict};

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

/// Runs one case of `subject`; its refusal, if it refuses. `None` also where the subject
/// has no such stage.
pub fn replay(
    subject: &Subject,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
    case: &Case,
) -> Option<Failure> {
    let alone = alone(subject);
    let runnable = find(subject, alone.as_ref(), case)?;
    let options = Options {
        seed: case.seed,
        only: case.values.clone(),
        ..sines::measured(subject, device, options)
    };
    let mut verdict = Verdict::new(device.description(), &options);
    device::check(runnable, case.scope, device, exec, &options, &mut verdict);
    verdict.failures.into_iter().next()
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
