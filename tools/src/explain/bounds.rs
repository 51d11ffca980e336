//! What bounds a kernel, as far as its figures show.

use kforge_runtime::Roofline;
use serde::Serialize;

use crate::benchmark::Work;

/// Share of the roofline from which on it is what bounds a kernel.
const NEAR: f64 = 0.6;
/// Milliseconds of a launch that hardly does anything: 2 to 5 us on an H200, 10 to 20 on
/// lavapipe (2026-11-28). A kernel of less than twice that is bound by it.
const LAUNCH: f64 = 0.005;
/// The same where the roofline allows a hundredth of the time, or less.
const SLOW_LAUNCH: f64 = 0.025;

/// What bounds a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Memory: it is near the rate of a copy.
    Memory,
    /// Arithmetic: it is near the rate of multiply-adds.
    Arithmetic,
    /// It launches fewer workgroups than the device has compute units.
    Workgroups,
    /// It takes hardly longer than a launch.
    Launch,
    /// The memory's rate is the nearer limit and not near: latency, access patterns or the cache.
    BelowMemory,
    /// The rate of multiply-adds is the nearer limit and not near: loads, registers, barriers.
    BelowArithmetic,
    /// There is no time or no roofline.
    Unknown,
}

impl Bound {
    /// Of a stage's work, its time, its workgroups and the device's compute units (0: not known).
    pub(super) fn of(
        work: Work,
        ms: Option<f64>,
        roofline: Option<&Roofline>,
        workgroups: u64,
        units: u64,
    ) -> Self {
        let (Some(ms), Some(roofline)) = (ms, roofline) else {
            return Self::Unknown;
        };
        let arithmetic = roofline.milliseconds(work.flops as f64, 0.0);
        let memory = roofline.milliseconds(0.0, work.bytes as f64);
        let is_memory = memory >= arithmetic;
        let near = memory.max(arithmetic) / ms >= NEAR;
        match (near, is_memory) {
            (true, true) => Self::Memory,
            (true, false) => Self::Arithmetic,
            _ if ms < 2.0 * LAUNCH => Self::Launch,
            _ if ms < 2.0 * SLOW_LAUNCH && memory.max(arithmetic) < ms / 100.0 => Self::Launch,
            _ if workgroups < units => Self::Workgroups,
            (false, true) => Self::BelowMemory,
            (false, false) => Self::BelowArithmetic,
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Arithmetic => "arithmetic",
            Self::Workgroups => "too few workgroups for the compute units",
            Self::Launch => "the launch itself",
            Self::BelowMemory => "below memory: latency or access pattern",
            Self::BelowArithmetic => "below arithmetic: loads, registers or barriers",
            Self::Unknown => "not known",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_decide() {
        // 1 ms for 1 GFLOP or 1 GB.
        let roofline = Roofline {
            bytes_per_second: 1e12,
            flops_per_second: 1e12,
        };
        let of = |flops, bytes, ms, workgroups| {
            let work = Work { flops, bytes };
            Bound::of(work, ms, Some(&roofline), workgroups, 100)
        };
        let (much, little) = (1_000_000_000, 1000);
        assert_eq!(of(little, much, Some(1.2), 1000), Bound::Memory);
        assert_eq!(of(much, little, Some(1.2), 1000), Bound::Arithmetic);
        // Near the roofline it does not matter how many workgroups there are.
        assert_eq!(of(much, little, Some(1.2), 1), Bound::Arithmetic);
        assert_eq!(of(much, little, Some(9.0), 99), Bound::Workgroups);
        assert_eq!(of(much, little, Some(9.0), 100), Bound::BelowArithmetic);
        assert_eq!(of(little, much, Some(9.0), 100), Bound::BelowMemory);
        assert_eq!(of(little, little, Some(0.006), 1), Bound::Launch);
        assert_eq!(of(little, little, Some(0.03), 100), Bound::Launch);
        assert_eq!(of(little, 1_000_000, Some(0.03), 100), Bound::BelowMemory);
        assert_eq!(of(much, much, None, 100), Bound::Unknown);
        let work = Work { flops: 1, bytes: 1 };
        assert_eq!(Bound::of(work, Some(1.0), None, 1, 1), Bound::Unknown);
    }
}
