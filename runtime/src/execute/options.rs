//! Settings of executables and runs.

use std::time::Duration;

use super::poison::Poison;
use crate::cpu::NativeKernels;

/// How an executable is made.
#[derive(Clone, Debug)]
pub struct ExecOptions {
    /// Checks compiled into WGSL kernels.
    pub checks: ShaderChecks,
    /// Whether workgroup memory is zeroed before a kernel starts. Needed unless
    /// every element is written before it is read.
    pub zero_workgroup_memory: bool,
    /// Whether 4 KiB behind every buffer are guarded. Off, bindings are exact
    /// up to 16 bytes, and nothing behind them is checked.
    pub guard_zones: bool,
    /// Whether shared libraries of a package may be loaded. They are machine
    /// code and can do whatever the user can.
    pub allow_native_code: bool,
    /// Functions supplied by the host instead of the package, by kernel name.
    pub native: NativeKernels,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self {
            checks: ShaderChecks::checked(),
            zero_workgroup_memory: true,
            guard_zones: true,
            allow_native_code: false,
            native: NativeKernels::default(),
        }
    }
}

/// Run-time checks of WGSL kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShaderChecks {
    bounds: bool,
    loops: bool,
    division: bool,
}

impl ShaderChecks {
    /// All checks: the mode in which kernels are verified.
    pub const fn checked() -> Self {
        Self {
            bounds: true,
            loops: true,
            division: true,
        }
    }

    /// Some checks off.
    ///
    /// # Safety
    ///
    /// With `bounds` off every access of every kernel run must be proved in
    /// bounds; with `loops` off every loop must end; with `division` off no
    /// divisor may be zero and no quotient may overflow.
    pub const unsafe fn relaxed(bounds: bool, loops: bool, division: bool) -> Self {
        Self {
            bounds,
            loops,
            division,
        }
    }

    /// Bounds, loops, division, if not all are on.
    pub(crate) const fn relaxed_fields(self) -> Option<(bool, bool, bool)> {
        match self {
            Self {
                bounds: true,
                loops: true,
                division: true,
            } => None,
            Self {
                bounds,
                loops,
                division,
            } => Some((bounds, loops, division)),
        }
    }
}

impl Default for ShaderChecks {
    fn default() -> Self {
        Self::checked()
    }
}

/// How one run is made.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// What surrounds the data and fills scratch.
    pub poison: Option<Poison>,
    /// Deadline of one submission.
    pub timeout_ms: u64,
}

impl RunOptions {
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.max(1))
    }
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            poison: None,
            timeout_ms: 60_000,
        }
    }
}

/// How many runs are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// At most so many.
    pub most: usize,
    /// At least so many.
    pub fewest: usize,
    /// Time after which no further run begins, once there are the fewest.
    pub enough: Duration,
}

impl Repeats {
    /// So many, however long they take; at least one.
    pub fn exactly(count: usize) -> Self {
        Self {
            most: count.max(1),
            fewest: count.max(1),
            enough: Duration::MAX,
        }
    }

    /// Whether `done` runs that took `spent` suffice.
    pub(super) fn reached(&self, done: usize, spent: Duration) -> bool {
        done >= self.most || (done >= self.fewest && spent >= self.enough)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_end_with_the_count_or_with_the_time_after_the_fewest() {
        let second = Duration::from_secs(1);
        assert!(!Repeats::exactly(3).reached(2, Duration::MAX - second));
        assert!(Repeats::exactly(3).reached(3, Duration::ZERO));
        assert!(Repeats::exactly(0).reached(1, Duration::ZERO));
        let some = Repeats {
            most: 10,
            fewest: 4,
            enough: second,
        };
        for (done, spent, ends) in [
            (3, 2 * second, false),
            (4, second, true),
            (9, second / 2, false),
            (10, Duration::ZERO, true),
        ] {
            assert_eq!(some.reached(done, spent), ends, "{done} runs in {spent:?}");
        }
    }
}
