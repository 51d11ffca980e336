//! Wrong kernels and host code against the real gate at its real bounds.
//!
//! Every mutant is one edit of a lowered module. Each is asserted to be applied
//! (the text differs), built (it parses, verifies and serialises) and run, and
//! must be refused for the reason given. Controls, edits that change nothing,
//! must pass. Without an adapter the tests fail: nothing was shown.
//!
//! The gate lowers other shapes from a kernel's specification, so a mutant is
//! only in the kernel at the module's own shape; each says at which shapes it
//! shows.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "test code")]

mod attention;
mod gate;
mod half;
mod host;
mod ir;
mod matmul;
mod meaning;
mod mlp;
mod rope;
mod rows;
