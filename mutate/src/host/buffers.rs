//! Buffers: aliased, too small, exchanged, stale.

use kforge_runtime::manifest::{Buffer, BufferId, Expr, Role};

use super::{Change, Operator, Subject, mutant, units};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "output_aliases_input",
        "a kernel writes over what it is given",
        |subject| {
            written(subject, |subject, step, argument| {
                let inputs = subject.entry()?.inputs.first()?.buffer;
                Some(subject.on_step(step, move |step| step.args[argument].buffer = inputs))
            })
        },
    ),
    mutant(
        "output_is_own_input",
        "a kernel writes to a buffer that it reads",
        |subject| {
            written(subject, |subject, step, argument| {
                let (_, dispatch) = subject.steps().nth(step)?;
                let kernel = subject.package.manifest.kernels.get(&dispatch.kernel)?;
                let read = kernel.bindings.iter().position(|it| !it.access.writes())?;
                Some(subject.on_step(step, move |step| {
                    step.args[argument] = step.args[read].clone();
                }))
            })
        },
    ),
    mutant(
        "output_left_stale",
        "a kernel writes to a buffer that nobody reads",
        |subject| {
            written(subject, |subject, step, argument| {
                let (_, dispatch) = subject.steps().nth(step)?;
                let buffer = dispatch.args[argument].buffer;
                let name = subject.entry.to_owned();
                Some(Box::new(move |package| {
                    let new = BufferId(package.manifest.buffers.len() as u32);
                    let Some(old) = package.manifest.buffer(buffer).cloned() else {
                        return;
                    };
                    package.manifest.buffers.push(Buffer {
                        name: "unread".into(),
                        role: Role::Scratch,
                        ..old
                    });
                    let entry = package.manifest.entries.get_mut(&name);
                    if let Some(kforge_runtime::manifest::Step::Dispatch(dispatch)) =
                        entry.and_then(|entry| entry.steps.get_mut(step))
                    {
                        dispatch.args[argument].buffer = new;
                    }
                    units::refresh(package, &name);
                }))
            })
        },
    ),
    mutant(
        "buffer_too_small",
        "a buffer has half of its elements",
        |subject| {
            let buffers = subject.package.manifest.buffers.iter().enumerate();
            let dense = buffers.filter_map(|(index, buffer)| {
                let axis = buffer
                    .shape
                    .iter()
                    .position(|size| size.as_constant().is_some_and(|size| size > 1))?;
                let half = buffer.shape[axis].as_constant()? / 2;
                let change: Change = Box::new(move |package| {
                    package.manifest.buffers[index].shape[axis] = Expr::Constant(half);
                });
                Some(change)
            });
            dense.collect()
        },
    ),
    mutant(
        "result_of_other_buffer",
        "another buffer is returned",
        |subject| {
            let Some(entry) = subject.entry() else {
                return Vec::new();
            };
            let manifest = &subject.package.manifest;
            let mut changes = Vec::new();
            for (port, output) in entry.outputs.iter().enumerate() {
                let own = manifest.buffer(output.buffer);
                for (index, buffer) in manifest.buffers.iter().enumerate() {
                    let other = BufferId(index as u32);
                    let alike = own
                        .is_some_and(|own| own.dtype == buffer.dtype && own.shape == buffer.shape);
                    if alike && other != output.buffer {
                        changes.push(subject.on_entry(move |entry| {
                            entry.outputs[port].buffer = other;
                        }));
                    }
                }
            }
            changes
        },
    ),
    mutant(
        "inputs_exchanged",
        "two inputs are given to each other's buffer",
        |subject| {
            let ports = subject.entry().map_or(&[][..], |entry| &entry.inputs);
            let mut changes = Vec::new();
            for a in 0..ports.len() {
                for b in a + 1..ports.len() {
                    let (first, second) = (&ports[a], &ports[b]);
                    if first.dtype == second.dtype && first.shape == second.shape {
                        changes.push(subject.on_entry(move |entry| {
                            let kept = entry.inputs[a].buffer;
                            entry.inputs[a].buffer = entry.inputs[b].buffer;
                            entry.inputs[b].buffer = kept;
                        }));
                    }
                }
            }
            changes
        },
    ),
    mutant("outputs_dropped", "nothing is returned", |subject| {
        vec![subject.on_entry(|entry| entry.outputs.clear())]
    }),
    mutant(
        "constant_changed",
        "one element of a constant is another",
        |subject| {
            let constants = subject.package.constants.keys().cloned();
            constants
                .map(|name| -> Change {
                    Box::new(move |package| {
                        let Some(tensor) = package.constants.get(&name) else {
                            return;
                        };
                        let mut values = tensor.to_f64_vec();
                        if let Some(first) = values.first_mut() {
                            *first += 1.0;
                        }
                        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
                        if let Ok(other) =
                            kforge_runtime::HostTensor::from_f64(dtype, &shape, &values)
                        {
                            package.constants.insert(name.clone(), other);
                        }
                    })
                })
                .collect()
        },
    ),
];

/// A change for every argument that a kernel writes.
fn written(
    subject: &Subject<'_>,
    change: impl Fn(&Subject<'_>, usize, usize) -> Option<Change>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, step) in subject.steps() {
        let Some(kernel) = subject.package.manifest.kernels.get(&step.kernel) else {
            continue;
        };
        for (argument, binding) in kernel.bindings.iter().enumerate() {
            if binding.access.writes() {
                changes.extend(change(subject, index, argument));
            }
        }
    }
    changes
}
