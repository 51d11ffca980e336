//! What a package says of its kernels and is not so.

use kforge_runtime::manifest::{Access, Code, Expr};

use super::{Change, Operator, Subject, mutant};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "write_claimed_read",
        "a buffer that is written is said to be read only",
        |subject| bindings(subject, |access| access.writes().then_some(Access::Read)),
    ),
    mutant(
        "input_claimed_written",
        "an input is said to be written",
        |subject| {
            bindings(subject, |access| {
                (!access.writes()).then_some(Access::ReadWrite)
            })
        },
    ),
    mutant(
        "elements_overstated",
        "a kernel is said to touch more than its buffer",
        |subject| {
            let kernels = subject.package.manifest.kernels.iter();
            let mut changes: Vec<Change> = Vec::new();
            for (name, kernel) in kernels {
                for (index, binding) in kernel.bindings.iter().enumerate() {
                    let Some(elements) = binding.elements.as_ref().and_then(Expr::as_constant)
                    else {
                        continue;
                    };
                    let name = name.clone();
                    changes.push(Box::new(move |package| {
                        if let Some(kernel) = package.manifest.kernels.get_mut(&name) {
                            kernel.bindings[index].elements = Some(Expr::Constant(2 * elements));
                        }
                    }));
                }
            }
            changes
        },
    ),
    mutant(
        "code_of_other_kernel",
        "a kernel has another kernel's code",
        |subject| {
            let kernels: Vec<_> = subject.package.manifest.kernels.iter().collect();
            let mut changes: Vec<Change> = Vec::new();
            for (name, kernel) in &kernels {
                let other = kernels.iter().find(|(other, it)| {
                    other != name && it.bindings.len() == kernel.bindings.len() && !it.is_native()
                });
                if let Some((_, other)) = other {
                    let (name, other) = ((*name).clone(), (*other).clone());
                    changes.push(Box::new(move |package| {
                        if let Some(kernel) = package.manifest.kernels.get_mut(&name) {
                            kernel.code = other.code.clone();
                            kernel.entry_point.clone_from(&other.entry_point);
                        }
                    }));
                }
            }
            changes
        },
    ),
    mutant(
        "launch_fails",
        "a kernel's code does not compile",
        |subject| {
            let kernels = subject.package.manifest.kernels.values();
            let files = kernels.filter_map(|kernel| match &kernel.code {
                Code::Wgsl { file } => Some(file.clone()),
                Code::Native { .. } => None,
            });
            files
                .map(|file| -> Change {
                    Box::new(move |package| {
                        package.files.insert(file.clone(), b"fn broken(".to_vec());
                    })
                })
                .collect()
        },
    ),
    mutant(
        "entry_point_missing",
        "a kernel's entry point is called otherwise",
        |subject| {
            let names = subject.package.manifest.kernels.keys().cloned();
            names
                .map(|name| -> Change {
                    Box::new(move |package| {
                        if let Some(kernel) = package.manifest.kernels.get_mut(&name) {
                            kernel.entry_point.push_str("_other");
                        }
                    })
                })
                .collect()
        },
    ),
];

fn bindings(subject: &Subject<'_>, other: fn(Access) -> Option<Access>) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for (name, kernel) in &subject.package.manifest.kernels {
        for (index, binding) in kernel.bindings.iter().enumerate() {
            let Some(access) = other(binding.access) else {
                continue;
            };
            let name = name.clone();
            changes.push(Box::new(move |package| {
                if let Some(kernel) = package.manifest.kernels.get_mut(&name) {
                    kernel.bindings[index].access = access;
                }
            }));
        }
    }
    changes
}
