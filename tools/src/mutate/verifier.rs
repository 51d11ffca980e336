//! Faults of the gate itself; only in builds with the feature `faults`.

use kforge_mutate::{Kind, faults::SENTINELS};

use super::{
    campaign::Campaign,
    job::{Answer, Ask, Job},
    settings::MutateError,
};
use kforge_mutate::{Instance, Place, Purpose};
use kforge_runtime::device::Target;

/// The kinds, as those of other places.
pub(super) fn kinds() -> impl Iterator<Item = Kind> {
    SENTINELS.iter().map(|sentinel| sentinel.kind)
}

impl Campaign<'_> {
    /// Every fault in turn. Their packages are WGSL, so that a CPU says nothing of them.
    pub(super) fn of_verifier(&mut self) -> Result<(), MutateError> {
        if !self.settings.places.is_empty() && !self.settings.places.contains(&Place::Verifier) {
            return Ok(());
        }
        if self.device.target == Target::Cpu {
            return Ok(());
        }
        let job = Job {
            folder: Default::default(),
            ask: Ask::Faults,
            cases: Vec::new(),
            seed: self.settings.seed,
            timeout_ms: 60_000,
            native: false,
        };
        let name = "the gate";
        match self.one(name, job)? {
            Answer::Faults(found) => {
                for (kind, judged) in found {
                    if !self.wants(Place::Verifier, &kind) {
                        continue;
                    }
                    let instance = Instance {
                        place: Place::Verifier,
                        kind,
                        kernel: None,
                        at: 0,
                    };
                    self.record_of(name, Purpose::Mutant, instance, judged);
                }
                Ok(())
            }
            _ => Err(MutateError::Child {
                program: name.into(),
                why: "an answer to another question".into(),
            }),
        }
    }
}
