//! The user's own run against the oracle: inputs as they were given, results as
//! they were returned.

use kforge_oracle::{CompareOptions, Comparison, EvalOptions, compare, evaluate};
use kforge_runtime::{HostTensor, Package};
use kforge_verify::{Subject, convert};

use super::{Failure, bind::Bound};

/// Compares each result with the reference program in f64, element by element.
pub(super) fn check(
    package: &Package,
    entry: &str,
    bound: &Bound,
    outputs: &[HostTensor],
) -> Result<Vec<Comparison>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Refused(format!(
            "the results cannot be held against the oracle: {error}"
        ))
    };
    let function = Subject::of_package(package, entry)
        .map_err(|error| failed(&error))?
        .function;
    let ports = package
        .manifest
        .entries
        .get(entry)
        .map_or(&[][..], |entry| &entry.inputs);
    let mut inputs = Vec::new();
    for (index, input) in function.program.inputs.iter().enumerate() {
        let tensor = match function.weight(index) {
            Some(name) => bound.weights.get(name),
            None => {
                let buffer = function.arguments.get(index);
                let port = ports.iter().position(|port| Some(&port.buffer) == buffer);
                port.and_then(|port| bound.inputs.get(port))
            }
        };
        let tensor = tensor.ok_or_else(|| failed(&format!("argument {index} is not bound")))?;
        let array = convert::array(tensor, &input.ty.shape);
        inputs.push(array.ok_or_else(|| {
            failed(&format!(
                "argument {index} is {}, which the oracle does not take",
                tensor.describe()
            ))
        })?);
    }
    let evaluation = evaluate(&function.program, &inputs, &EvalOptions::default())
        .map_err(|error| failed(&error))?;
    let references = evaluation.outputs();
    outputs
        .iter()
        .zip(references)
        .map(|(got, reference)| {
            compare(&got.to_f64_vec(), reference, &CompareOptions::default())
                .map_err(|error| failed(&error))
        })
        .collect()
}
