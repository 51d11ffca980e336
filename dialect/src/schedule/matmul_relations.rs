//! The relations between a matmul's knobs, its elements and the device.
//!
//! Each is judged where its own knobs are known and in range, so that one wrong knob
//! hides nothing about the others.

use super::{MatmulSchedule, Unfit, divides, vector_width, within};
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
    };
    known("group-m");
    known("split-k");
    knobs.unroll = known("unroll");
    knobs.subgroups = known("subgroups");
    knobs.vector_width = vector_width(&mut unfit, knob("vector-width"), device);
    let whole = divisions(&knobs, &mut unfit);
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
    rows && columns
}

/// How many invocations the tiles give, if shares divide them. Shares that do not would
/// give no less than what is left without the rest, and so much is judged.
fn invocations(knobs: &Known, whole: bool, device: &Device, unfit: &mut Vec<Unfit>) -> Option<i64> {
    let (tile_m, tile_n) = (knobs.tile_m?, knobs.tile_n?);
    let (thread_m, thread_n) = (knobs.thread_m?, knobs.thread_n?);
    let invocations = (tile_m / thread_m) * (tile_n / thread_n);
    if invocations > device.max_invocations() {
        let product = format!(
            "(tile-m {tile_m}/thread-m {thread_m})*(tile-n {tile_n}/thread-n {thread_n}) = {invocations} invocations{}",
            or_more(whole)
        );
        let limit = match device.target {
            Target::Gpu => format!(
                "the device '{}' has {}",
                device.name,
                device.max_invocations()
            ),
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
    let size = device.subgroup_size as i64;
    if size == 0 {
        unfit.push(Unfit(format!(
            "subgroups is {subgroups}, but the device '{}' has no fixed subgroup size",
            device.name
        )));
        return;
    }
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
    let accumulators = thread_m * thread_n;
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
    let exact = knobs.stages.is_some() && knobs.vector_width.is_some() && element.is_some();
    let element = element.unwrap_or(SMALLEST);
    let schedule = MatmulSchedule {
        tile_m,
        tile_n,
        tile_k,
        stages: knobs.stages.unwrap_or(1),
        vector_width: knobs.vector_width.unwrap_or(1),
        ..Default::default()
    };
    let bytes = schedule.workgroup_bytes(element);
    if bytes > device.tile_memory() {
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
