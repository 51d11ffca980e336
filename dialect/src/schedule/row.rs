//! The knobs of a row kernel: softmax, layer_norm and rms_norm.

use super::{Unfit, schedule, vector_width, verdict, within};
use crate::device::Device;

schedule! {
    /// How a row op becomes a kernel.
    RowSchedule {
        workgroup_size: "workgroup-size" = 128, "invocations per workgroup, a power of two";
        block_size: "block-size" = 1024, "elements of a row that a workgroup holds in registers at a time";
        vector_width: "vector-width" = 4, "elements per memory access, a power of two up to 4 (CPU: its register)";
    }
}

/// Accesses of one invocation per block: what its registers hold.
const MAX_ACCESSES: i64 = 32;
/// Invocations that fill a register of the processor behind a software device.
const SOFTWARE_LANES: i64 = 8;

impl RowSchedule {
    /// Least and most of a knob on a device; a vector width and a workgroup size are powers
    /// of two as well.
    pub fn range(knob: &str, device: &Device) -> Option<(i64, i64)> {
        Some(match knob {
            "workgroup-size" => (1, device.max_invocations()),
            "block-size" => (1, 1 << 16),
            "vector-width" => (1, device.max_vector()),
            _ => return None,
        })
    }

    /// Every relation that does not hold, in one list.
    pub fn check(&self, device: &Device) -> Result<(), Vec<Unfit>> {
        verdict(Self::judge(|name| self.knob(name), device))
    }

    /// Every relation that does not hold among the knobs that `knob` gives.
    pub fn judge(mut knob: impl FnMut(&str) -> Option<i64>, device: &Device) -> Vec<Unfit> {
        let mut unfit = Vec::new();
        let workgroup_size = workgroup_size(&mut unfit, knob("workgroup-size"), device);
        let vector_width = vector_width(&mut unfit, knob("vector-width"), device);
        let range = Self::range("block-size", device);
        let block_size = within(&mut unfit, "block-size", knob("block-size"), range);
        if let (Some(workgroup_size), Some(vector_width), Some(block_size)) =
            (workgroup_size, vector_width, block_size)
        {
            let step = workgroup_size.saturating_mul(vector_width);
            let per_invocation = (block_size as u64).div_ceil(step as u64);
            if per_invocation > MAX_ACCESSES as u64 {
                unfit.push(Unfit(format!(
                    "block-size {block_size} is {per_invocation} accesses of {workgroup_size} invocations x vector-width {vector_width}, the limit is {MAX_ACCESSES}"
                )));
            }
        }
        unfit
    }

    /// A schedule that fits rows of `n` elements on every device.
    ///
    /// A software device gets one register of lanes per workgroup, since there barriers
    /// cost and nothing waits: on lavapipe softmax 512x512 takes 0.47 ms with 8
    /// invocations and 1.6 ms with 128 (2026-11-21).
    pub fn guess(n: u64, device: &Device) -> Self {
        let vector_width = if n.is_multiple_of(4) { 4 } else { 1 };
        let (most, accesses) = match device.is_software() {
            true => (SOFTWARE_LANES, MAX_ACCESSES),
            false => (256, 8),
        };
        // Two accesses each, where that leaves a subgroup: on the H200 softmax of rows of
        // 1024 takes 12.6 us with 64 invocations, 12.9 with 128 and 16.0 with 256, of rows of
        // 256 48 with 32 and 81 with 128 (2026-11-28).
        let each = match device.is_software() {
            true => 1,
            false => 2,
        };
        let accesses_of_row = n as i64 / vector_width;
        let wanted = (accesses_of_row / each)
            .max(accesses_of_row.min(32))
            .clamp(1, most);
        let most = device.max_invocations().max(1);
        let mut workgroup_size = 1;
        while workgroup_size * 2 <= most && workgroup_size < wanted {
            workgroup_size *= 2;
        }
        let block_size = (workgroup_size * vector_width * accesses).min((n as i64).max(1));
        Self {
            workgroup_size,
            block_size,
            vector_width,
        }
    }
}

/// The size if it is a power of two that the device can run.
fn workgroup_size(unfit: &mut Vec<Unfit>, value: Option<i64>, device: &Device) -> Option<i64> {
    let (size, limit) = (value?, device.max_invocations());
    if !(size > 0 && size & (size - 1) == 0) {
        unfit.push(Unfit(format!("workgroup-size {size} is no power of two")));
        return None;
    }
    if size > limit {
        unfit.push(Unfit(format!(
            "workgroup-size {size} is over the {limit} invocations of the device '{}'",
            device.name
        )));
        return None;
    }
    Some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_fit() {
        for invocations in [1, 32, 256, 1024] {
            let device = Device {
                invocations,
                ..Device::default()
            };
            for n in [1, 2, 31, 384, 1000, 65536] {
                assert_eq!(RowSchedule::guess(n, &device).check(&device), Ok(()));
            }
        }
    }

    #[test]
    fn software_gets_one_register_of_invocations() {
        let device = Device {
            kind: "software".into(),
            invocations: 1024,
            ..Device::default()
        };
        for n in [1, 31, 512, 65536] {
            let schedule = RowSchedule::guess(n, &device);
            assert!(schedule.workgroup_size <= 8, "{schedule:?}");
            assert_eq!(schedule.check(&device), Ok(()));
        }
    }

    #[test]
    fn a_device_of_a_file_may_have_any_number_of_invocations() {
        let device = Device {
            invocations: 1 << 62,
            ..Device::default()
        };
        let schedule = RowSchedule {
            workgroup_size: 1 << 62,
            ..Default::default()
        };
        assert_eq!(schedule.check(&device), Ok(()));
    }

    #[test]
    fn no_power_of_two() {
        let schedule = RowSchedule {
            workgroup_size: 96,
            ..Default::default()
        };
        let unfit = schedule.check(&Device::default()).unwrap_err();
        assert_eq!(unfit[0].to_string(), "workgroup-size 96 is no power of two");
    }
}
