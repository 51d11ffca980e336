//! `kforge mutate-and-test`: mutants of everything through the real gate.
//!
//! Programs are compiled here; every mutant is judged in a child process, which a mutant
//! that hangs or crashes cannot outlive. The child knows no MLIR.

#[cfg(feature = "mlir")]
mod campaign;
mod child;
#[cfg(feature = "mlir")]
mod drawn;
#[cfg(feature = "mlir")]
mod ir;
mod job;
#[cfg(feature = "mlir")]
mod plan;
#[cfg(feature = "mlir")]
mod pool;
#[cfg(feature = "mlir")]
mod program;
#[cfg(feature = "mlir")]
mod record;
#[cfg(feature = "mlir")]
mod report;
#[cfg(feature = "mlir")]
mod sample;
#[cfg(feature = "mlir")]
mod settings;
#[cfg(all(feature = "mlir", feature = "faults"))]
mod verifier;

#[cfg(feature = "mlir")]
pub use campaign::{all_kinds, run};
pub use child::work;
#[cfg(feature = "mlir")]
pub use program::{PROGRAMS, Program};
#[cfg(feature = "mlir")]
pub use record::{Record, Totals};
#[cfg(feature = "mlir")]
pub use report::{Report, report_schema};
#[cfg(feature = "mlir")]
pub use settings::{MutateError, Settings};
