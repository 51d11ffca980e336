//! Runs a kernel's WGSL on the host, with floats of another kind.
//!
//! The kernel is the naga module parsed from the text in the package: what is interpreted is
//! what the driver is given. All invocations of a workgroup run statement by statement, so a
//! barrier is a place that all of them must reach together. Integers and booleans are
//! concrete; floats are values of a [`Domain`].
//!
//! Refused, with the invocation and the element: a write beyond the end of a buffer, an index
//! beyond an array in workgroup or private memory, a barrier that not all invocations reach,
//! two invocations that touch one element between two barriers (or in two workgroups), one of
//! them writing. A read beyond the end of a buffer, or of what nothing has written, gives a
//! value that is no number; it is refused where a result depends on it.
//!
//! Not interpreted, and said so: atomics, matrices of more than one column, ballots and scans, textures, bits of floats as integers, pointers as arguments
//! of functions, whole arrays and structures as values.

mod access;
mod arithmetic;
mod column;
mod domain;
#[cfg(test)]
mod evaluated;
mod expression;
mod function;
mod launch;
mod library;
mod machine;
mod math;
mod matrix;
mod memory;
mod program;
mod statement;
mod subgroup;
mod transfer;

pub(crate) use domain::{Arithmetic, Domain};
pub(crate) use launch::{Buffer, Launch, Seen, launch};
pub(crate) use memory::Cell;

/// Why a kernel was not interpreted to its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stop {
    /// The kernel is wrong: what, where.
    Refused(String),
    /// Something that is not interpreted.
    Unsupported(String),
    /// More operations than allowed.
    TooMuch,
}

type Run<T> = Result<T, Stop>;

fn unsupported<T>(what: impl Into<String>) -> Run<T> {
    Err(Stop::Unsupported(what.into()))
}
