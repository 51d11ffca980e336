//! Whether a survivor is observably the package that was there.
//!
//! Three things together: every access of every kernel is inside its buffer or array; on
//! 42 draws of inputs no bit of any output differs from the unchanged package's; and the
//! change is none of the order of memory, which a run cannot show. The draws are normal
//! numbers, numbers of any exponent from 2^-20 to 2^17, and the cases of the gate. A kernel
//! that rounds once more, drops a term or clamps a value differs in some bit of some draw.
//!
//! One whose outputs differ may still be as good: where on no draw its largest or its root
//! mean square error, both against f64, is more than three times the unchanged package's,
//! what was changed is within the rounding that the computation has anyway. Two units of
//! f32's last place are no error of the changed one, since the unchanged one may happen to be exact.

use std::collections::BTreeMap;

use kforge_oracle::{Array, DType, EvalOptions, Level, Values, cases_of, evaluate, generate};
use kforge_runtime::{
    Device, ExecOptions, Executable, HostTensor, Package, Poison, RunOptions,
    manifest::{Code, Step, Symbols},
};
use kforge_verify::{Options, Reason, Runnable, Subject, convert, verify};

use crate::kernel::{Kernel, Watched, watch_bounds};

/// Draws of normal numbers and of numbers of any exponent.
const DRAWS: u64 = 14;
/// Errors that are as good, in those of the unchanged package.
const AS_GOOD: f64 = 3.0;
/// Two units of the last place of f32, relative: an error that any rounding may make.
const ROUNDING: f64 = 4.0 / (1 << 24) as f64;

/// What is observed of a survivor.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// It leaves its buffers: the kernel.
    OutOfBounds(String),
    /// Its outputs differ on some draw, and are worse there.
    Differs(String),
    /// Its outputs differ, and are nowhere much worse: the largest ratio of errors.
    AsGood(f64),
    /// None of them.
    Same,
}

/// Compares a survivor with what was there.
pub fn observe(
    unchanged: &Subject,
    mutant: &Subject,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
) -> Result<Observed, String> {
    let function = &mutant.function;
    for name in function.package.manifest.kernels.keys() {
        if let Some(package) = wired(&function.package, &function.entry, name) {
            let text = |error: kforge_verify::SubjectError| error.to_string();
            let subject = Subject::of_package(&package, &function.entry).map_err(text)?;
            match verify(&subject, device, exec, options).failures.first() {
                None => {}
                // Not run to its end: nothing is known of its accesses.
                Some(failure) if matches!(failure.reason, Reason::Execution | Reason::Timing) => {
                    return Err(failure.detail.clone());
                }
                Some(_) => return Ok(Observed::OutOfBounds(name.clone())),
            }
        }
    }
    let instance = |runnable: &Runnable| {
        Executable::new(
            device,
            &runnable.package,
            &runnable.entry,
            &Symbols::new(),
            exec,
        )
        .map_err(|error| error.to_string())
    };
    let mut first = instance(&unchanged.function)?;
    let mut second = instance(function)?;
    let mut worst: Option<f64> = None;
    for (number, inputs) in draws(&unchanged.function)?.into_iter().enumerate() {
        let a = run(&mut first, &unchanged.function, &inputs, options)?;
        let b = run(&mut second, function, &inputs, options)?;
        if a.iter().zip(&b).all(|(a, b)| a.bytes() == b.bytes()) {
            continue;
        }
        let program = &unchanged.function.program;
        let reference = evaluate(program, &inputs, &EvalOptions::default())
            .map_err(|error| error.to_string())?;
        for ((a, b), right) in a.iter().zip(&b).zip(reference.outputs()) {
            let ratio = ratio(&a.to_f64_vec(), &b.to_f64_vec(), &right.value);
            if ratio > AS_GOOD {
                return Ok(Observed::Differs(format!("draw {number}")));
            }
            worst = Some(worst.unwrap_or(0.0).max(ratio));
        }
    }
    Ok(worst.map_or(Observed::Same, Observed::AsGood))
}

/// How much larger the errors of `changed` are than those of `unchanged`: the larger ratio of
/// the largest and of the root mean square ones. Infinite where an exact result is more than
/// rounded.
fn ratio(unchanged: &[f64], changed: &[f64], right: &[f64]) -> f64 {
    let mut sums = [(0.0f64, 0.0f64); 2];
    for ((a, b), right) in unchanged.iter().zip(changed).zip(right) {
        let mut errors = [(a - right).abs(), (b - right).abs()];
        // An overflow, or rows that have no value: no distance, so they must be the same.
        if !errors[0].is_finite() && a.to_bits() == b.to_bits() {
            continue;
        }
        if !errors[1].is_finite() {
            return f64::INFINITY;
        }
        if errors[1] <= ROUNDING * right.abs() {
            errors[1] = 0.0;
        }
        for ((largest, squares), error) in sums.iter_mut().zip(errors) {
            *largest = largest.max(error);
            *squares += error * error;
        }
    }
    let [(largest, squares), changed] = sums;
    let share = |of: f64, by: f64| if of == 0.0 { 0.0 } else { of / by };
    share(changed.0, largest).max(share(changed.1, squares).sqrt())
}

/// A package with one kernel wired at its accesses.
fn wired(package: &Package, entry: &str, name: &str) -> Option<Package> {
    let manifest = &package.manifest;
    let kernel = Kernel::parse(package.wgsl(name)?).ok()?;
    let steps = &manifest.entries.get(entry)?.steps;
    let step = steps
        .iter()
        .map(|Step::Dispatch(dispatch)| dispatch)
        .find(|dispatch| dispatch.kernel == name)?;
    let record = manifest.kernels.get(name)?;
    let mut bytes = BTreeMap::new();
    for (binding, argument) in step.args.iter().enumerate() {
        let extent = manifest
            .buffer(argument.buffer)?
            .instantiate(&Symbols::new())
            .ok()?;
        bytes.insert(u32::try_from(binding).ok()?, extent.bytes);
    }
    let binding = record.bindings.iter().position(|it| it.access.writes())?;
    let binding = u32::try_from(binding).ok()?;
    let behind = bytes.get(&binding)?.next_multiple_of(256) + 256;
    let place = Watched {
        binding,
        byte: u32::try_from(behind).ok()?,
    };
    let text = watch_bounds(&kernel, &bytes, place).ok()??;
    let Code::Wgsl { file } = record.code.clone() else {
        return None;
    };
    let mut package = package.clone();
    package.files.insert(file, text.into_bytes());
    Some(package)
}

fn draws(function: &Runnable) -> Result<Vec<Vec<Array>>, String> {
    let program = &function.program;
    let made = |values, seed| generate(program, values, seed).map_err(|error| error.to_string());
    let mut all = Vec::new();
    for seed in 0..DRAWS {
        let normal = made(Values::Normal, 1000 + seed)?;
        all.push(wide(&normal, seed));
        all.push(normal);
    }
    for (values, salt) in cases_of(program, Level::Full) {
        all.push(made(values, 2000 + salt)?);
    }
    Ok(all)
}

/// Numbers of any exponent in the places of f32.
fn wide(inputs: &[Array], seed: u64) -> Vec<Array> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut inputs = inputs.to_vec();
    for array in inputs.iter_mut().filter(|it| it.ty.dtype == DType::F32) {
        for value in &mut array.value {
            let bits = next();
            let exponent = 127 - 20 + (bits >> 32) as u32 % 38;
            let word = (bits as u32 & 0x807F_FFFF) | exponent << 23;
            *value = f64::from(f32::from_bits(word));
        }
    }
    inputs
}

fn run(
    executable: &mut Executable,
    function: &Runnable,
    inputs: &[Array],
    options: &Options,
) -> Result<Vec<HostTensor>, String> {
    let mut weights = BTreeMap::new();
    let mut passed = BTreeMap::new();
    for (index, array) in inputs.iter().enumerate() {
        let tensor = convert::tensor(array).map_err(|error| error.to_string())?;
        match (function.weight(index), function.arguments.get(index)) {
            (Some(name), _) => drop(weights.insert(name.to_owned(), tensor)),
            (None, Some(buffer)) => drop(passed.insert(*buffer, tensor)),
            (None, None) => return Err("an input has no buffer".into()),
        }
    }
    let entry = function.package.manifest.entries.get(&function.entry);
    let ports = entry.map_or(&[][..], |entry| &entry.inputs);
    let arguments: Option<Vec<HostTensor>> = ports
        .iter()
        .map(|port| passed.get(&port.buffer).cloned())
        .collect();
    let arguments = arguments.ok_or("an input of the entry is no input of its program")?;
    let run = RunOptions {
        poison: Some(Poison::Nan),
        timeout_ms: options.timeout_ms,
    };
    let result = executable.run(&arguments, &weights, &run);
    Ok(result.map_err(|error| error.to_string())?.outputs)
}

#[cfg(test)]
mod tests {
    use super::ratio;

    #[test]
    fn errors_are_compared_at_the_same_reference() {
        let right = [1.0, 2.0, -3.0];
        let a = [1.1, 2.0, -3.0];
        assert_eq!(ratio(&a, &right, &right), 0.0);
        assert_eq!(ratio(&right, &a, &right), f64::INFINITY);
        // A unit of the last place is none, ten are.
        assert_eq!(ratio(&right, &[1.0 + 1.2e-7, 2.0, -3.0], &right), 0.0);
        assert_eq!(
            ratio(&right, &[1.0 + 1.2e-6, 2.0, -3.0], &right),
            f64::INFINITY
        );
        let twice = ratio(&a, &[1.2, 2.0, -3.0], &right);
        assert!((twice - 2.0).abs() < 1e-9, "{twice}");
        // As large, but everywhere.
        let wide = ratio(&a, &[1.1, 2.1, -3.1], &right);
        assert!((wide - 3f64.sqrt()).abs() < 1e-9, "{wide}");
        assert_eq!(ratio(&a, &[f64::NAN, 2.0, -3.0], &right), f64::INFINITY);
        let overflow = [f64::INFINITY, 2.0];
        assert_eq!(ratio(&overflow, &overflow, &[f64::INFINITY, 2.0]), 0.0);
        assert_eq!(
            ratio(&overflow, &[9.0, 2.0], &[f64::INFINITY, 2.0]),
            f64::INFINITY
        );
    }
}
