//! Launches: how many workgroups, of which kernel, in which order, with which arguments.

use kforge_runtime::manifest::{Expr, Float, Immediate, Step};

use super::{Change, Operator, Subject, control, mutant, units};

pub const OPERATORS: &[Operator] = &[
    mutant("workgroups_rounded_down", "one workgroup less", |subject| {
        counts(subject, |count| count.checked_sub(1))
    }),
    mutant("workgroups_halved", "half of the workgroups", |subject| {
        counts(subject, |count| (count > 1).then_some(count / 2))
    }),
    mutant("workgroups_none", "no workgroup", |subject| {
        counts(subject, |count| (count > 1).then_some(0))
    }),
    mutant("workgroups_rounded_up", "one workgroup more", |subject| {
        counts(subject, |count| count.checked_add(1))
    }),
    mutant(
        "workgroups_exchanged",
        "workgroups of x and y are exchanged",
        |subject| {
            let differ = subject
                .steps()
                .filter(|(_, step)| step.workgroups[0] != step.workgroups[1]);
            differ
                .map(|(index, _)| subject.on_step(index, |step| step.workgroups.swap(0, 1)))
                .collect()
        },
    ),
    mutant("launch_dropped", "a kernel is not launched", |subject| {
        let all = subject.steps().map(|(index, _)| index);
        all.map(|at| {
            edited(
                subject,
                at,
                |steps, at| drop(steps.remove(at)),
                units::without_step,
            )
        })
        .collect()
    }),
    control("launch_repeated", "a kernel is launched twice", |subject| {
        let pure = subject.steps().filter(|(_, step)| {
            let kernel = subject.package.manifest.kernels.get(&step.kernel);
            kernel.is_some_and(|kernel| {
                let mut bindings = kernel.bindings.iter();
                bindings.all(|it| !(it.access.reads() && it.access.writes()))
            })
        });
        let again = |(at, _)| {
            edited(
                subject,
                at,
                |steps, at| steps.insert(at, steps[at].clone()),
                |units, entry, at| units::with_step_again(units, entry, at),
            )
        };
        pure.map(again).collect()
    }),
    mutant(
        "launches_exchanged",
        "two launches are exchanged",
        |subject| {
            let count = subject.steps().count();
            let pairs = (1..count)
                .map(|second| subject.on_entry(move |entry| entry.steps.swap(second - 1, second)));
            pairs.collect()
        },
    ),
    mutant(
        "kernel_of_other_launch",
        "the kernel of another launch is launched",
        |subject| {
            let mut changes = Vec::new();
            for (index, step) in subject.steps() {
                let other = subject.steps().find(|(_, other)| {
                    other.kernel != step.kernel && other.args.len() == step.args.len()
                });
                if let Some((_, other)) = other {
                    let kernel = other.kernel.clone();
                    changes
                        .push(subject.on_step(index, move |step| step.kernel.clone_from(&kernel)));
                }
            }
            changes
        },
    ),
    mutant(
        "arguments_exchanged",
        "two arguments of a kernel are exchanged",
        |subject| pairs(subject, |step, a, b| step.args.swap(a, b)),
    ),
    mutant(
        "argument_repeated",
        "a kernel gets one argument twice",
        |subject| pairs(subject, |step, a, b| step.args[a] = step.args[b].clone()),
    ),
    mutant(
        "argument_offset",
        "an argument begins 256 bytes late",
        |subject| {
            let mut changes = Vec::new();
            for (index, step) in subject.steps() {
                for argument in 0..step.args.len() {
                    changes.push(subject.on_step(index, move |step| {
                        step.args[argument].byte_offset = Expr::Constant(256);
                    }));
                }
            }
            changes
        },
    ),
    mutant(
        "immediate_changed",
        "a scalar argument is another",
        |subject| {
            let mut changes = Vec::new();
            for (index, step) in subject.steps() {
                for scalar in 0..step.immediates.len() {
                    changes.push(subject.on_step(index, move |step| {
                        let other = match &step.immediates[scalar] {
                            Immediate::F32(Float(value)) => Immediate::from(value * 0.999),
                            Immediate::Integer(Expr::Constant(value)) => {
                                Immediate::Integer(Expr::Constant(value + 1))
                            }
                            unchanged => unchanged.clone(),
                        };
                        step.immediates[scalar] = other;
                    }));
                }
            }
            changes
        },
    ),
];

/// Another count in every dimension that has one.
fn counts(subject: &Subject<'_>, other: impl Fn(i64) -> Option<i64>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, step) in subject.steps() {
        for axis in 0..3 {
            let count = step.workgroups[axis].as_constant();
            // A dimension of one workgroup has nothing to round.
            let Some(new) = count.filter(|it| *it > 1 || axis == 0).and_then(&other) else {
                continue;
            };
            changes.push(subject.on_step(index, move |step| {
                step.workgroups[axis] = Expr::Constant(new);
            }));
        }
    }
    changes
}

/// Every two arguments of a launch that are different buffers of one type.
fn pairs(
    subject: &Subject<'_>,
    change: fn(&mut kforge_runtime::manifest::Dispatch, usize, usize),
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, step) in subject.steps() {
        let Some(kernel) = subject.package.manifest.kernels.get(&step.kernel) else {
            continue;
        };
        let bindings = &kernel.bindings;
        for a in 0..step.args.len() {
            for b in a + 1..step.args.len() {
                let alike = bindings[a].dtype == bindings[b].dtype;
                if alike && step.args[a] != step.args[b] {
                    changes.push(subject.on_step(index, move |step| change(step, a, b)));
                }
            }
        }
    }
    changes
}

/// Changes the launches at `at`, and the units that they are listed in.
fn edited(
    subject: &Subject<'_>,
    at: usize,
    steps: fn(&mut Vec<Step>, usize),
    listed: fn(&mut Vec<kforge_runtime::manifest::Unit>, &str, usize),
) -> Change {
    let name = subject.entry.to_owned();
    Box::new(move |package| {
        if let Some(entry) = package.manifest.entries.get_mut(&name) {
            steps(&mut entry.steps, at);
        }
        units::change(package, |units| listed(units, &name, at));
    })
}
