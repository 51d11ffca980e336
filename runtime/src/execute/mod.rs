//! Runs one entry of a package on a device.

mod error;
mod executable;
mod inspect;
mod instance;
mod layout;
mod memory;
mod options;
mod poison;
mod report;
mod requirements;
mod script;
mod timed;
mod timing;
mod trace;

pub(crate) use error::Fault;
pub use error::{FailureKind, RunError, Site};
pub use executable::Executable;
pub(crate) use inspect::Saved;
pub(crate) use instance::{BoundDispatch, Instance};
pub(crate) use memory::MemoryPlan;
pub use options::{ExecOptions, Repeats, RunOptions, ShaderChecks};
pub use poison::Poison;
pub use report::{
    DispatchTime, GuardViolation, RunResult, Spread, Timing, TotalTime, Violation, format_ms,
};
pub(crate) use script::Action;
pub use timed::TimedRun;
pub(crate) use timing::{DeviceTime, Executed};
pub use trace::{DispatchSpan, Phase, RunTrace};
