//! One mutant: a kind at one place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    host,
    kernel::{self, Kernel},
    kind::{Kind, Place, Purpose},
};

/// A kind at one place of a package.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Where.
    pub place: Place,
    /// The kind's name.
    pub kind: String,
    /// The kernel that is changed, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Number of the place among those where the kind applies.
    pub at: usize,
}

/// Kinds that are made of a package: of its kernels and of its launches.
pub fn kinds() -> impl Iterator<Item = Kind> {
    let kernels = kernel::OPERATORS.iter().copied().flatten();
    let hosts = host::OPERATORS.iter().copied().flatten();
    kernels.map(|it| it.kind).chain(hosts.map(|it| it.kind))
}

/// The operator on kernels of a name.
pub(crate) fn kernel_operator(name: &str) -> Option<&'static kernel::Operator> {
    let mut all = kernel::OPERATORS.iter().copied().flatten();
    all.find(|operator| operator.kind.name == name)
}

/// The operator on packages of a name.
pub(crate) fn host_operator(name: &str) -> Option<&'static host::Operator> {
    let mut all = host::OPERATORS.iter().copied().flatten();
    all.find(|operator| operator.kind.name == name)
}

/// What the gate must do with a kind that is made of a package.
pub fn purpose(name: &str) -> Option<Purpose> {
    kinds()
        .find(|kind| kind.name == name)
        .map(|kind| kind.purpose)
}

/// Every instance in one kernel.
pub(crate) fn of_kernel(name: &str, kernel: &Kernel) -> Vec<Instance> {
    let operators = kernel::OPERATORS.iter().copied().flatten();
    let of = |operator: &kernel::Operator| {
        let count = (operator.edits)(kernel).len();
        (0..count).map(|at| Instance {
            place: Place::Kernel,
            kind: operator.kind.name.into(),
            kernel: Some(name.into()),
            at,
        })
    };
    operators.flat_map(of).collect()
}

/// Every instance in an entry's launches, buffers and programs.
pub(crate) fn of_host(subject: &host::Subject<'_>) -> Vec<Instance> {
    let operators = host::OPERATORS.iter().copied().flatten();
    let of = |operator: &host::Operator| {
        let count = (operator.changes)(subject).len();
        (0..count).map(|at| Instance {
            place: Place::Host,
            kind: operator.kind.name.into(),
            kernel: None,
            at,
        })
    };
    operators.flat_map(of).collect()
}
