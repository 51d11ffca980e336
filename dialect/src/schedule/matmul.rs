//! The knobs of a matmul kernel, what they must satisfy, and a first guess.

use super::{Kernel, Unfit, choose_tiles, matmul_relations, schedule, verdict};
use crate::{Element, MatmulSignature, device::Device};

schedule! {
    /// How a `kforge.matmul` becomes a kernel.
    MatmulSchedule {
        tile_m: "tile-m" = 64, "rows of the result per workgroup";
        tile_n: "tile-n" = 64, "columns of the result per workgroup";
        tile_k: "tile-k" = 16, "contracted elements per tile";
        thread_m: "thread-m" = 4, "rows per invocation; divides tile-m";
        thread_n: "thread-n" = 4, "columns per invocation; divides tile-n";
        vector_width: "vector-width" = 4, "elements per memory access, a power of two up to 4 (CPU: its register); divides tile-k, tile-n and thread-n";
        stages: "stages" = 1, "tiles in workgroup memory at a time, 1 to 5";
        unroll: "unroll" = 0, "steps of the inner loop per iteration; 0: all of tile-k";
        group_m: "group-m" = 1, "row tiles that neighbouring workgroups share columns over";
        subgroups: "subgroups" = 0, "subgroups per workgroup that the tiles must give; 0: any";
        split_k: "split-k" = 1, "workgroups that share one result tile along the contraction";
        prefetch: "prefetch" = 0, "tiles held in registers while one is multiplied, 0 or 1; with one stage";
        slice_k: "slice-k" = 1, "invocations that share their results along the contraction and read the operands themselves, a power of two; 1: tiles pass through workgroup memory";
        matrix_unit: "matrix-unit" = 0, "edge of the square matrices that a subgroup multiplies on the device's matrix unit, whose share thread-m and thread-n then are; 0: none";
    }
}

/// The sizes a schedule is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatmulProblem {
    /// Product of the batch dimensions.
    pub batch: u64,
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Contracted size.
    pub k: u64,
    /// Element type of the operands.
    pub element: Element,
    /// `b` is stored [N, K].
    pub transpose_b: bool,
}

impl MatmulProblem {
    /// The problem of a matmul of static shape.
    pub fn of(signature: &MatmulSignature) -> Option<Self> {
        let result = crate::ops::matmul::infer(signature).ok()?.sizes()?;
        let a = signature.a.sizes()?;
        let (batch, last) = result.split_at(result.len() - 2);
        let k = a[a.len() - if signature.transpose_a { 2 } else { 1 }];
        let batch = batch
            .iter()
            .try_fold(1u64, |product, size| product.checked_mul(*size))?;
        Some(Self {
            batch,
            m: last[0],
            n: last[1],
            k,
            element: signature.a.element,
            transpose_b: signature.transpose_b,
        })
    }
}

impl MatmulSchedule {
    /// Parts of a tile: of one invocation each, of slice-k invocations, or with a matrix
    /// unit of one subgroup.
    pub fn shares(&self) -> i64 {
        (self.tile_m / self.thread_m) * (self.tile_n / self.thread_n)
    }

    /// Invocations of one workgroup.
    pub fn invocations(&self, subgroup_size: i64) -> i64 {
        match self.matrix_unit {
            0 => self.shares().saturating_mul(self.slice_k),
            _ => self.shares().saturating_mul(subgroup_size),
        }
    }

    /// Steps of the contraction that an invocation takes unrolled, one after the other.
    pub fn steps(&self) -> i64 {
        match (self.slice_k, self.unroll) {
            (1, 0) => self.tile_k,
            (1, steps) => steps,
            (slices, _) => self.tile_k / slices,
        }
    }

    /// Elements between the rows of a tile, which keep them off the same banks: a vector, or
    /// 16 bytes where a matrix unit reads them.
    pub fn padding(&self, element: Element) -> i64 {
        match self.matrix_unit {
            0 => self.vector_width,
            _ => 16 / element.bytes() as i64,
        }
    }

    /// Workgroup memory for the tiles of all stages, or for the sums of all slices, in bytes.
    pub fn workgroup_bytes(&self, element: Element) -> i64 {
        if self.slice_k > 1 {
            return self.slice_k * self.tile_m * self.tile_n * 4;
        }
        // Either storage order must fit, since a transpose flag chooses it.
        let padding = self.padding(element);
        let tile = |outer: i64| {
            let by_k = outer * (self.tile_k + padding);
            by_k.max(self.tile_k * (outer + padding))
        };
        let tiles = self.stages * (tile(self.tile_m) + tile(self.tile_n)) * element.bytes() as i64;
        // What leaves a matrix unit passes through one matrix of f32 per subgroup.
        let results = match self.matrix_unit {
            0 => 0,
            edge => self.shares() * edge * edge * 4,
        };
        tiles + results
    }

    /// Least and most of a knob on a device; a vector width is a power of two as well.
    pub fn range(knob: &str, device: &Device) -> Option<(i64, i64)> {
        Some(match knob {
            "tile-m" | "tile-n" | "tile-k" | "group-m" | "split-k" => (1, 1024),
            "thread-m" | "thread-n" => (1, 64),
            "vector-width" => (1, device.max_vector()),
            "stages" => (1, 5),
            "prefetch" => (0, 1),
            "slice-k" => (1, 1024),
            "unroll" => (0, 1024),
            "subgroups" => (0, 64),
            "matrix-unit" => (0, 16),
            _ => return None,
        })
    }

    /// Every relation that does not hold, in one list.
    pub fn check(&self, problem: &MatmulProblem, device: &Device) -> Result<(), Vec<Unfit>> {
        let knob = |name: &str| self.knob(name);
        verdict(matmul_relations::judge(knob, Some(problem.element), device))
    }

    /// Every relation that does not hold whatever the knobs are that `knob` does not give
    /// or gives out of range, and whatever the elements are if they are not known.
    pub fn judge(
        knob: impl FnMut(&str) -> Option<i64>,
        element: Option<Element>,
        device: &Device,
    ) -> Vec<Unfit> {
        matmul_relations::judge(knob, element, device)
    }

    /// What was measured as fastest near that size, if it fits; else the schedule of the least
    /// cost, which every problem and device has.
    pub fn guess(problem: &MatmulProblem, device: &Device) -> Self {
        let sizes = [problem.batch, problem.m, problem.n, problem.k];
        let fits = |it: &Self| it.check(problem, device).is_ok();
        Self::measured(device, Kernel::Matmul, problem.element, &sizes, fits)
            .unwrap_or_else(|| choose_tiles::choose(problem, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Target;

    fn problem() -> MatmulProblem {
        MatmulProblem {
            batch: 1,
            m: 128,
            n: 512,
            k: 256,
            element: Element::F32,
            transpose_b: false,
        }
    }

    fn reasons(schedule: MatmulSchedule) -> Vec<String> {
        schedule
            .check(&problem(), &Device::default())
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn default_fits_the_default_device() {
        assert_eq!(
            MatmulSchedule::default().check(&problem(), &Device::default()),
            Ok(())
        );
    }

    #[test]
    fn every_violation_is_listed() {
        let schedule = MatmulSchedule {
            thread_m: 6,
            vector_width: 4,
            tile_k: 18,
            ..Default::default()
        };
        let reasons = reasons(schedule);
        assert!(
            reasons.contains(&"thread-m 6 does not divide tile-m 64".to_owned()),
            "{reasons:?}"
        );
        assert!(
            reasons.contains(&"vector-width 4 does not divide tile-k 18".to_owned()),
            "{reasons:?}"
        );
    }

    #[test]
    fn a_device_of_a_file_may_have_any_subgroup_size() {
        let device = Device {
            subgroup_size: i64::MAX as u64,
            ..Device::default()
        };
        let schedule = MatmulSchedule {
            subgroups: 4,
            ..Default::default()
        };
        let unfit = schedule.check(&problem(), &device).unwrap_err();
        assert!(unfit[0].to_string().contains("subgroups 4"), "{unfit:?}");
    }

    #[test]
    fn a_knob_out_of_range_hides_no_relation_of_others() {
        let reasons = reasons(MatmulSchedule {
            tile_m: 1024,
            tile_n: 1024,
            thread_m: 3,
            vector_width: 3,
            stages: 9,
            ..Default::default()
        });
        let all = reasons.join("\n");
        for words in [
            "stages is 9, expected 1 to 5",
            "vector-width is 3, expected a power of two up to 4",
            "thread-m 3 does not divide tile-m 1024",
            "= 87296 invocations or more, the device 'webgpu' has 256",
            "1 stage of 1024x1024x16 tiles of f32 take 139264 bytes or more of workgroup memory",
        ] {
            assert!(all.contains(words), "{words}: {all}");
        }
        assert_eq!(reasons.len(), 5, "{all}");
    }

    #[test]
    fn unrolling_of_all_is_no_second_relation() {
        let reasons = reasons(MatmulSchedule {
            tile_k: 18,
            ..Default::default()
        });
        assert_eq!(reasons, ["vector-width 4 does not divide tile-k 18"]);
    }

    #[test]
    fn what_is_not_known_is_not_held_against_a_schedule() {
        let device = Device::default();
        assert_eq!(MatmulSchedule::judge(|_| None, None, &device), []);
        let knob = |name: &str| (name == "tile-k").then_some(0);
        let unfit = MatmulSchedule::judge(knob, None, &device);
        assert_eq!(unfit.len(), 1, "{unfit:?}");
        // In f32 it would not fit, but the elements may be f16.
        let large = MatmulSchedule {
            tile_k: 48,
            ..Default::default()
        };
        let judge = |element| MatmulSchedule::judge(|name| large.knob(name), element, &device);
        assert_eq!(judge(None), []);
        assert_eq!(judge(Some(Element::F32)).len(), 1);
    }

    #[test]
    fn on_a_cpu_it_is_said_that_a_tile_is_one_invocations() {
        let cpu = Device {
            target: Target::Cpu,
            ..Device::default()
        };
        let unfit = MatmulSchedule::default().check(&problem(), &cpu);
        let text = unfit.unwrap_err()[0].to_string();
        assert!(
            text.contains("thread-m equal to tile-m and thread-n to tile-n"),
            "{text}"
        );
        let large = MatmulSchedule {
            tile_m: 32,
            tile_n: 32,
            thread_m: 32,
            thread_n: 32,
            ..Default::default()
        };
        let text = large.check(&problem(), &cpu).unwrap_err()[0].to_string();
        assert!(
            text.contains("1024 accumulators per invocation, the limit is 256"),
            "{text}"
        );
        assert!(text.contains("take tiles such as 16x16"), "{text}");
    }

    #[test]
    fn zero_negative_and_odd_knobs_are_named() {
        let schedule = MatmulSchedule {
            tile_m: 0,
            tile_n: -4,
            vector_width: 3,
            ..Default::default()
        };
        let reasons = reasons(schedule);
        assert_eq!(reasons.len(), 3, "{reasons:?}");
    }

    #[test]
    fn budgets_name_value_and_limit() {
        let schedule = MatmulSchedule {
            tile_m: 128,
            tile_n: 128,
            ..Default::default()
        };
        let reasons = reasons(schedule);
        assert!(
            reasons[0].contains("1024 invocations, the device 'webgpu' has 256"),
            "{reasons:?}"
        );
    }

    #[test]
    fn guesses_fit_every_problem() {
        let small = Device {
            workgroup_memory: 1024,
            invocations: 32,
            ..Device::default()
        };
        let cpu = Device {
            target: Target::Cpu,
            simd_bits: 512,
            ..Device::default()
        };
        for device in [Device::default(), small, cpu] {
            for m in [1, 7, 64, 1000] {
                for n in [1, 33, 4096] {
                    for element in [Element::F32, Element::F16] {
                        let problem = MatmulProblem {
                            batch: 1,
                            m,
                            n,
                            k: 65,
                            element,
                            transpose_b: false,
                        };
                        let schedule = MatmulSchedule::guess(&problem, &device);
                        assert_eq!(
                            schedule.check(&problem, &device),
                            Ok(()),
                            "{problem:?} {schedule:?}"
                        );
                    }
                }
            }
        }
    }
}
