//! The knobs of an attention kernel.

use super::{Unfit, divides, power_of_two, schedule, subgroup_size, verdict, within};
use crate::{Element, device::Device};

schedule! {
    /// How a `kforge.attention` becomes one kernel with an online softmax.
    AttentionSchedule {
        block_q: "block-q" = 32, "queries per workgroup, one invocation each";
        block_kv: "block-kv" = 8, "keys and values in workgroup memory at a time";
        split_head: "split-head" = 1, "neighbouring invocations that share the heads of as many queries, 1, 2, 4 or 8: each reads its part of a key once for all of them; needs subgroups, divides block-q";
    }
}

/// Head size above which the accumulator of one query leaves the registers.
pub const MAX_HEAD: u64 = 256;

/// Queries up to which a head is short.
const SHORT: u64 = 512;

/// What an attention schedule is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Size of a query and a key.
    pub head: u64,
    /// Size of a value.
    pub value_head: u64,
    /// Element type.
    pub element: Element,
}

impl AttentionSchedule {
    /// Workgroup memory for one block of keys and values, in bytes; as many as can be
    /// counted where it is more.
    pub fn workgroup_bytes(&self, head: u64, value_head: u64, element: Element) -> i64 {
        i64::try_from(head.saturating_add(value_head))
            .unwrap_or(i64::MAX)
            .saturating_mul(self.block_kv)
            .saturating_mul(element.bytes() as i64)
    }

    /// Least and most of a knob on a device.
    pub fn range(knob: &str, device: &Device) -> Option<(i64, i64)> {
        Some(match knob {
            "block-q" => (1, device.max_invocations()),
            "block-kv" => (1, 1024),
            "split-head" => (1, 8),
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

    /// Every relation that does not hold among the knobs that `knob` gives, and with the
    /// heads if they are known.
    pub fn judge(
        mut knob: impl FnMut(&str) -> Option<i64>,
        heads: Option<Heads>,
        device: &Device,
    ) -> Vec<Unfit> {
        let mut unfit = Vec::new();
        let mut known = |name: &str| {
            let range = Self::range(name, device);
            within(&mut unfit, name, knob(name), range)
        };
        let (block_q, block_kv) = (known("block-q"), known("block-kv"));
        let split_head = known("split-head");
        split(&mut unfit, split_head, block_q, device);
        let Some(heads) = heads else {
            return unfit;
        };
        let Heads {
            head,
            value_head,
            element,
        } = heads;
        for (name, size) in [("head size", head), ("value head size", value_head)] {
            if size > MAX_HEAD {
                unfit.push(Unfit(format!(
                    "{name} {size} is over the limit of {MAX_HEAD}"
                )));
            }
        }
        if let Some(block_kv) = block_kv {
            let schedule = Self {
                block_q: block_q.unwrap_or(1),
                block_kv,
                ..Self::default()
            };
            let bytes = schedule.workgroup_bytes(head, value_head, element);
            if bytes > device.tile_memory() {
                unfit.push(Unfit(format!(
                    "block-kv {block_kv} of head sizes {head} and {value_head} in {element} takes {bytes} bytes of workgroup memory, the device '{}' has {}",
                    device.name, device.tile_memory()
                )));
            }
        }
        unfit
    }

    /// A schedule that fits, where the head sizes allow one.
    ///
    /// On an NVIDIA H200 16 heads of 2048x64 take 0.627 ms with heads that two invocations
    /// share, 64 queries and blocks of 16 keys; 0.640 ms with 8 keys; 0.709 to 0.711 ms with four
    /// invocations; 0.725 ms with whole heads, 32 queries and 8 keys (2026-11-28). Whole heads
    /// with 16 keys take twice as long (2026-11-21). A software device gets shorter blocks of
    /// keys: on lavapipe 8 heads of 128x64 take 6.5 ms with 4 and 8.7 ms with 16 (2026-11-21).
    pub fn guess(
        queries: u64,
        head: u64,
        value_head: u64,
        element: Element,
        device: &Device,
    ) -> Self {
        // Few queries would leave compute units idle with large blocks.
        let most = if queries > SHORT { 64 } else { 32 };
        let block_q = (queries.min(most).next_power_of_two() as i64)
            .min(device.max_invocations())
            .max(1);
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
        };
        while schedule.block_kv > 1
            && schedule.workgroup_bytes(head, value_head, element) > device.tile_memory()
        {
            schedule.block_kv /= 2;
        }
        schedule
    }
}

/// Whether heads can be shared among so many invocations.
fn split(unfit: &mut Vec<Unfit>, split: Option<i64>, block_q: Option<i64>, device: &Device) {
    let split = power_of_two(unfit, "split-head", split);
    let Some(split @ 2..) = split else {
        return;
    };
    divides(unfit, ("split-head", Some(split)), ("block-q", block_q));
    let name = &device.name;
    if !device.has("subgroup") {
        unfit.push(Unfit(format!(
            "split-head {split} needs feature 'subgroup', which the device '{name}' lacks"
        )));
        return;
    }
    let size = subgroup_size(unfit, ("split-head", split), device);
    if let Some(size) = size.filter(|it| it % split != 0) {
        unfit.push(Unfit(format!(
            "split-head {split} does not divide the subgroup size {size} of the device '{name}'"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_fit() {
        for head in [1, 32, 64, 128, 256] {
            let device = Device::default();
            let schedule = AttentionSchedule::guess(7, head, head, Element::F32, &device);
            assert_eq!(schedule.check(head, head, Element::F32, &device), Ok(()));
        }
    }

    #[test]
    fn head_sizes_of_a_file_may_be_anything() {
        let device = Device::default();
        let schedule = AttentionSchedule::guess(u64::MAX, u64::MAX, 64, Element::F16, &device);
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
