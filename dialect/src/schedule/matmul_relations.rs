//! The relations between a matmul's knobs, its elements and the device.
//!
//! Each is judged where its own knobs are known and in range, so that one wrong knob
//! hides nothing about the others.

use super::{
    MatmulSchedule, Unfit, divides,
    matrix::{matrix_shape, matrix_unit},
    power_of_two, subgroup_size, vector_width, within,
};
use crate::{
    Element,
    device::{Device, Target},
};

/// Accumulator elements of one invocation above which no device keeps them in registers.
pub const MAX_ACCUMULATORS: i64 = 256;

/// Element type of the least size that kernels exist for.
const SMALLEST: Element = Element::F16;

/// The knobs that are given and in range.
struct Known {
    tile_m: Option<i64>,
    tile_n: Option<i64>,
    tile_k: Option<i64>,
    thread_m: Option<i64>,
    thread_n: Option<i64>,
    stages: Option<i64>,
    unroll: Option<i64>,
    subgroups: Option<i64>,
    vector_width: Option<i64>,
    prefetch: Option<i64>,
    /// A power of two.
    slice_k: Option<i64>,
    /// 0, 8 or 16.
    matrix_unit: Option<i64>,
}

impl Known {
    /// Invocations whose registers share the accumulators of thread-m and thread-n.
    fn sharing(&self, device: &Device) -> Option<i64> {
        match self.matrix_unit? {
            0 => Some(1),
            _ => Some(device.subgroup_size as i64).filter(|size| *size > 0),
        }
    }
}

/// Every relation that does not hold, as far as it can be judged.
pub(super) fn judge(
    mut knob: impl FnMut(&str) -> Option<i64>,
    element: Option<Element>,
    device: &Device,
) -> Vec<Unfit> {
    let mut unfit = Vec::new();
    let mut known = |name: &str| {
        let range = MatmulSchedule::range(name, device);
        within(&mut unfit, name, knob(name), range)
    };
    let mut knobs = Known {
        tile_m: known("tile-m"),
        tile_n: known("tile-n"),
        tile_k: known("tile-k"),
        thread_m: known("thread-m"),
        thread_n: known("thread-n"),
        stages: known("stages"),
        unroll: None,
        subgroups: None,
        vector_width: None,
        prefetch: known("prefetch"),
        slice_k: known("slice-k"),
        matrix_unit: None,
    };
    known("group-m");
    known("split-k");
    knobs.unroll = known("unroll");
    knobs.subgroups = known("subgroups");
    knobs.vector_width = vector_width(&mut unfit, knob("vector-width"), device);
    knobs.slice_k = power_of_two(&mut unfit, "slice-k", knobs.slice_k);
    knobs.matrix_unit = matrix_unit(&mut unfit, knob("matrix-unit"));
    exclusions(&knobs, device, &mut unfit);
    let whole = divisions(&knobs, &mut unfit);
    matrix_shape(&mut unfit, knobs.matrix_unit, element, device);
    let invocations = invocations(&knobs, whole, device, &mut unfit);
    accumulators(&knobs, device, &mut unfit);
    memory(&knobs, element, device, &mut unfit);
    subgroups(&knobs, invocations, device, &mut unfit);
    unfit
}

/// What must divide what; whether the shares are known to divide the tiles.
fn divisions(knobs: &Known, unfit: &mut Vec<Unfit>) -> bool {
    let vector = ("vector-width", knobs.vector_width);
    let tile_k = ("tile-k", knobs.tile_k);
    let rows = divides(
        unfit,
        ("thread-m", knobs.thread_m),
        ("tile-m", knobs.tile_m),
    );
    let columns = divides(
        unfit,
        ("thread-n", knobs.thread_n),
        ("tile-n", knobs.tile_n),
    );
    divides(unfit, vector, tile_k);
    divides(unfit, vector, ("tile-n", knobs.tile_n));
    divides(unfit, vector, ("thread-n", knobs.thread_n));
    // 0 is all of tile-k, about which everything is said above.
    let unroll = ("unroll", knobs.unroll.filter(|steps| *steps != 0));
    divides(unfit, unroll, tile_k);
    divides(unfit, vector, unroll);
    let edge = ("matrix-unit", knobs.matrix_unit.filter(|edge| *edge != 0));
    divides(unfit, edge, ("thread-m", knobs.thread_m));
    divides(unfit, edge, ("thread-n", knobs.thread_n));
    divides(unfit, edge, tile_k);
    if let (Some(slices @ 2..), Some(width)) = (knobs.slice_k, knobs.vector_width) {
        let accesses = ("slice-k*vector-width", Some(slices * width));
        divides(unfit, accesses, tile_k);
    }
    divides(unfit, edge, unroll);
    rows && columns
}

/// What goes with one way through the contraction and not with the other.
fn exclusions(knobs: &Known, device: &Device, unfit: &mut Vec<Unfit>) {
    let mut exclude = |what: (&str, Option<i64>), other: (&str, Option<i64>), why: &str| {
        if let ((what, Some(one)), (other, Some(two))) = (what, other) {
            let message = format!("{what} {one} does not go with {other} {two}: {why}");
            unfit.push(Unfit(message));
        }
    };
    let slices = ("slice-k", knobs.slice_k.filter(|it| *it > 1));
    let prefetch = ("prefetch", knobs.prefetch.filter(|it| *it > 0));
    let stages = ("stages", knobs.stages.filter(|it| *it > 1));
    let edge = ("matrix-unit", knobs.matrix_unit.filter(|it| *it > 0));
    let unroll = ("unroll", knobs.unroll.filter(|it| *it > 0));
    let no_tiles = "slices have no tiles in workgroup memory";
    exclude(slices, stages, no_tiles);
    exclude(slices, prefetch, no_tiles);
    exclude(slices, edge, no_tiles);
    exclude(
        slices,
        unroll,
        "an invocation takes tile-k/slice-k steps at a time",
    );
    let ahead = "the tiles of several stages are loaded ahead anyway";
    exclude(prefetch, stages, ahead);
    if let (Target::Cpu, (_, Some(_))) = (device.target, prefetch) {
        let message = "prefetch 1 needs a GPU: a CPU's tiles do not fit into registers";
        unfit.push(Unfit(message.into()));
    }
}

/// How many invocations the tiles give, if shares divide them. Shares that do not would
/// give no less than what is left without the rest, and so much is judged.
fn invocations(knobs: &Known, whole: bool, device: &Device, unfit: &mut Vec<Unfit>) -> Option<i64> {
    let (tile_m, tile_n) = (knobs.tile_m?, knobs.tile_n?);
    let (thread_m, thread_n) = (knobs.thread_m?, knobs.thread_n?);
    let sharing = knobs.sharing(device)?;
    let slices = knobs.slice_k?;
    let invocations = (tile_m / thread_m) * (tile_n / thread_n) * sharing * slices;
    if invocations > device.max_invocations() {
        let subgroup = match sharing {
            1 => String::new(),
            size => format!("*(subgroup {size})"),
        };
        let sliced = match slices {
            1 => String::new(),
            slices => format!("*(slice-k {slices})"),
        };
        let product = format!(
            "(tile-m {tile_m}/thread-m {thread_m})*(tile-n {tile_n}/thread-n {thread_n}){subgroup}{sliced} = {invocations} invocations{}",
            or_more(whole)
        );
        let limit = match device.target {
            Target::Gpu => format!(
                "the device '{}' has {}",
                device.name,
                device.max_invocations()
            ),
            Target::Cpu if slices > 1 => "a CPU's workgroup has 1; make slice-k 1".into(),
            Target::Cpu => {
                "a CPU's workgroup has 1; make thread-m equal to tile-m and thread-n to tile-n"
                    .into()
            }
        };
        unfit.push(Unfit(format!("{product}, {limit}")));
    }
    whole.then_some(invocations)
}

/// The number of subgroups that is asked for, if one is.
fn subgroups(knobs: &Known, invocations: Option<i64>, device: &Device, unfit: &mut Vec<Unfit>) {
    let Some(subgroups) = knobs.subgroups.filter(|it| *it != 0) else {
        return;
    };
    let Some(size) = subgroup_size(unfit, ("subgroups", subgroups), device) else {
        return;
    };
    let Some(invocations) = invocations else {
        return;
    };
    if subgroups.checked_mul(size) != Some(invocations) {
        unfit.push(Unfit(format!(
            "subgroups {subgroups} of {size} invocations differ from the {invocations} that the tiles give"
        )));
    }
}

fn accumulators(knobs: &Known, device: &Device, unfit: &mut Vec<Unfit>) {
    let (Some(thread_m), Some(thread_n)) = (knobs.thread_m, knobs.thread_n) else {
        return;
    };
    let Some(sharing) = knobs.sharing(device) else {
        return;
    };
    let accumulators = thread_m * thread_n / sharing;
    if accumulators > MAX_ACCUMULATORS {
        let instead = match device.target {
            Target::Gpu => "",
            Target::Cpu => {
                "; on a CPU one invocation computes a whole tile, so take tiles such as 16x16"
            }
        };
        unfit.push(Unfit(format!(
            "thread-m {thread_m} * thread-n {thread_n} = {accumulators} accumulators per invocation, the limit is {MAX_ACCUMULATORS}{instead}"
        )));
    }
}

/// The memory of the tiles, which is at least that of one stage, of rows with the least
/// padding and of the smallest elements where these are not known.
fn memory(knobs: &Known, element: Option<Element>, device: &Device, unfit: &mut Vec<Unfit>) {
    let (Some(tile_m), Some(tile_n), Some(tile_k)) = (knobs.tile_m, knobs.tile_n, knobs.tile_k)
    else {
        return;
    };
    // Sums of slices may take less than the tiles that they replace.
    let Some(slice_k) = knobs.slice_k else {
        return;
    };
    let exact = knobs.stages.is_some()
        && knobs.vector_width.is_some()
        && knobs.matrix_unit.is_some()
        && knobs.thread_m.is_some()
        && knobs.thread_n.is_some()
        && element.is_some();
    let element = element.unwrap_or(SMALLEST);
    let schedule = MatmulSchedule {
        tile_m,
        tile_n,
        tile_k,
        stages: knobs.stages.unwrap_or(1),
        vector_width: knobs.vector_width.unwrap_or(1),
        thread_m: knobs.thread_m.unwrap_or(tile_m),
        thread_n: knobs.thread_n.unwrap_or(tile_n),
        matrix_unit: knobs.matrix_unit.unwrap_or(0),
        slice_k,
        ..Default::default()
    };
    let bytes = schedule.workgroup_bytes(element);
    if bytes > device.tile_memory() && slice_k > 1 {
        unfit.push(Unfit(format!(
            "the sums of {slice_k} slices of {tile_m}x{tile_n} take {bytes} bytes of workgroup memory, the device '{}' has {}",
            device.name, device.tile_memory()
        )));
    } else if bytes > device.tile_memory() {
        unfit.push(Unfit(format!(
            "{} of {tile_m}x{tile_n}x{tile_k} tiles of {element} take {bytes} bytes{} of workgroup memory, the device '{}' has {}",
            plural(schedule.stages), or_more(exact), device.name, device.tile_memory()
        )));
    }
}

const fn or_more(exact: bool) -> &'static str {
    match exact {
        true => "",
        false => " or more",
    }
}

fn plural(stages: i64) -> String {
    match stages {
        1 => "1 stage".into(),
        _ => format!("{stages} stages"),
    }
}
