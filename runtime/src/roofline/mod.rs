//! What a device's arithmetic and memory reach at most, measured.
//!
//! On a GPU two kernels are timed: a copy of 128 MiB, and f32 multiply-adds in registers. On
//! a CPU the copy is timed and the arithmetic computed from the clock, the cores and the
//! width of the SIMD registers, with two multiply-add units per core (four on Apple's).
//! A kernel's least time follows from both (Williams, Waterman, Patterson: Roofline, 2009).
//! Takes a fraction of a second. Matrix units are left out.

mod cpu;
mod gpu;

use serde::{Deserialize, Serialize};

use crate::{Device, RunError, device::Target};

/// What a device reaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roofline {
    /// Bytes read and written per second by a copy that no cache holds.
    pub bytes_per_second: f64,
    /// Operations per second of f32 multiply-adds, two each.
    pub flops_per_second: f64,
}

impl Roofline {
    /// Measures a device; `None` where it has no clock that can be believed.
    pub fn measure(device: &Device) -> Result<Option<Self>, RunError> {
        let description = device.description();
        let (bytes, flops) = match description.target {
            Target::Cpu => (
                cpu::bytes_per_second(),
                Some(cpu::flops_per_second(description)),
            ),
            Target::Gpu => (
                gpu::bytes_per_second(device)?,
                gpu::flops_per_second(device)?,
            ),
        };
        let pair = bytes.zip(flops);
        Ok(pair.map(|(bytes_per_second, flops_per_second)| Self {
            bytes_per_second,
            flops_per_second,
        }))
    }

    /// The least milliseconds of a kernel with so many operations that moves so many bytes.
    pub fn milliseconds(&self, flops: f64, bytes: f64) -> f64 {
        1e3 * (flops / self.flops_per_second).max(bytes / self.bytes_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_arithmetic_and_memory_decides() {
        let roofline = Roofline {
            bytes_per_second: 1e9,
            flops_per_second: 1e12,
        };
        assert_eq!(roofline.milliseconds(1e9, 1e3), 1.0);
        assert_eq!(roofline.milliseconds(1e3, 1e9), 1e3);
    }

    #[test]
    fn a_cpu_reaches_something() {
        let device = Device::open(crate::DeviceChoice::Cpu).unwrap();
        let found = Roofline::measure(&device).unwrap().unwrap();
        assert!(found.bytes_per_second > 1e8, "{found:?}");
        assert!(found.flops_per_second > 1e8, "{found:?}");
    }
}
