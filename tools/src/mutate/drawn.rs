//! Correct kernels: plans drawn from all legal ones, none of which may be refused.
//!
//! Each is judged as what ships is: its own and the gate's other shapes, then every case and
//! the exact algebra.

use kforge_mutate::{Fate, Instance, Judged, Kill, Kind, Place, Purpose};
use kforge_oracle::Level;
use kforge_planner::{Propose, search::Random};

use super::{
    campaign::{Campaign, Prepared, patient},
    job::Ask,
    settings::MutateError,
};
use crate::optimize::{Cases, candidate};

/// The kind.
pub(super) const KIND: Kind = Kind::control(
    Place::Plan,
    "drawn_plan",
    "a plan drawn from all legal ones",
);

impl Campaign<'_> {
    /// As many legal plans as are asked for, or as there are.
    pub(super) fn of_drawn_plans(&mut self, prepared: &Prepared) -> Result<(), MutateError> {
        // Without an op that has knobs there is nothing to draw.
        if !self.wants(KIND.place, KIND.name) || prepared.problem.ops.is_empty() {
            return Ok(());
        }
        let mut planner = Random::new(self.settings.seed);
        let plans = planner
            .propose(&prepared.problem, &self.device, &[], self.settings.limit)
            .map_err(|error| MutateError::Child {
                program: prepared.name.clone(),
                why: error.to_string(),
            })?;
        let folder = self.folder.join(format!("{}-drawn", prepared.name));
        let (mut jobs, mut asked) = (Vec::new(), Vec::new());
        for (at, plan) in plans.iter().enumerate() {
            if self.is_over() {
                break;
            }
            let instance = Instance {
                place: KIND.place,
                kind: KIND.name.into(),
                kernel: None,
                at,
            };
            let cases = Cases::Of(Level::Quick);
            match candidate(&prepared.source, &prepared.problem, plan, &folder, cases) {
                Ok(place) => {
                    jobs.push(patient(self.job(prepared, place, Ask::Shipped)));
                    asked.push((KIND.purpose, instance));
                }
                Err(refusal) => {
                    let detail = format!("{}: {}", plan.text(), refusal.detail);
                    let judged = Judged {
                        fate: Fate::Refused(Kill::plain(&refusal.reason, detail)),
                        stages: Default::default(),
                        ms: 0,
                    };
                    self.record(prepared, Purpose::Control, instance, judged, None);
                }
            }
        }
        let before = self.records.len();
        self.ask_all(prepared, jobs, asked)?;
        for record in &mut self.records[before..] {
            if let Fate::Refused(kill) = &mut record.judged.fate {
                kill.detail += &format!("; plan {}", plans[record.instance.at].text());
            }
        }
        // What was judged can be made again.
        let _ = std::fs::remove_dir_all(&folder);
        Ok(())
    }
}
