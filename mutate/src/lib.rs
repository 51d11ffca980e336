//! Mutation of what the gate judges: deliberately wrong kernels, launches and packages.
//!
//! A mutant is one change at one place. It must be applied (what is judged differs), built
//! (naga or the package's rules accept it) and run through the real gate at its real
//! bounds, which must refuse it. Controls are changes that change nothing; the gate must
//! accept them.
//!
//! Knows the gate, the runtime and naga, no MLIR: mutants of plans and of IR are made where
//! MLIR is, and judged here.

mod bench;
pub mod corpus;
#[cfg(feature = "faults")]
pub mod faults;
pub mod host;
mod instance;
pub mod kernel;
mod kind;
mod observe;
mod outcome;

pub use bench::Bench;
pub use corpus::Corpus;
pub use instance::{Instance, kinds, purpose};
pub use kind::{Kind, Place, Purpose};
pub use outcome::{Fate, Judged, Kill, case_of, scope_name, scope_of, stage_errors};
