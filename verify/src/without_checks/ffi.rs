//! The one place where shader checks are turned off.

use kforge_runtime::{ExecOptions, execute::ShaderChecks};

/// Without checks of indices and loops. Callers have the proof of every launch of the function
/// that runs.
pub(super) fn relaxed(exec: &ExecOptions) -> ExecOptions {
    ExecOptions {
        // SAFETY: in every launch each index is below its length and each loop has a counted
        // end, as the callers have proved. Divisions stay checked.
        checks: unsafe { ShaderChecks::relaxed(false, false, true) },
        ..exec.clone()
    }
}
