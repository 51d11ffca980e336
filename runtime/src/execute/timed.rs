//! Repeated runs for their times: other inputs each time, outputs seen by the caller.
//!
//! What is timed is what is checked: every timed run has prefilled outputs, takes the next of
//! several input sets, and hands its outputs to the caller before its time counts. One
//! submission per run; uploads, fills and readbacks lie outside the device's timestamps, and
//! uploads outside the host's time as well. Judges nothing: `kforge-verify` does.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    Executable,
    error::RunError,
    inspect::{outputs, violations},
    options::RunOptions,
    report::{GuardViolation, Timing},
    timing::Samples,
};
use crate::tensor::HostTensor;

/// Runs before the timed ones, on the same input sets.
const WARM_UP_RUNS: usize = 3;

/// One timed run.
#[derive(Debug)]
pub struct TimedRun<'r> {
    /// Which input set it took.
    pub set: usize,
    /// Outputs in the entry's order.
    pub outputs: &'r [HostTensor],
    /// Guard zones that were changed and outputs that were not written.
    pub guards: &'r [GuardViolation],
}

impl Executable {
    /// Runs the entry `repeats` times (at least once) after three warm-up runs, cycling
    /// through `sets` of inputs.
    ///
    /// `inspect` sees every timed run and ends them by `Break`; then there is no timing.
    /// State buffers keep what a run leaves.
    pub fn time(
        &mut self,
        sets: &[Vec<HostTensor>],
        weights: &BTreeMap<String, HostTensor>,
        repeats: usize,
        options: &RunOptions,
        inspect: &mut dyn FnMut(TimedRun) -> ControlFlow<()>,
    ) -> Result<Option<Timing>, RunError> {
        if sets.is_empty() {
            return Err(RunError::Argument {
                place: format!("entry '{}'", self.instance.entry),
                problem: "no inputs to time it with; give at least one set".into(),
            });
        }
        self.ensure_weights(weights)?;
        let actions = self.actions(options);
        let timeout = options.timeout();
        let mut samples = Samples::default();
        let mut upload = Duration::ZERO;
        for run in 0..WARM_UP_RUNS + repeats.max(1) {
            // The timed runs start with the first set.
            let set = (run + sets.len() * WARM_UP_RUNS - WARM_UP_RUNS) % sets.len();
            let start = Instant::now();
            self.upload_inputs(&sets[set])?;
            self.settle(timeout)?;
            upload = start.elapsed();
            let executed = self.execute(&actions, timeout)?;
            if run < WARM_UP_RUNS {
                continue;
            }
            let outputs = outputs(&self.instance, &executed.saved)?;
            let guards = violations(
                &self.instance,
                &executed.saved,
                options.poison,
                self.guard_zones,
            );
            let seen = TimedRun {
                set,
                outputs: &outputs,
                guards: &guards,
            };
            if inspect(seen).is_break() {
                return Ok(None);
            }
            samples.add(&executed);
        }
        Ok(Some(Timing {
            dispatches: samples.dispatches(&self.instance),
            total: samples.total(upload),
        }))
    }
}
