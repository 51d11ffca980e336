//! Inputs of a program as an entry takes them.

use std::collections::BTreeMap;

use kforge_oracle::Array;
use kforge_runtime::{HostTensor, manifest::BufferId};

use crate::{convert, refusal::Refusal, subject::Runnable};

/// What one run of an entry takes.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    /// In the entry's order.
    pub arguments: Vec<HostTensor>,
    /// By name.
    pub weights: BTreeMap<String, HostTensor>,
}

/// One array per input of the program, to weights and arguments of its entry.
pub(crate) fn bind(subject: &Runnable, inputs: &[Array]) -> Result<Bound, Refusal> {
    let mut weights: BTreeMap<String, HostTensor> = BTreeMap::new();
    let mut passed: BTreeMap<BufferId, HostTensor> = BTreeMap::new();
    for (index, array) in inputs.iter().enumerate() {
        let tensor = convert::tensor(array).map_err(Refusal::failed)?;
        match subject.weight(index) {
            Some(name) => drop(weights.insert(name.to_owned(), tensor)),
            None => {
                let buffer = subject.arguments.get(index).ok_or_else(|| {
                    let (program, entry) = (inputs.len(), subject.arguments.len());
                    Refusal::failed(format!(
                        "the program has {program} inputs, the kernels read {entry}"
                    ))
                })?;
                passed.insert(*buffer, tensor);
            }
        }
    }
    let entry = subject.package.manifest.entries.get(&subject.entry);
    let ports = entry.map_or(&[][..], |entry| &entry.inputs);
    let arguments: Vec<HostTensor> = ports
        .iter()
        .map(|port| {
            let tensor = passed.remove(&port.buffer).ok_or_else(|| {
                Refusal::failed("an input of the entry is no input of its program")
            })?;
            // A unit may see the bytes of a buffer under another shape.
            let shape: Option<Vec<usize>> = port
                .shape
                .iter()
                .map(|size| usize::try_from(size.as_constant()?).ok())
                .collect();
            match shape {
                Some(shape) => tensor.reshape(shape).map_err(Refusal::failed),
                None => Ok(tensor),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(Bound { arguments, weights })
}
