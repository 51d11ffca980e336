//! Tests of the translation from the gpu dialect to shaders, in one binary because
//! every binary links MLIR anew.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod common;
mod device;
mod foreign;
mod kernels;
mod ops;
mod refusals;
