//! Runs kforge packages: a directory with a manifest, kernels and constants.
//!
//! This crate knows no MLIR and no LLVM, so a program that only runs finished
//! packages needs neither. It does not judge results either: it returns them,
//! together with what it saw around them (untouched elements, broken guard
//! zones, times), and the verifier decides.
//!
//! - [`manifest`]: the package format, plain data, read as untrusted input.
//! - [`tensor`]: host tensors and `.npy` files.
//! - [`device`]: which devices there are and what they can do.
//! - [`execute`]: one entry of a package on a device.
//! - [`cpu`]: the ABI of native kernels.
//! - [`diagnose()`]: a smoke test of a device.
//! - [`whole_file`]: files that appear whole or not at all.
//! - [`Roofline`]: what a device's arithmetic and memory reach.

pub mod cpu;
pub mod device;
mod diagnose;
pub mod execute;
mod gpu;
pub mod manifest;
mod roofline;
pub mod tensor;
pub mod whole_file;

pub use device::{Device, DeviceChoice, DeviceDescription, DeviceError};
pub use diagnose::{Diagnosis, SmokeTest, diagnose};
pub use execute::{ExecOptions, Executable, Poison, RunError, RunOptions, RunResult, TimedRun};
pub use manifest::{Dtype, Manifest, Package, PackageError};
pub use roofline::Roofline;
pub use tensor::{HostTensor, TensorError};
