//! GPU speed beside PyTorch, in three steps on two machines.
//!
//! 1. [`emit()`] compiles every work of a suite to a package, on a machine with LLVM, and
//!    writes what each is compared with.
//! 2. `tools/bench/run.py`, which is written beside them, has `kforge-run` verify and time
//!    the packages where the GPU is, in turns with the peers, and writes one file.
//! 3. [`Table`] reads that file: a table in Markdown, and drawings ([`plot`]).
//!
//! [`crate::benchmark`] is another thing: it measures on the device at hand and compares with
//! its own earlier times.

mod emit;
mod markdown;
pub mod plot;
mod results;
mod source;
mod suite;
mod table;
mod work;
mod works;

pub use emit::{EmitError, emit};
pub use results::{
    Clocks, Measured, OurTime, Ours, PeakRates, PeerResult, PeerTime, Refusal, Results,
    ResultsError,
};
pub use suite::{LeftOut, SCHEMA, Suite, SuiteName, results_schema, suite_schema};
pub use table::{Cell, CopyShare, GroupRow, Row, Standing, Table};
pub use work::{Against, Element, Op, Peer, Work};

#[cfg(test)]
mod tests;
