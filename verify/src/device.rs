//! Comparisons (2) and (3): one entry on the device against its program.

use std::collections::BTreeMap;

use kforge_oracle::{
    Array, Comparison, EvalOptions, Outcome, Program, Values, compare, evaluate, generate,
};
use kforge_runtime::{
    Device, ExecOptions, Executable, HostTensor, Poison, RunOptions, RunResult,
    manifest::{BufferId, Step, Symbols},
};

use crate::{
    Options, Scope, Verdict, convert,
    large::Large,
    subject::Runnable,
    verdict::{self, Reason},
};

/// Checks every kind of input values; the first refusal ends it.
pub fn check(
    subject: &Runnable,
    scope: Scope,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
    verdict: &mut Verdict,
) {
    let cases = options.value_cases();
    // Another shape takes the first kinds of values, and further ones where those
    // decide nothing, as may be where it has one element.
    let enough = match scope {
        Scope::Shape => 2,
        _ => cases.len(),
    };
    let own = ExecOptions {
        native: subject.native.clone(),
        ..exec.clone()
    };
    let exec = if subject.native.is_empty() {
        exec
    } else {
        &own
    };
    let executable = Executable::new(
        device,
        &subject.package,
        &subject.entry,
        &Symbols::new(),
        exec,
    );
    let mut executable = match executable {
        Ok(executable) => executable,
        Err(error) => {
            verdict.refuse(
                &subject.stage,
                scope,
                None,
                Reason::Execution,
                error.to_string(),
            );
            return;
        }
    };
    let mut decided = false;
    for (number, (values, salt)) in cases.into_iter().enumerate() {
        if number >= enough && decided {
            break;
        }
        let seed = options.seed.wrapping_add(salt);
        match check_case(
            subject,
            scope,
            &mut executable,
            values,
            seed,
            options,
            verdict,
        ) {
            Ok(says) => decided |= says,
            Err((reason, detail)) => {
                refuse(subject, scope, Some(values), reason, detail, verdict);
                return;
            }
        }
    }
    if !decided {
        // Composed over many ops, a bound may outgrow its values for one kind of
        // input. For all of them it would mean that nothing was shown.
        let detail = "no case has a bound that decides anything".to_owned();
        refuse(subject, scope, None, Reason::Undecided, detail, verdict);
    }
}

fn refuse(
    subject: &Runnable,
    scope: Scope,
    values: Option<Values>,
    reason: Reason,
    detail: String,
    verdict: &mut Verdict,
) {
    verdict.refuse(&subject.stage, scope, values, reason, detail);
    if let Some(failure) = verdict.failures.last_mut() {
        failure.knobs = knobs(subject);
    }
}

type Refusal = (Reason, String);

fn check_case(
    subject: &Runnable,
    scope: Scope,
    executable: &mut Executable,
    values: Values,
    seed: u64,
    options: &Options,
    verdict: &mut Verdict,
) -> Result<bool, Refusal> {
    let failed = |error: &dyn std::fmt::Display| (Reason::Execution, error.to_string());
    let inputs = generate(&subject.program, values, seed).map_err(|error| failed(&error))?;
    let with_nan = run(subject, executable, &inputs, Poison::Nan, options)?;
    let with_big = run(subject, executable, &inputs, Poison::Big, options)?;
    for result in [&with_nan, &with_big] {
        if let Some(guard) = result.guards.first() {
            return Err((Reason::Poison, guard.to_string()));
        }
    }
    let compared = hold(&subject.program, &inputs, &with_nan.outputs, seed, options)?;
    let mut decided = true;
    for (index, (got, result)) in with_nan.outputs.iter().zip(compared).enumerate() {
        let says = result.undecided < result.elements || result.elements == 0;
        decided &= says;
        if !result.passed && says {
            let reason = match result.outcome {
                Outcome::OnlyWithinUser => Reason::OnlyWithinTolerance,
                _ => Reason::NumericMismatch,
            };
            return Err((
                reason,
                format!("output {index}: {}", verdict::describe(&result)),
            ));
        }
        // What lies behind the inputs must not show, not even in rounding.
        if got.bytes() != with_big.outputs[index].bytes() {
            let detail = format!(
                "output {index} differs between two runs with the same inputs and other padding"
            );
            return Err((Reason::Determinism, detail));
        }
        verdict.pass(&subject.stage, scope, values, &result);
    }
    Ok(decided)
}

/// The device's outputs against the program on the same inputs.
fn hold(
    program: &Program,
    inputs: &[Array],
    outputs: &[HostTensor],
    seed: u64,
    options: &Options,
) -> Result<Vec<Comparison>, Refusal> {
    let failed = |error: &dyn std::fmt::Display| (Reason::Execution, error.to_string());
    if outputs.len() != program.outputs.len() {
        let detail = format!(
            "the package has {} outputs, the program {}",
            outputs.len(),
            program.outputs.len()
        );
        return Err((Reason::Execution, detail));
    }
    if let Some(product) = Large::of(program, options.full_multiply_adds) {
        let got = outputs[0].to_f64_vec();
        return Ok(vec![product.check(inputs, &got, seed, options)?]);
    }
    let evaluation =
        evaluate(program, inputs, &EvalOptions::default()).map_err(|error| failed(&error))?;
    outputs
        .iter()
        .zip(evaluation.outputs())
        .map(|(got, reference)| {
            compare(&got.to_f64_vec(), reference, &options.tolerance())
                .map_err(|error| failed(&error))
        })
        .collect()
}

fn run(
    subject: &Runnable,
    executable: &mut Executable,
    inputs: &[Array],
    poison: Poison,
    options: &Options,
) -> Result<RunResult, Refusal> {
    let failed = |error: &dyn std::fmt::Display| (Reason::Execution, error.to_string());
    let mut weights: BTreeMap<String, HostTensor> = BTreeMap::new();
    let mut passed: BTreeMap<BufferId, HostTensor> = BTreeMap::new();
    for (index, array) in inputs.iter().enumerate() {
        let tensor = convert::tensor(array).map_err(|error| failed(&error))?;
        match subject.weight(index) {
            Some(name) => drop(weights.insert(name.to_owned(), tensor)),
            None => drop(passed.insert(subject.arguments[index], tensor)),
        }
    }
    let entry = subject.package.manifest.entries.get(&subject.entry);
    let ports = entry.map_or(&[][..], |entry| &entry.inputs);
    let arguments: Vec<HostTensor> = ports
        .iter()
        .map(|port| {
            let tensor = passed
                .remove(&port.buffer)
                .ok_or_else(|| failed(&"an input of the entry is no input of its program"))?;
            // A unit may see the bytes of a buffer under another shape.
            let shape: Option<Vec<usize>> = port
                .shape
                .iter()
                .map(|size| usize::try_from(size.as_constant()?).ok())
                .collect();
            match shape {
                Some(shape) => tensor.reshape(shape).map_err(|error| failed(&error)),
                None => Ok(tensor),
            }
        })
        .collect::<Result<_, _>>()?;
    let run = RunOptions {
        poison: Some(poison),
        timeout_ms: options.timeout_ms,
        ..RunOptions::default()
    };
    executable
        .run(&arguments, &weights, &run)
        .map_err(|error| failed(&error))
}

/// The knobs of the entry's kernels, for reports.
fn knobs(subject: &Runnable) -> String {
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
