//! Runs kforge packages: a directory with a manifest, kernels and constants.
//!
//! This crate knows no MLIR and no LLVM, so a program that only runs finished
//! packages needs neither. It does not judge results either: it returns them,
//! together with what it saw around them (untouched elements, broken guard
//! zones, times), and the verifier decides.
//!
//! - [`manifest`]: the package format, plain data, read as untrusted input.
//! - [`tensor`]: host tensors and `.npy` files.

pub mod manifest;
pub mod tensor;

pub use manifest::{Dtype, Manifest, Package, PackageError};
pub use tensor::{HostTensor, TensorError};
