//! Operators on kernels: what they change, what naga accepts, and what stays the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeSet;

use kforge_mutate::{
    Purpose,
    kernel::{Kernel, OPERATORS},
    kinds,
};

/// The kernels whose shader text is under review, one tiled and one with vectors.
fn kernels() -> Vec<Kernel> {
    [
        "tiled_matmul",
        "naive_matmul",
        "vector_add",
        "subgroup_reduction",
    ]
    .into_iter()
    .map(|name| {
        let root = env!("CARGO_MANIFEST_DIR");
        let path = format!("{root}/../shaders/snapshots/{name}.wgsl");
        Kernel::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
    })
    .collect()
}

#[test]
fn what_is_read_and_written_is_read_and_written_the_same() {
    for kernel in kernels() {
        let text = kernel.text().unwrap();
        assert_eq!(Kernel::parse(&text).unwrap().text().unwrap(), text);
    }
}

#[test]
fn every_mutant_differs_and_nearly_every_one_is_valid() {
    let (mut built, mut refused) = (0, Vec::new());
    for kernel in kernels() {
        let unchanged = kernel.text().unwrap();
        for operator in OPERATORS.iter().copied().flatten() {
            if operator.kind.purpose == Purpose::Control {
                continue;
            }
            for edit in (operator.edits)(&kernel) {
                match kernel.changed(&edit) {
                    Ok(text) => {
                        built += 1;
                        assert_ne!(text, unchanged, "{} changes nothing", operator.kind.name);
                        Kernel::parse(&text).unwrap();
                    }
                    Err(_) => refused.push(operator.kind.name),
                }
            }
        }
    }
    assert!(built > 300, "{built}");
    assert!(
        refused.len() * 20 < built,
        "{} of {built}: {refused:?}",
        refused.len()
    );
}

#[test]
fn names_of_kinds_are_unique() {
    let names: Vec<&str> = kinds().map(|kind| kind.name).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len());
}
