//! The kforge MLIR dialect.
//!
//! `KForgeOps.td` is its one definition. The build script turns it into the
//! registration table, the typed views and the builders; this crate adds what
//! ODS would write in C++: rules, folds and canonicalisations, in `ops`. The
//! C++ under `bridge/` is generic and holds nothing of kforge.

pub mod attributes;
mod bridge;
pub mod build;
pub mod device;
pub mod diagnostics;
mod ffi;
mod generated;
pub mod ir;
mod ops;
pub mod pass;
pub mod program;
mod register;
pub mod scan;
pub mod schedule;
pub mod tools;
mod types;
mod verify;

pub use generated::*;
pub use register::{context, parse, register, register_raw, transform_context};
pub use types::{Element, TensorType};

/// Why IR could not be built or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the op does not hold.
    #[error("'{op}' op {violation}")]
    Rule {
        /// The op's full name.
        op: &'static str,
        /// The broken rule.
        violation: Violation,
    },
    /// melior refused an access or a construction.
    #[error(transparent)]
    Ir(#[from] melior::Error),
    /// Anything else, said in one sentence.
    #[error("{0}")]
    Message(String),
}

/// A broken rule of an op: what is wrong, with the value and the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({rule})")]
pub struct Violation {
    /// The rule's label in KForgeOps.td, `C1`..`Cn`.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
}
