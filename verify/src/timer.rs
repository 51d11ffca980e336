//! Times of a verified entry, from runs that are themselves verified.
//!
//! At least four sets of inputs that nobody has seen take turns, outputs are filled with NaN
//! before every run, and the outputs of every timed run are compared: the first of each set with
//! the oracle, later ones bit for bit with the first. After the timed runs a set that was never
//! timed is checked once more. A time below what any device could reach is refused (`plausible.rs`).
//! Where any of this fails there is no time at all.

use std::{
    ops::{ControlFlow, Range},
    sync::Arc,
    time::Instant,
};

use kforge_oracle::{Array, Values};
use kforge_runtime::{
    Device, ExecOptions, Executable, HostTensor, Poison, RunOptions, TimedRun,
    execute::{Phase, Repeats, RunTrace, Timing},
};

use crate::{
    Failure, Fault, Options, Reason, Scope, Subject, Verdict,
    bind::{Bound, bind},
    hold::Expected,
    pair::{executable, run, same},
    plausible::Floors,
    refusal::Refusal,
    sines,
    subject::Runnable,
    verdict::name,
};

/// Fewest and most sets of inputs, the one for the check afterwards not among them.
const SETS: Range<usize> = 4..16;
/// Bytes of inputs up to which there are more than the fewest.
const INPUT_BYTES: usize = 256 << 20;
/// Keeps the seeds of timed inputs away from those of the verification.
const SEED: u64 = 0x7469_6d65_0000_0000;

/// A verified entry, ready to be timed.
pub struct Timer<'s> {
    subject: &'s Subject,
    executable: Executable,
    /// The last one is for the check afterwards.
    sets: Vec<Set<'s>>,
    floors: Floors,
    options: Options,
}

struct Set<'s> {
    seed: u64,
    bound: Bound,
    expected: Expected<'s>,
    /// What the set led to, once it was held against the oracle.
    outputs: Option<Vec<HostTensor>>,
}

impl<'s> Timer<'s> {
    /// Compiles the entry and makes inputs with their references.
    ///
    /// Refuses without a passed verdict from the same device and driver.
    pub fn new(
        subject: &'s Subject,
        verdict: &Verdict,
        device: &Device,
        exec: &ExecOptions,
        options: &Options,
    ) -> Result<Self, Failure> {
        let function = &subject.function;
        let place = |refusal: Refusal| failure(function, refusal);
        let here = Verdict::new(device.description(), options);
        let of_this = (&verdict.device, &verdict.driver) == (&here.device, &here.driver)
            || options.faults.has(Fault::VerdictReused);
        if !verdict.passed || !of_this {
            let detail = format!(
                "there is no passed verdict for '{}' ({}), and nothing unverified is timed",
                here.device, here.driver
            );
            return Err(place(Refusal::new(Reason::Execution, detail)));
        }
        let options = sines::measured(subject, device, options);
        let exec = verdict.exec(&function.package, exec);
        Ok(Self {
            subject,
            executable: executable(function, device, &exec).map_err(place)?,
            sets: sets(function, &options).map_err(place)?,
            floors: Floors::of(subject),
            options,
        })
    }

    /// Times of repeated runs, after at most three to warm up; for each dispatch and in all.
    pub fn time(&mut self, repeats: Repeats) -> Result<Timing, Failure> {
        let function = &self.subject.function;
        self.checked(repeats, None)
            .map_err(|refusal| failure(function, refusal))
    }

    /// The same, with when the parts of every timed run took place.
    pub fn time_traced(&mut self, repeats: Repeats) -> Result<(Timing, Vec<RunTrace>), Failure> {
        let function = &self.subject.function;
        let mut traces = Vec::new();
        let timing = self.checked(repeats, Some(&mut traces));
        match timing {
            Ok(timing) => Ok((timing, traces)),
            Err(refusal) => Err(failure(function, refusal)),
        }
    }

    fn checked(
        &mut self,
        repeats: Repeats,
        mut traces: Option<&mut Vec<RunTrace>>,
    ) -> Result<Timing, Refusal> {
        let function = &self.subject.function;
        let options = RunOptions {
            poison: Some(Poison::Nan),
            timeout_ms: self.options.timeout_ms,
        };
        let timed = self.sets.len() - 1;
        let inputs: Vec<Vec<HostTensor>> = self.sets[..timed]
            .iter()
            .map(|set| set.bound.arguments.clone())
            .collect();
        let weights = self.sets[0].bound.weights.clone();
        let (mut refused, mut decided) = (None, false);
        let (sets, gate) = (&mut self.sets, &self.options);
        let unchecked = gate.faults.has(Fault::TimedRunsUnchecked);
        decided |= unchecked;
        let mut inspect = |run: TimedRun| {
            let start = Instant::now();
            let inspected = inspect(function, sets, &run, gate);
            if let Some(traces) = &mut traces {
                let mut trace = run.trace;
                trace.host.push(Phase::since("verify", start));
                traces.push(trace);
            }
            match inspected {
                _ if unchecked => ControlFlow::Continue(()),
                Ok(says) => {
                    decided |= says;
                    ControlFlow::Continue(())
                }
                Err(refusal) => {
                    refused = Some(refusal);
                    ControlFlow::Break(())
                }
            }
        };
        let timing = self
            .executable
            .time(&inputs, &weights, repeats, &options, &mut inspect)
            .map_err(|error| Refusal::run(&error))?;
        let timing = match (timing, refused) {
            (Some(timing), None) => timing,
            (_, refused) => {
                return Err(refused
                    .unwrap_or_else(|| Refusal::failed("the timed runs ended without a result")));
            }
        };
        let after = timed;
        let start = Instant::now();
        let bound = &self.sets[after].bound;
        let outputs = run(
            &mut self.executable,
            bound,
            Poison::Nan,
            self.options.timeout_ms,
        )?;
        if !unchecked {
            decided |= hold(function, &mut self.sets[after], &outputs, &self.options)
                .map_err(after_timing)?;
        }
        if !decided {
            return Err(Refusal::new(
                Reason::Undecided,
                "the outputs of no timed run have a bound that decides anything",
            ));
        }
        self.floors.hold(&timing)?;
        if let Some(last) = traces.and_then(|traces| traces.last_mut()) {
            last.host.push(Phase::since("verify after the runs", start));
        }
        Ok(timing)
    }
}

fn failure(function: &Runnable, refusal: Refusal) -> Failure {
    Failure {
        stage: function.stage.clone(),
        scope: Scope::Function,
        values: Some(name(Values::Normal)),
        reason: refusal.reason,
        detail: refusal.detail,
        knobs: String::new(),
        max_abs_error: refusal.max_abs_error,
    }
}

fn after_timing(refusal: Refusal) -> Refusal {
    Refusal {
        detail: format!("after the timed runs: {}", refusal.detail),
        ..refusal
    }
}

/// Inputs with their references; weights are those of the first set.
fn sets<'s>(function: &'s Runnable, options: &Options) -> Result<Vec<Set<'s>>, Refusal> {
    let weight = |index: usize| function.weight(index).is_some();
    if (0..function.program.inputs.len()).all(weight) {
        let detail = "it takes no arguments, so one timed run could not be told from another";
        return Err(Refusal::failed(detail));
    }
    let bytes = |bound: &Bound| -> usize {
        let tensors = bound.arguments.iter();
        tensors.map(|tensor| tensor.bytes().len()).sum()
    };
    let mut sets: Vec<Set> = Vec::new();
    let mut count = SETS.start;
    while sets.len() <= count {
        let seed = set_seed(sets.len(), options);
        let arrays = inputs(function, seed, options)?;
        let bound = bind(function, &arrays)?;
        count = (INPUT_BYTES / bytes(&bound).max(1)).clamp(SETS.start, SETS.end);
        let expected = Expected::new(&function.program, &arrays, seed, options)?;
        sets.push(Set {
            seed,
            bound,
            expected,
            outputs: None,
        });
    }
    Ok(sets)
}

fn set_seed(number: usize, options: &Options) -> u64 {
    options.seed.wrapping_add(SEED).wrapping_add(number as u64)
}

/// The inputs of a set: its own arguments, everybody's weights.
fn inputs(function: &Runnable, seed: u64, options: &Options) -> Result<Arc<[Array]>, Refusal> {
    let references = &options.references;
    let make = |seed| references.generate(&function.program, Values::Normal, seed);
    let first = set_seed(0, options);
    let own = make(seed)?;
    let any_weight = (0..own.len()).any(|index| function.weight(index).is_some());
    if seed == first || !any_weight {
        return Ok(own);
    }
    let weights = make(first)?;
    let each = own.iter().zip(weights.iter()).enumerate();
    let each = each.map(|(index, (own, weight))| match function.weight(index) {
        Some(_) => weight.clone(),
        None => own.clone(),
    });
    Ok(each.collect())
}

/// Checks one timed run.
fn inspect(
    function: &Runnable,
    sets: &mut [Set],
    run: &TimedRun,
    options: &Options,
) -> Result<bool, Refusal> {
    if let Some(guard) = run.guards.first() {
        let detail = format!("in a timed run: {guard}");
        return Err(Refusal::new(Reason::Poison, detail));
    }
    let set = &mut sets[run.set];
    if let Some(outputs) = &set.outputs {
        same(
            outputs,
            run.outputs,
            "between two timed runs with the same inputs",
        )?;
        return Ok(false);
    }
    hold(function, set, run.outputs, options)
}

/// Holds outputs of a set against the oracle, once.
fn hold(
    function: &Runnable,
    set: &mut Set,
    outputs: &[HostTensor],
    options: &Options,
) -> Result<bool, Refusal> {
    let again = || inputs(function, set.seed, options);
    let mut decided = true;
    let held = set.expected.hold(outputs, &again, options)?;
    for (index, held) in held.iter().enumerate() {
        decided &= held.judge(index)?;
    }
    set.outputs = Some(outputs.to_vec());
    Ok(decided)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn inputs_of_timed_runs_are_new_ones() {
        let seeds = |seed| {
            let options = Options {
                seed,
                ..Options::default()
            };
            let timed = (0..=SETS.end).map(move |number| set_seed(number, &options));
            timed.collect::<Vec<u64>>()
        };
        let options = Options::default();
        // No case adds as much to the seed.
        let salts = 0..16;
        let mut seen: HashSet<u64> = salts.map(|salt| options.seed_of(salt)).collect();
        for seed in [0, 100] {
            for own in seeds(seed) {
                assert!(seen.insert(own), "{own}");
            }
        }
    }
}
