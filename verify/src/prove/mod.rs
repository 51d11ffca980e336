//! Level L1: what holds of a kernel whatever is in memory.
//!
//! Of one launch of a WGSL entry point, with the numbers the package gives (sizes of
//! buffers, workgroups, scalar arguments), it is shown that
//! - every index is below its length: in buffers, workgroup memory, local arrays, vectors;
//! - no two invocations access one element at once, if one of them writes and not both do
//!   so atomically: in workgroup memory between barriers, in buffers in the whole launch;
//! - every barrier is met by all invocations of a workgroup.
//!
//! A launch is *proved*, *wrong* (with the invocations, the place and the limit) or left
//! *open* with the reason. Proved is never said by default: every step over-approximates
//! what a device may do, and what is not understood ends the proof.
//!
//! ```text
//! text ─code→ naga module ─walk→ tree of accesses and barriers ─bounds, barriers,
//!                                     in symbolic ids          intervals+workgroup, storage→ proved
//!                  └─────────────concrete: invocation by invocation──────────────────────→ proved, wrong, open
//! ```
//! `expr`, `ops`, `range`, `reach` and `exact` are the integers; `digits` is how an address
//! tells its invocation.
//!
//! Robust access (clamped indices, zeros) does not make an index legal here, and subgroups
//! are not taken to run in lockstep. Where a kernel says how large its subgroups are, they are
//! taken to be runs of that many invocations by their local index, as drivers form them; what
//! cooperative matrices touch is then known (`walk/matrix.rs`). Drivers, and values read from
//! memory, are outside.

mod barriers;
mod bounds;
#[cfg(test)]
mod brute;
mod cells;
mod code;
mod concrete;
mod digits;
mod evaluate;
mod exact;
mod expr;
mod finding;
mod flow;
mod intervals;
mod launch;
mod number;
mod ops;
mod range;
mod reach;
mod storage;
mod symbolic;
mod trace;
mod walk;
mod workgroup;
pub use code::{Code, CodeError};
pub use finding::{Defect, Facts, Finding, Open};
pub use launch::{Launch, LaunchError, Scalar, Slot};

/// Judges a launch of a kernel.
///
/// The symbolic proof comes first; where it does not reach, invocations are followed one
/// by one.
pub fn prove(code: &Code, launch: &Launch) -> Finding {
    if launch.workgroups.contains(&0) {
        return Finding::Proved(Facts::default());
    }
    let open = match symbolic::judge(code, launch) {
        Ok(facts) => return Finding::Proved(facts),
        Err(open) => open,
    };
    if code.entry().workgroup_size_overrides.is_some() {
        return Finding::Open(open);
    }
    match concrete::search(code, launch) {
        concrete::Followed::All(facts) => Finding::Proved(facts),
        concrete::Followed::Wrong(defect) => Finding::Wrong(defect),
        concrete::Followed::Some => Finding::Open(open),
    }
}

/// The same by following invocations alone, for holding one proof against the other.
#[doc(hidden)]
pub fn prove_by_following(code: &Code, launch: &Launch) -> Finding {
    match concrete::search(code, launch) {
        concrete::Followed::All(facts) => Finding::Proved(facts),
        concrete::Followed::Wrong(defect) => Finding::Wrong(defect),
        concrete::Followed::Some => Finding::Open(Vec::new()),
    }
}

/// The symbolic proof alone.
#[doc(hidden)]
pub fn prove_symbolically(code: &Code, launch: &Launch) -> Finding {
    match symbolic::judge(code, launch) {
        Ok(facts) => Finding::Proved(facts),
        Err(open) => Finding::Open(open),
    }
}
