//! Repeated runs for their times: other inputs each time, outputs seen by the caller.
//!
//! What is timed is what is checked: every timed run has prefilled outputs, takes the next of
//! several input sets, and hands its outputs to the caller before its time counts. One
//! submission per run; uploads, fills and readbacks lie outside the device's timestamps, and
//! uploads outside the host's time as well. Judges nothing: `kforge-verify` does.

use std::{
    collections::BTreeMap,
    mem,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    Executable,
    error::RunError,
    inspect::{outputs, violations},
    options::{Repeats, RunOptions},
    report::{GuardViolation, Timing},
    timing::Samples,
    trace::{Phase, RunTrace},
};
use crate::tensor::HostTensor;

/// Runs before the timed ones, on the same input sets: three, or fewer where they take long.
const WARM_UP: Repeats = Repeats {
    most: 3,
    fewest: 1,
    enough: Duration::from_millis(50),
};

/// One timed run.
#[derive(Debug)]
pub struct TimedRun<'r> {
    /// Which input set it took.
    pub set: usize,
    /// Outputs in the entry's order.
    pub outputs: &'r [HostTensor],
    /// Guard zones that were changed and outputs that were not written.
    pub guards: &'r [GuardViolation],
    /// When its parts took place. The first one's has what came before it.
    pub trace: RunTrace,
}

impl Executable {
    /// Runs the entry as often as `repeats` says after at most three runs to warm up,
    /// cycling through `sets` of inputs.
    ///
    /// `inspect` sees every timed run and ends them by `Break`; then there is no timing.
    /// State buffers keep what a run leaves.
    pub fn time(
        &mut self,
        sets: &[Vec<HostTensor>],
        weights: &BTreeMap<String, HostTensor>,
        repeats: Repeats,
        options: &RunOptions,
        inspect: &mut dyn FnMut(TimedRun) -> ControlFlow<()>,
    ) -> Result<Option<Timing>, RunError> {
        if sets.is_empty() {
            return Err(RunError::Argument {
                place: format!("entry '{}'", self.instance.entry),
                problem: "no inputs to time it with; give at least one set".into(),
            });
        }
        let mut before: Vec<Phase> = self.ensure_weights(weights)?.into_iter().collect();
        let begin = Instant::now();
        let actions = self.actions(options);
        let timeout = options.timeout();
        let mut samples = Samples::default();
        let mut upload = Duration::ZERO;
        let (mut warm, mut warming) = (0, Duration::ZERO);
        let (mut done, mut spent) = (0, Duration::ZERO);
        while !repeats.reached(done, spent) {
            let warms_up = !WARM_UP.reached(warm, warming);
            // The timed runs start with the first set, those before with the last.
            let set = match warms_up {
                true => sets.len() - 1 - warm % sets.len(),
                false => done % sets.len(),
            };
            let start = Instant::now();
            self.upload_inputs(&sets[set])?;
            self.settle(timeout)?;
            upload = start.elapsed();
            let uploaded = Phase::since("upload", start);
            let executed = self.execute(&actions, timeout)?;
            if warms_up {
                warm += 1;
                warming += executed.wall;
                continue;
            }
            if done == 0 {
                before.push(Phase {
                    name: "warm up",
                    time: begin..start,
                });
            }
            before.push(uploaded);
            let mut trace = RunTrace::new(mem::take(&mut before), &executed, self.instance.init);
            let start = Instant::now();
            let outputs = outputs(&self.instance, &executed.saved)?;
            let guards = violations(
                &self.instance,
                &executed.saved,
                options.poison,
                self.guard_zones,
            );
            trace.host.push(Phase::since("unpack", start));
            let seen = TimedRun {
                set,
                outputs: &outputs,
                guards: &guards,
                trace,
            };
            if inspect(seen).is_break() {
                return Ok(None);
            }
            done += 1;
            spent += executed.wall;
            samples.add(&executed);
        }
        Ok(Some(Timing {
            dispatches: samples.dispatches(&self.instance),
            total: samples.total(upload),
        }))
    }
}
