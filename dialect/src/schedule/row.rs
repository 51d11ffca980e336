//! The knobs of a row kernel: softmax, layer_norm and rms_norm.

use super::{
    Kernel, Unfit, divides, power_of_two, schedule, subgroups, vector_width, verdict, within,
};
use crate::{Element, device::Device};

schedule! {
    /// How a row op becomes a kernel.
    RowSchedule {
        workgroup_size: "workgroup-size" = 128, "invocations per workgroup, a power of two";
        rows: "rows" = 1, "rows per workgroup, each by its share of the invocations; a power of two";
        shuffle: "shuffle" = 0, "1: invocations of a subgroup combine what they gathered by shuffles; needs subgroups";
        block_size: "block-size" = 1024, "elements of a row held in registers at a time";
        vector_width: "vector-width" = 4, "elements per memory access, a power of two up to 4 (CPU: its register)";
    }
}

/// Accesses of one invocation per block: what its registers hold.
const MAX_ACCESSES: i64 = 32;
/// Invocations that several short rows fill together.
const SIDE_BY_SIDE: i64 = 128;
/// Workgroups that a core has before rows share one.
const WORKGROUPS: u64 = 4;
/// Invocations that fill a register of the processor behind a software device.
const SOFTWARE_LANES: i64 = 8;

impl RowSchedule {
    /// Least and most of a knob on a device; a vector width and a workgroup size are powers
    /// of two as well.
    pub fn range(knob: &str, device: &Device) -> Option<(i64, i64)> {
        Some(match knob {
            "workgroup-size" | "rows" => (1, device.max_invocations()),
            "shuffle" => (0, 1),
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
        let mut known = |name: &str| {
            let range = Self::range(name, device);
            within(&mut unfit, name, knob(name), range)
        };
        let (block_size, rows) = (known("block-size"), known("rows"));
        let shuffle = known("shuffle");
        let rows = power_of_two(&mut unfit, "rows", rows);
        let whole = ("workgroup-size", workgroup_size);
        let shared = divides(&mut unfit, ("rows", rows), whole);
        if shuffle == Some(1) {
            subgroups(&mut unfit, ("shuffle", 1), device);
        }
        if let (true, Some(workgroup_size), Some(rows), Some(vector_width), Some(block_size)) =
            (shared, workgroup_size, rows, vector_width, block_size)
        {
            let invocations = workgroup_size / rows;
            let step = invocations.saturating_mul(vector_width);
            let per_invocation = (block_size as u64).div_ceil(step as u64);
            if per_invocation > MAX_ACCESSES as u64 {
                unfit.push(Unfit(format!(
                    "block-size {block_size} is {per_invocation} accesses of {invocations} invocations x vector-width {vector_width}, the limit is {MAX_ACCESSES}"
                )));
            }
        }
        unfit
    }

    /// Invocations of one row.
    pub fn invocations(&self) -> i64 {
        (self.workgroup_size / self.rows.max(1)).max(1)
    }

    /// What was measured as fastest near that size, or a schedule that fits `rows` rows of `n`
    /// elements on every device.
    ///
    /// A software device gets one register of lanes per workgroup, since there barriers
    /// cost and nothing waits: on lavapipe softmax 512x512 takes 0.47 ms with 8
    /// invocations and 1.6 ms with 128 (2026-11-21).
    pub fn guess(rows: u64, n: u64, element: Element, device: &Device) -> Self {
        let fits = |it: &Self| it.check(device).is_ok();
        let measured = Self::measured(device, Kernel::Rows, element, &[rows, n], fits);
        if let Some(schedule) = measured {
            return schedule;
        }
        let vector_width = if n.is_multiple_of(4) { 4 } else { 1 };
        let (most, accesses) = match device.is_software() {
            true => (SOFTWARE_LANES, MAX_ACCESSES),
            false => (512, 8),
        };
        let shuffle =
            !device.is_software() && subgroups(&mut Vec::new(), ("shuffle", 1), device).is_some();
        let accesses_of_row = n as i64 / vector_width;
        // On the H200, us (2026-11-28): 65536 rows of 256 37.7 with 16 invocations each, 39.8
        // with 32, 39.4 with 8; 4096 rows of 1024 12.2 with 128, 12.7 with 32, 12.3 with 64,
        // 12.9 with 256; 8192 of 8192 134 with 512, 136 with 256, 165 with 1024. Without
        // shuffles a subgroup has a row at least: 49 for 32 invocations of 256, 81 for 128.
        let each = match accesses_of_row {
            _ if device.is_software() => 1,
            _ if !shuffle => 2,
            129..1024 => 2,
            _ => 4,
        };
        let least = if shuffle { 1 } else { 32 };
        let wanted = (accesses_of_row / each)
            .max(accesses_of_row.min(least))
            .clamp(1, most);
        let most = device.max_invocations().max(1);
        let mut workgroup_size = 1;
        while workgroup_size * 2 <= most && workgroup_size < wanted {
            workgroup_size *= 2;
        }
        let block_size = (workgroup_size * vector_width * accesses).min((n as i64).max(1));
        let mut side = 1;
        if shuffle {
            let cores = device.cores.max(1);
            while workgroup_size * 2 <= SIDE_BY_SIDE.min(most)
                && rows / (side as u64 * 2) >= cores.saturating_mul(WORKGROUPS)
            {
                (side, workgroup_size) = (side * 2, workgroup_size * 2);
            }
        }
        Self {
            workgroup_size,
            rows: side,
            shuffle: i64::from(shuffle),
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
                assert_eq!(
                    RowSchedule::guess(64, n, Element::F32, &device).check(&device),
                    Ok(())
                );
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
            let schedule = RowSchedule::guess(64, n, Element::F32, &device);
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
