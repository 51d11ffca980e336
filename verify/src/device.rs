//! Comparisons (2) and (3): one entry on the device against its program.

use kforge_oracle::Values;
use kforge_runtime::{Device, ExecOptions, manifest::Step};

use crate::{
    Fault, Options, Scope, Verdict,
    bind::bind,
    hold::Expected,
    pair::{Pair, same},
    refusal::Refusal,
    subject::Runnable,
    verdict::Reason,
};

/// Checks every kind of input values; the first refusal ends it. False when nothing else is
/// to run afterwards.
pub fn check(
    subject: &Runnable,
    scope: Scope,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
    verdict: &mut Verdict,
) -> bool {
    let mut last = None;
    match check_cases(subject, scope, device, exec, options, verdict, &mut last) {
        Ok(()) => true,
        Err(refusal) => {
            if matches!(refusal.reason, Reason::Execution | Reason::Timing)
                && options.faults.has(Fault::LaunchFailureIgnored)
            {
                verdict.pass_unseen(&subject.stage, scope);
                return true;
            }
            // What is too slow is not wrong: no further check says more.
            let usable = !refusal.device_is_lost && refusal.reason != Reason::TooSlow;
            verdict.refuse(&subject.stage, scope, last, refusal.reason, refusal.detail);
            if let Some(failure) = verdict.failures.last_mut() {
                failure.knobs = knobs(subject);
                failure.max_abs_error = refusal.max_abs_error;
            }
            usable
        }
    }
}

/// `last` is the kind of values that was tried last.
fn check_cases(
    subject: &Runnable,
    scope: Scope,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
    verdict: &mut Verdict,
    last: &mut Option<Values>,
) -> Result<(), Refusal> {
    let cases = options.value_cases(&subject.program);
    // Another shape takes the first kinds of values, and further ones where those
    // decide nothing, as may be where it has one element.
    let enough = match scope {
        Scope::Shape => 2,
        _ => cases.len(),
    };
    let mut pair = Pair::new(subject, device, exec, options)?;
    let mut decided = false;
    for (number, (values, salt)) in cases.into_iter().enumerate() {
        if number >= enough && decided {
            break;
        }
        *last = Some(values);
        let seed = options.seed_of(salt);
        decided |= check_case(subject, scope, &mut pair, values, seed, options, verdict)?;
    }
    *last = None;
    // A shape's kernels differ from the unit's in numbers alone.
    if scope != Scope::Shape && !options.faults.has(Fault::RepeatsSkipped) {
        pair.run_first_again()?;
    }
    match decided {
        true => Ok(()),
        // Composed over many ops, a bound may outgrow its values for one kind of
        // input. For all of them it would mean that nothing was shown.
        false => Err(Refusal::new(
            Reason::Undecided,
            "no case has a bound that decides anything",
        )),
    }
}

fn check_case(
    subject: &Runnable,
    scope: Scope,
    pair: &mut Pair,
    values: Values,
    seed: u64,
    options: &Options,
    verdict: &mut Verdict,
) -> Result<bool, Refusal> {
    let inputs = || options.references.generate(&subject.program, values, seed);
    let arrays = inputs()?;
    let [outputs, others] = pair.run(bind(subject, &arrays)?)?;
    let expected = Expected::new(&subject.program, &arrays, seed, options)?;
    drop(arrays);
    let mut decided = true;
    let held = expected.hold(&outputs, &inputs, options)?;
    for (index, held) in held.iter().enumerate() {
        decided &= held.judge(index)?;
    }
    if !options.faults.has(Fault::DifferencesIgnored) {
        same(&outputs, &others, Pair::HOW)?;
    }
    if scope == Scope::Function {
        pair.hold_time(options.most_ms)?;
    }
    for held in &held {
        verdict.pass(&subject.stage, scope, values, held);
    }
    Ok(decided)
}

/// The knobs of the entry's kernels, for reports.
pub(crate) fn knobs(subject: &Runnable) -> String {
    let manifest = &subject.package.manifest;
    let Some(entry) = manifest.entries.get(&subject.entry) else {
        return String::new();
    };
    let mut texts: Vec<String> = Vec::new();
    for Step::Dispatch(dispatch) in &entry.steps {
        if let Some(kernel) = manifest.kernels.get(&dispatch.kernel) {
            let text = kernel.knob_text();
            if !text.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts.join("; ")
}
