//! Verifies and times candidates: `kforge-run --measure DIR`.
//!
//! A candidate is a folder that a compiler on any machine has written: `package/`, its
//! knobs at other shapes in `shapes/NN/`, and `plan.json`, which is only handed through.
//! Each is verified by the same gate as everything else and timed only after it passed.
//! A candidate that hangs, crashes or loses the device costs itself alone: it runs in a
//! child process with a deadline ([`Worker`]).
//!
//! Knows no MLIR, so that candidates are measured where no LLVM is installed.

mod candidate;
mod command;
mod job;
mod outcome;
mod process;
mod result;
mod worker;

pub use candidate::{CandidateError, PACKAGE, list, write};
pub use command::{measure_all, work};
pub use job::{Ask, Candidate};
pub use result::{Clock, Measured, Refusal, Result as MeasuredResult, Time};
pub use worker::{Settings, Worker};

pub(crate) use candidate::{package as package_subject, subject as candidate_subject};
pub(crate) use outcome::{keep, known, time};
#[cfg(feature = "mlir")]
pub(crate) use process::{Lost, Patience, Process, TURN};
