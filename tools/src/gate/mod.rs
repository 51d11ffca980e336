//! The gate for kernels that others wrote, and for what kforge emits: `kforge verify`.
//!
//! Everything that touches a kernel, its WGSL's parser and the device included, happens in a
//! child process with a deadline. What hangs, crashes or loses the device is refused.
//!
//! ```no_run
//! use kforge_tools::gate::{Gate, Work, kernel};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let work = Work::of_module("matmul.mlir".as_ref())?
//!     .with(kernel("matmul", "tiled.wgsl".as_ref())?);
//! let report = Gate::default().verify(&work)?;
//! println!("{report}");
//! assert!(report.verified);
//! # Ok(())
//! # }
//! ```

mod job;
#[cfg(feature = "mlir")]
mod prepare;
#[cfg(feature = "mlir")]
mod report;
mod worker;

#[cfg(feature = "mlir")]
pub use prepare::{Gate, GateError, Work, interface, kernel};
#[cfg(feature = "mlir")]
pub use report::{KernelReport, Refused, Report};
pub(crate) use worker::work;
