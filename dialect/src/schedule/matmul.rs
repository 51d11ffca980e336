//! The knobs of a matmul kernel, what they must satisfy, and a first guess.

use super::{Unfit, choose_tiles, divides, schedule, vector_width, within};
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
        })
    }
}

/// Accumulator elements of one invocation above which no device keeps them in registers.
const MAX_ACCUMULATORS: i64 = 256;

impl MatmulSchedule {
    /// Parts of a tile: of one invocation each, or with a matrix unit of one subgroup.
    pub fn shares(&self) -> i64 {
        (self.tile_m / self.thread_m) * (self.tile_n / self.thread_n)
    }

    /// Invocations of one workgroup.
    pub fn invocations(&self, subgroup_size: i64) -> i64 {
        match self.matrix_unit {
            0 => self.shares(),
            _ => self.shares().saturating_mul(subgroup_size),
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

    /// Workgroup memory for the tiles of all stages, in bytes.
    pub fn workgroup_bytes(&self, element: Element) -> i64 {
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

    /// Every relation that does not hold, in one list.
    pub fn check(&self, problem: &MatmulProblem, device: &Device) -> Result<(), Vec<Unfit>> {
        let mut unfit = Vec::new();
        let mut positive = true;
        for (name, value, most) in [
            ("tile-m", self.tile_m, 1024),
            ("tile-n", self.tile_n, 1024),
            ("tile-k", self.tile_k, 1024),
            ("thread-m", self.thread_m, 64),
            ("thread-n", self.thread_n, 64),
            ("stages", self.stages, 5),
            ("group-m", self.group_m, 1024),
            ("split-k", self.split_k, 1024),
        ] {
            positive &= within(&mut unfit, name, value, 1, most);
        }
        within(&mut unfit, "unroll", self.unroll, 0, 1024);
        within(&mut unfit, "subgroups", self.subgroups, 0, 64);
        if ![0, 8, 16].contains(&self.matrix_unit) {
            let message = format!("matrix-unit is {}, expected 0, 8 or 16", self.matrix_unit);
            unfit.push(Unfit(message));
            positive = false;
        }
        positive &= vector_width(&mut unfit, self.vector_width, device);
        if !positive {
            return Err(unfit);
        }
        let vector = ("vector-width", self.vector_width);
        divides(
            &mut unfit,
            ("thread-m", self.thread_m),
            ("tile-m", self.tile_m),
        );
        divides(
            &mut unfit,
            ("thread-n", self.thread_n),
            ("tile-n", self.tile_n),
        );
        divides(&mut unfit, vector, ("tile-k", self.tile_k));
        divides(&mut unfit, vector, ("tile-n", self.tile_n));
        divides(&mut unfit, vector, ("thread-n", self.thread_n));
        let step = if self.unroll == 0 {
            self.tile_k
        } else {
            self.unroll
        };
        divides(&mut unfit, ("unroll", step), ("tile-k", self.tile_k));
        divides(&mut unfit, vector, ("unroll", step));
        if self.matrix_unit > 0 {
            self.check_matrix_unit(problem, device, step, &mut unfit);
        }
        if unfit.is_empty() {
            self.check_budgets(problem, device, &mut unfit);
        }
        if unfit.is_empty() { Ok(()) } else { Err(unfit) }
    }

    fn check_matrix_unit(
        &self,
        problem: &MatmulProblem,
        device: &Device,
        step: i64,
        unfit: &mut Vec<Unfit>,
    ) {
        let edge = ("matrix-unit", self.matrix_unit);
        divides(unfit, edge, ("thread-m", self.thread_m));
        divides(unfit, edge, ("thread-n", self.thread_n));
        divides(unfit, edge, ("tile-k", self.tile_k));
        divides(unfit, edge, ("unroll", step));
        let (edge, element) = (self.matrix_unit, problem.element);
        let shape = format!("{edge}x{edge}x{edge}:{element}:f32");
        if !device.matrix_shapes.contains(&shape) {
            let known = match &device.matrix_shapes[..] {
                [] => "none".into(),
                shapes => shapes.join(", "),
            };
            unfit.push(Unfit(format!(
                "matrix-unit {edge} needs products {shape}, the device '{}' has {known}",
                device.name
            )));
        }
        if device.subgroup_size == 0 {
            unfit.push(Unfit(format!(
                "matrix-unit is {edge}, but the device '{}' has no fixed subgroup size",
                device.name
            )));
        }
    }

    fn check_budgets(&self, problem: &MatmulProblem, device: &Device, unfit: &mut Vec<Unfit>) {
        let invocations = self.invocations(device.subgroup_size as i64);
        if invocations > device.max_invocations() {
            unfit.push(Unfit(format!(
                "(tile-m {}/thread-m {})*(tile-n {}/thread-n {}) = {invocations} invocations, the device '{}' has {}",
                self.tile_m, self.thread_m, self.tile_n, self.thread_n, device.name, device.max_invocations()
            )));
        }
        let sharing = match self.matrix_unit {
            0 => 1,
            _ => device.subgroup_size.max(1) as i64,
        };
        let accumulators = self.thread_m * self.thread_n / sharing;
        if accumulators > MAX_ACCUMULATORS {
            unfit.push(Unfit(format!(
                "thread-m {} * thread-n {} = {accumulators} accumulators per invocation, the limit is {MAX_ACCUMULATORS}",
                self.thread_m, self.thread_n
            )));
        }
        let bytes = self.workgroup_bytes(problem.element);
        if bytes > device.tile_memory() {
            unfit.push(Unfit(format!(
                "{} stages of {}x{}x{} tiles of {} take {bytes} bytes of workgroup memory, the device '{}' has {}",
                self.stages, self.tile_m, self.tile_n, self.tile_k, problem.element, device.name, device.tile_memory()
            )));
        }
        if self.subgroups != 0 {
            let size = device.subgroup_size as i64;
            if size == 0 {
                unfit.push(Unfit(format!(
                    "subgroups is {}, but the device '{}' has no fixed subgroup size",
                    self.subgroups, device.name
                )));
            } else if self.subgroups.checked_mul(size) != Some(invocations) {
                unfit.push(Unfit(format!(
                    "subgroups {} of {size} invocations differ from the {invocations} that the tiles give",
                    self.subgroups
                )));
            }
        }
    }

    /// The schedule of the least cost that fits; every problem and device has one.
    pub fn guess(problem: &MatmulProblem, device: &Device) -> Self {
        choose_tiles::choose(problem, device)
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
