//! Level 3 by itself: right kernels agree with their programs as exact algebra.
//!
//! Every unit and every variant of it is interpreted; no device takes part.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

mod accept;
mod harness;
mod plans;
