//! Exact algebra on hand-written WGSL: right kernels in forms of their own are accepted,
//! wrong ones refused, and what no rule decides is left open. No device takes part.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod forms;
mod memory;
mod programs;
mod unit;
mod values;
