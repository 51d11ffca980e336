//! The relations between an attention's knobs, its heads and the device.

use super::{
    AttentionSchedule, MAX_HEAD, Unfit, divides,
    matrix::{matrix_shape, matrix_unit},
    power_of_two, subgroups, within,
};
use crate::{Element, device::Device};

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
        let (split_head, prefetch) = (known("split-head"), known("prefetch"));
        let (slice_kv, split_kv) = (known("slice-kv"), known("split-kv"));
        let edge = matrix_unit(&mut unfit, knob("matrix-unit"));
        split(&mut unfit, split_head, block_q, device);
        let element = heads.map(|heads| heads.element);
        let sharers = matrices(&mut unfit, edge, [block_q, block_kv], element, device);
        for (knob, value, why) in [
            ("split-head", split_head, "adds up whole heads"),
            ("split-kv", split_kv, "has no parts of keys"),
        ] {
            exclude(&mut unfit, edge, (knob, value), why);
        }
        let slice_kv = slices(&mut unfit, slice_kv, edge, [block_q, block_kv], device);
        if let (Some(0), Some(1)) = (edge, prefetch) {
            let message = "prefetch 1 needs the matrix unit: other invocations read keys in turns";
            unfit.push(Unfit(message.into()));
        }
        let Some(heads) = heads else {
            return unfit;
        };
        sizes(&mut unfit, edge, sharers, heads);
        if let (Some(block_kv), Some(edge), Some(slice_kv)) = (block_kv, edge, slice_kv) {
            let schedule = Self {
                block_q: block_q.unwrap_or(Self::default().block_q),
                block_kv,
                slice_kv,
                split_head: split_head.unwrap_or(1),
                matrix_unit: edge,
                ..Self::default()
            };
            memory(&mut unfit, schedule, heads, device);
        }
        unfit
    }
}

/// Whether heads can be shared among so many invocations.
pub(super) fn split(
    unfit: &mut Vec<Unfit>,
    split: Option<i64>,
    block_q: Option<i64>,
    device: &Device,
) {
    let split = power_of_two(unfit, "split-head", split);
    let Some(split @ 2..) = split else {
        return;
    };
    divides(unfit, ("split-head", Some(split)), ("block-q", block_q));
    let size = subgroups(unfit, ("split-head", split), device);
    if let Some(size) = size.filter(|it| it % split != 0) {
        unfit.push(Unfit(format!(
            "split-head {split} does not divide the subgroup size {size} of the device '{}'",
            device.name
        )));
    }
}

/// How many invocations share the keys of a query, if they may.
fn slices(
    unfit: &mut Vec<Unfit>,
    slices: Option<i64>,
    edge: Option<i64>,
    [block_q, block_kv]: [Option<i64>; 2],
    device: &Device,
) -> Option<i64> {
    let slices = power_of_two(unfit, "slice-kv", slices)?;
    if slices == 1 {
        return Some(1);
    }
    divides(unfit, ("slice-kv", Some(slices)), ("block-kv", block_kv));
    if let Some(edge @ 1..) = edge {
        unfit.push(Unfit(format!(
            "matrix-unit {edge} does not go with slice-kv {slices}: a matrix has all keys of a block"
        )));
    }
    let invocations = block_q?.saturating_mul(slices);
    if invocations > device.max_invocations() {
        unfit.push(Unfit(format!(
            "block-q {}*slice-kv {slices} = {invocations} invocations, the device '{}' has {}",
            block_q?,
            device.name,
            device.max_invocations()
        )));
    }
    Some(slices)
}

/// What the matrix unit asks of the blocks. The invocations of a row, if they fit.
fn matrices(
    unfit: &mut Vec<Unfit>,
    edge: Option<i64>,
    [block_q, block_kv]: [Option<i64>; 2],
    element: Option<Element>,
    device: &Device,
) -> Option<i64> {
    let size = matrix_shape(unfit, edge, element, device)?;
    let unit = ("matrix-unit", edge);
    if !device.has("subgroup") {
        unfit.push(Unfit(format!(
            "matrix-unit {} of an attention needs feature 'subgroup', which the device '{}' lacks",
            edge?, device.name
        )));
    }
    let rows = divides(unfit, unit, ("block-q", block_q));
    divides(unfit, unit, ("block-kv", block_kv));
    if !divides(unfit, unit, ("subgroup size", Some(size))) {
        return None;
    }
    let sharers = size / edge?;
    let accesses = ("subgroup size/matrix-unit*4", Some(sharers * 4));
    divides(unfit, accesses, ("block-kv", block_kv));
    if let (true, Some(block_q)) = (rows, block_q) {
        let invocations = block_q / edge? * size;
        if invocations > device.max_invocations() {
            unfit.push(Unfit(format!(
                "block-q {block_q}/matrix-unit {}*(subgroup {size}) = {invocations} invocations, the device '{}' has {}",
                edge?, device.name, device.max_invocations()
            )));
        }
    }
    Some(sharers)
}

/// What does not go with the matrix unit.
fn exclude(
    unfit: &mut Vec<Unfit>,
    edge: Option<i64>,
    (knob, value): (&str, Option<i64>),
    why: &str,
) {
    if let (Some(edge @ 1..), Some(value @ 2..)) = (edge, value) {
        unfit.push(Unfit(format!(
            "matrix-unit {edge} does not go with {knob} {value}: the matrix unit {why}"
        )));
    }
}

/// What the heads must be.
fn sizes(unfit: &mut Vec<Unfit>, edge: Option<i64>, sharers: Option<i64>, heads: Heads) {
    let sizes = [
        ("head size", heads.head),
        ("value head size", heads.value_head),
    ];
    for (name, size) in sizes {
        if size > MAX_HEAD {
            unfit.push(Unfit(format!(
                "{name} {size} is over the limit of {MAX_HEAD}"
            )));
            continue;
        }
        let size = (name, Some(size as i64));
        divides(unfit, ("matrix-unit", edge.filter(|it| *it > 0)), size);
    }
    let accesses = ("subgroup size/matrix-unit*4", sharers.map(|it| it * 4));
    let value_head = i64::try_from(heads.value_head).ok();
    divides(unfit, accesses, ("value head size", value_head));
}

fn memory(unfit: &mut Vec<Unfit>, schedule: AttentionSchedule, heads: Heads, device: &Device) {
    let Heads {
        head,
        value_head,
        element,
    } = heads;
    let bytes = schedule.workgroup_bytes(head, value_head, element);
    if bytes <= device.tile_memory() {
        return;
    }
    let AttentionSchedule {
        block_q, block_kv, ..
    } = schedule;
    let blocks = match schedule.matrix_unit {
        0 => format!("block-kv {block_kv}"),
        _ => format!("block-q {block_q} and block-kv {block_kv}"),
    };
    unfit.push(Unfit(format!(
        "{blocks} of head sizes {head} and {value_head} in {element} takes {bytes} bytes of workgroup memory, the device '{}' has {}",
        device.name, device.tile_memory()
    )));
}
