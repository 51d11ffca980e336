//! The knobs of an attention kernel.

use super::{
    Kernel, MATRIX_PADDING, Unfit,
    attention_problem::AttentionProblem,
    attention_relations::{Heads, split},
    choose_tiles::gpu_units,
    matrix::EDGE,
    schedule, verdict,
};
use crate::{Element, device::Device};

schedule! {
    /// How a `kforge.attention` becomes one kernel with an online softmax.
    AttentionSchedule {
        block_q: "block-q" = 32, "queries per workgroup: an invocation each, or with the matrix unit a subgroup for as many as a matrix has rows";
        block_kv: "block-kv" = 8, "keys and values in workgroup memory at a time";
        split_head: "split-head" = 1, "neighbouring invocations that share the heads of as many queries, 1, 2, 4 or 8: each reads its part of a key once for all of them; needs subgroups, divides block-q";
        slice_kv: "slice-kv" = 1, "invocations that take the keys of a query in turns, a power of two that divides block-kv";
        split_kv: "split-kv" = 1, "workgroups that each take a part of the keys of the same queries; a second kernel brings the parts together";
        matrix_unit: "matrix-unit" = 0, "edge of the square matrices that subgroups multiply, 8 or 16, which divides both blocks and both head sizes, 0: none; needs cooperative matrices of f16";
        prefetch: "prefetch" = 0, "1: the next block of keys and values waits in registers while the matrix unit multiplies this one";
    }
}

/// Head size above which the accumulator of one query leaves the registers.
pub const MAX_HEAD: u64 = 256;

/// Workgroups that share the keys of the same queries, at most.
const MOST_PARTS: i64 = 256;

/// Keys of a part at least, where there is a choice.
const PART: u64 = 256;

/// Queries that are few.
pub(super) const FEW: i64 = 8;

/// Invocations that share the keys of few queries.
const SLICED: i64 = 64;

/// Queries up to which a head is short.
const SHORT: u64 = 512;

impl AttentionSchedule {
    /// Invocations of a workgroup, where a subgroup has `subgroup_size`.
    pub fn invocations(&self, subgroup_size: i64) -> i64 {
        match self.matrix_unit {
            0 => self.block_q.saturating_mul(self.slice_kv),
            edge => (self.block_q / edge).saturating_mul(subgroup_size),
        }
    }

    /// Workgroup memory in bytes; as many as can be counted where it is more. Without the
    /// matrix unit one block of keys and values; with it their rows are padded, and scores
    /// and weights are there as well.
    pub fn workgroup_bytes(&self, head: u64, value_head: u64, element: Element) -> i64 {
        let size = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        let (head, value_head) = (size(head), size(value_head));
        let (q, kv, bytes) = (self.block_q, self.block_kv, element.bytes() as i64);
        let block =
            |rows: i64, size: i64, bytes: i64| rows.saturating_mul(size).saturating_mul(bytes);
        if self.matrix_unit == 0 {
            // What one query alone reads stays where it is.
            let tiles = match q {
                1 => 0,
                _ => block(kv, head.saturating_add(value_head), bytes),
            };
            let sums = match self.slice_kv {
                ..=1 => 0,
                // Accumulators and a number beside them, in f32.
                slices => block(
                    q.saturating_mul(slices),
                    value_head.saturating_add(self.split_head),
                    4,
                ),
            };
            return tiles.saturating_add(sums);
        }
        let padded = |size: i64| size.saturating_add(MATRIX_PADDING);
        [
            block(kv, padded(head), bytes),
            block(kv, padded(value_head), bytes),
            block(q, padded(kv.max(value_head)), 4),
            block(q, padded(kv.max(head)), bytes),
        ]
        .into_iter()
        .fold(0, i64::saturating_add)
    }

    /// Least and most of a knob on a device.
    pub fn range(knob: &str, device: &Device) -> Option<(i64, i64)> {
        Some(match knob {
            "block-q" => (1, device.max_invocations()),
            "block-kv" => (1, 1024),
            "split-head" => (1, 8),
            "slice-kv" => (1, device.max_invocations()),
            "split-kv" => (1, MOST_PARTS),
            "matrix-unit" => (0, 16),
            "prefetch" => (0, 1),
            _ => return None,
        })
    }

    /// Every relation that does not hold, in one list.
    pub fn check(
        &self,
        head: u64,
        value_head: u64,
        element: Element,
        device: &Device,
    ) -> Result<(), Vec<Unfit>> {
        let heads = Heads {
            head,
            value_head,
            element,
        };
        verdict(Self::judge(|name| self.knob(name), Some(heads), device))
    }

    /// What was measured as fastest near that size, or a schedule that fits, where the head
    /// sizes allow one.
    ///
    /// On an NVIDIA H200 16 heads of 2048x64 take 0.627 ms with heads that two invocations
    /// share, 64 queries and blocks of 16 keys; 0.640 ms with 8 keys; 0.709 to 0.711 ms with four
    /// invocations; 0.725 ms with whole heads, 32 queries and 8 keys (2026-11-28). Whole heads
    /// with 16 keys take twice as long (2026-11-21). A software device gets shorter blocks of
    /// keys: on lavapipe 8 heads of 128x64 take 6.5 ms with 4 and 8.7 ms with 16 (2026-11-21).
    pub fn guess(problem: &AttentionProblem, device: &Device) -> Self {
        let &AttentionProblem {
            queries,
            head,
            value_head,
            element,
            ..
        } = problem;
        let sizes = [queries, head, value_head];
        let fits = |it: &Self| it.check(head, value_head, element, device).is_ok();
        let measured = Self::measured(device, Kernel::Attention, element, &sizes, fits);
        if let Some(schedule) = measured {
            return schedule;
        }
        // Few queries would leave compute units idle with large blocks.
        let most = if queries > SHORT { 64 } else { 32 };
        let block_q = (queries.min(most).next_power_of_two() as i64)
            .min(device.max_invocations())
            .max(1);
        if let Some(schedule) = Self::on_matrix_unit(queries, head, value_head, element, device) {
            return schedule;
        }
        let mut unfit = Vec::new();
        split(&mut unfit, Some(2), Some(block_q), device);
        let shared = !device.is_software() && unfit.is_empty();
        let mut schedule = Self {
            block_q,
            block_kv: match (device.is_software(), shared) {
                (true, _) => 4,
                (false, true) => 16,
                (false, false) => 8,
            },
            split_head: if shared { 2 } else { 1 },
            ..Self::default()
        };
        schedule.slice(problem, device);
        while schedule.block_kv > 1
            && schedule.workgroup_bytes(head, value_head, element) > device.tile_memory()
        {
            schedule.block_kv /= 2;
            schedule.slice_kv = schedule.slice_kv.min(schedule.block_kv);
        }
        schedule
    }

    /// Few queries leave invocations idle: they share the keys.
    ///
    /// On the H200 a query in each of 32 heads of 4096x128 takes in f32 0.243 ms with 64 slices
    /// and 4 keys at a time, 0.349 with one key, 0.598 with 32 slices and 10.6 with one; in f16
    /// 0.193 with 2 keys, 0.231 with 4, 0.234 with one. With parts: in f32 0.103 ms with 4, 0.118
    /// with 8, 0.144 with 16, 0.177 with 32; in f16 0.086, 0.100, 0.124 and 0.167. 2048 queries take
    /// longer with slices than without (2026-11-28).
    fn slice(&mut self, problem: &AttentionProblem, device: &Device) {
        let most = device.max_invocations().min(SLICED);
        if device.is_software() || self.block_q > FEW {
            return;
        }
        self.split_head = 1;
        while self.block_q * self.slice_kv * 2 <= most {
            self.slice_kv *= 2;
        }
        self.block_kv = self.slice_kv
            * match (self.block_q, problem.element) {
                (2.., _) => 1,
                (_, Element::F16) => 2,
                _ => 4,
            };
        // Parts, as long as half of the compute units are idle and each part has some keys.
        let blocks = problem.queries.div_ceil(self.block_q as u64);
        let workgroups = blocks.saturating_mul(problem.heads).max(1);
        let idle = |parts: i64| workgroups.saturating_mul(2 * parts as u64) <= gpu_units(device);
        let each = |parts: i64| problem.keys / parts as u64;
        while self.split_kv * 2 <= MOST_PARTS
            && idle(self.split_kv)
            && each(self.split_kv * 2) >= PART
        {
            self.split_kv *= 2;
        }
    }

    /// The largest blocks for the matrix unit that fit; none where the device has no such unit
    /// or there are fewer queries than a matrix has rows.
    fn on_matrix_unit(
        queries: u64,
        head: u64,
        value_head: u64,
        element: Element,
        device: &Device,
    ) -> Option<Self> {
        if queries < EDGE as u64 {
            return None;
        }
        let blocks = [[64, 64], [64, 32], [32, 32], [16, 16]];
        let schedules = blocks.map(|[block_q, block_kv]| Self {
            block_q,
            block_kv,
            matrix_unit: EDGE,
            ..Self::default()
        });
        let fits = |it: &Self| it.check(head, value_head, element, device).is_ok();
        schedules.into_iter().find(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(queries: u64, head: u64) -> AttentionProblem {
        AttentionProblem {
            heads: 8,
            queries,
            keys: 4096,
            head,
            value_head: head,
            element: Element::F32,
        }
    }

    #[test]
    fn few_queries_are_split_until_compute_units_are_busy() {
        let device = Device {
            kind: "discrete".into(),
            cores: 16,
            invocations: 1024,
            ..Device::default()
        };
        let parts = |heads, keys| {
            let problem = AttentionProblem {
                heads,
                keys,
                ..problem(1, 64)
            };
            AttentionSchedule::guess(&problem, &device).split_kv
        };
        assert_eq!(parts(8, 4096), 2);
        assert_eq!(parts(9, 4096), 1);
        // A part is no use without keys.
        assert_eq!(parts(1, 1024), 4);
        assert_eq!(parts(1, 255), 1);
        // No queries, and sizes of a file that may be anything.
        assert_eq!(parts(0, u64::MAX), 16);
        assert_eq!(parts(u64::MAX, u64::MAX), 1);
    }

    #[test]
    fn guesses_fit() {
        for head in [1, 32, 64, 128, 256] {
            let device = Device::default();
            let schedule = AttentionSchedule::guess(&problem(7, head), &device);
            assert_eq!(schedule.check(head, head, Element::F32, &device), Ok(()));
        }
    }

    #[test]
    fn head_sizes_of_a_file_may_be_anything() {
        let device = Device::default();
        let schedule = AttentionSchedule::guess(&problem(u64::MAX, u64::MAX), &device);
        let unfit = schedule.check(u64::MAX, 64, Element::F16, &device);
        assert!(unfit.unwrap_err()[0].to_string().contains("head size"));
    }

    #[test]
    fn queries_out_of_range_do_not_hide_memory() {
        let schedule = AttentionSchedule {
            block_q: 0,
            block_kv: 64,
            ..AttentionSchedule::default()
        };
        let unfit = schedule.check(64, 64, Element::F32, &Device::default());
        assert_eq!(unfit.unwrap_err().len(), 2);
    }

    #[test]
    fn workgroup_memory_names_value_and_limit() {
        let schedule = AttentionSchedule {
            block_q: 32,
            block_kv: 64,
            ..AttentionSchedule::default()
        };
        let unfit = schedule
            .check(64, 64, Element::F32, &Device::default())
            .unwrap_err();
        assert!(
            unfit[0].to_string().contains("takes 32768 bytes"),
            "{unfit:?}"
        );
    }
}
