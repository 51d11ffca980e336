//! The operators: each lists every place of a kernel where it applies.

mod comparisons;
mod control;
mod controls;
mod floats;
mod integers;
mod interface;
mod literals;
mod memory;
mod selects;
mod stores;

use naga::{Expression, Handle};

use super::{Edit, Kernel};
use crate::kind::{Kind, Place};

/// A kind of change, and where it can be made.
pub struct Operator {
    /// What it is called.
    pub kind: Kind,
    /// One change per place, in the kernel's order.
    pub edits: fn(&Kernel) -> Vec<Edit>,
}

/// Every operator, by what it changes.
pub static OPERATORS: &[&[Operator]] = &[
    integers::OPERATORS,
    comparisons::OPERATORS,
    selects::OPERATORS,
    floats::OPERATORS,
    literals::OPERATORS,
    memory::OPERATORS,
    stores::OPERATORS,
    control::OPERATORS,
    interface::OPERATORS,
    controls::OPERATORS,
];

const fn mutant(
    name: &'static str,
    what: &'static str,
    edits: fn(&Kernel) -> Vec<Edit>,
) -> Operator {
    Operator {
        kind: Kind::mutant(Place::Kernel, name, what),
        edits,
    }
}

const fn control(
    name: &'static str,
    what: &'static str,
    edits: fn(&Kernel) -> Vec<Edit>,
) -> Operator {
    Operator {
        kind: Kind::control(Place::Kernel, name, what),
        edits,
    }
}

/// An edit for every expression that has one.
fn each(
    kernel: &Kernel,
    edit: impl Fn(Handle<Expression>, &Expression) -> Option<Edit>,
) -> Vec<Edit> {
    let all = kernel.expressions();
    all.filter_map(|(handle, expression)| edit(handle, expression))
        .collect()
}
