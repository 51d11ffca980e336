//! Tests of the CPU back end, in one binary because every binary links MLIR anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
mod generated;
mod kernels;
mod library;
mod math;
mod refusals;
