//! Which tiles a matmul gets when nobody chose: the candidate of the least cost that fits.
//!
//! The cost is the time of the compute unit (multiprocessor, GPU core, thread of a
//! software device) with the most workgroups, in multiply-adds of its full rate:
//!
//! ```text
//! tiles    = ceil(M / tile-m) * ceil(N / tile-n) * batch * split-k
//! per-unit = ceil(tiles / units)               a last wave of one tile costs a whole one
//! resident = workgroups that fit on a unit, by workgroup memory, invocations and registers
//! steps    = ceil(ceil(K / tile-k) / split-k)
//! element  = 1 + thread * (1/thread-m + 1/thread-n) + tile * (1/tile-m + 1/tile-n)
//! step     = per-unit * tile-m * tile-n * tile-k * element
//!            + latency * ceil(per-unit / resident)
//!                      * (2 with one stage, 1.67 with a tile in registers, else 1)
//! cost     = steps * step + (split-k > 1: reduction + part * (split-k + 1) * batch * M * N)
//! ```
//!
//! `element` falls with arithmetic intensity: the first sum counts the reads of
//! workgroup memory per multiply-add, the second those of buffers. Tiles that hang over
//! the edge cost like whole ones, so that waste in M, N and K needs no term of its own.
//!
//! Of the two sets of constants the one for GPUs is fitted to 2,400 timings of 26 problems on an
//! H200 (2026-11-28, docs/performance.md): what it chooses of the candidates here is on average
//! 2 % slower than the fastest of all that were timed. The one for software devices is fitted to
//! the processor time of schedules of 512x512x512 on lavapipe (2026-11-21). Its driver's compiler costs more than its runs while a plan is verified, so
//! there is no candidate of more than 8x8 per invocation and four steps unrolled: 16x16 is
//! up to a fifth faster at 512x512x512, and makes the verification of a transformer block
//! take five times as long (2026-11-28).
//!
//! On a GPU tiles of 32x32 and more must give three workgroups to four units: fewer were not timed.
//! split-k is tried only where the best tiles without it are fewer than 4.5 for each unit of a GPU,
//! or than one for two units of a software device, and taken where it costs less, a tenth less on a
//! software device; on a GPU a part has four tiles of K at least.
//!
//! Limits: caches, clocks, transposed operands and the registers of a tile that waits in them are not
//! modelled. On a GPU no choice of 4x64 tiles was measured, nor any on a GPU other than the H200.

use super::{
    MatmulProblem, MatmulSchedule, choose_matrices, choose_slices,
    tile_candidates::{cpu_candidates, gpu_candidates},
};
use crate::device::{Device, Target};

/// What a kind of device charges.
struct Rates {
    /// Compute units of a device that does not tell.
    units: u64,
    /// Multiply-adds that one read of workgroup memory costs.
    thread: f64,
    /// Multiply-adds that one read of a buffer into a tile costs.
    tile: f64,
    /// Multiply-adds lost while a step waits for its tiles.
    latency: f64,
    /// Multiply-adds lost to the second kernel of split-k.
    reduction: f64,
    /// Multiply-adds of a whole unit that an element of a part costs, written and read.
    part: f64,
    /// What the latency is multiplied with where the next tile waits in registers.
    prefetch: f64,
    /// Workgroups for each unit that large tiles must give.
    fill: f64,
    /// Workgroups for each unit from which on a contraction is not split.
    enough: f64,
    /// Tiles of the contraction that a part has at least.
    part_steps: u64,
    /// Shares of the contraction that are tried.
    splits: &'static [i64],
    /// A second kernel must leave no more than this of the cost.
    split_gain: f64,
}

/// One multiply-add is 6.7 ps on an H200's multiprocessor.
const GPU: Rates = Rates {
    units: 132,
    thread: 0.03,
    tile: 31.7,
    latency: 39_400.0,
    reduction: 1_650_000.0,
    part: 1.03,
    prefetch: 1.67,
    fill: 0.75,
    enough: 4.5,
    part_steps: 4,
    splits: &[1, 2, 3, 4, 6, 8],
    split_gain: 1.0,
};

/// Invocations are lanes of a register and workgroups run one after the other: nothing
/// waits, and what counts is work per barrier and per read.
const SOFTWARE: Rates = Rates {
    units: 8,
    thread: 18.0,
    tile: 45.0,
    latency: 0.0,
    reduction: 50_000.0,
    part: 0.5,
    prefetch: 1.0,
    fill: 0.0,
    enough: 0.5,
    part_steps: 1,
    splits: &[1, 2, 4, 8],
    split_gain: 0.9,
};

/// Invocations that a unit is taken to hold.
const UNIT_INVOCATIONS: i64 = 2048;
/// Workgroups of the largest workgroup memory that a unit is taken to hold.
const UNIT_WORKGROUPS: i64 = 2;
/// Elements of a tile of the result from which on it must give enough workgroups.
const LARGE: i64 = 32 * 32;
/// Registers that a unit is taken to have, and that one invocation can.
const UNIT_REGISTERS: i64 = 65_536;
const MOST_REGISTERS: i64 = 255;

/// The schedule that costs least of those that fit; always one that does.
pub(super) fn choose(problem: &MatmulProblem, device: &Device) -> MatmulSchedule {
    let fits = |schedule: &MatmulSchedule| schedule.check(problem, device).is_ok();
    let found = match device.target {
        Target::Cpu => cpu_candidates(problem, device).into_iter().find(fits),
        Target::Gpu
            if let Some(chosen) = choose_matrices::choose(problem, device)
                .or_else(|| choose_slices::choose(problem, device)) =>
        {
            Some(chosen)
        }
        Target::Gpu => {
            let rates = if device.is_software() {
                &SOFTWARE
            } else {
                &GPU
            };
            let fitting: Vec<_> = gpu_candidates(device).into_iter().filter(fits).collect();
            let cost = |it: &MatmulSchedule| cost(it, problem, device, rates);
            let units = units(device, rates);
            let workgroups =
                |it: &MatmulSchedule| tiles(it, problem) as f64 * it.split_k as f64 / units as f64;
            // Large tiles that leave much of the device empty, only where nothing else fits.
            let cheapest = |all: Vec<MatmulSchedule>| {
                let filling = |it: &MatmulSchedule| {
                    workgroups(it) >= rates.fill || it.tile_m * it.tile_n < LARGE
                };
                let filling = least(all.iter().copied().filter(filling), cost);
                filling.or_else(|| least(all.into_iter(), cost))
            };
            let whole = cheapest(fitting.clone());
            let chosen = match whole.filter(|it| workgroups(it) < rates.enough) {
                None => whole,
                Some(whole) => {
                    let all = fitting.iter().flat_map(|it| splits(*it, problem, rates));
                    let split = cheapest(all.collect());
                    let gains = |it: &MatmulSchedule| cost(it) < rates.split_gain * cost(&whole);
                    split.filter(gains).or(Some(whole))
                }
            };
            chosen.map(|it| whole_groups(it, problem))
        }
    };
    found.unwrap_or(MatmulSchedule {
        tile_m: 1,
        tile_n: 1,
        tile_k: 1,
        thread_m: 1,
        thread_n: 1,
        vector_width: 1,
        ..MatmulSchedule::default()
    })
}

/// Groups of row tiles without a rest where the last tile hangs over the edge, since the static
/// proof does not follow both: 8 of them, or else as many up to 16 as divide them.
fn whole_groups(schedule: MatmulSchedule, problem: &MatmulProblem) -> MatmulSchedule {
    let tile = schedule.tile_m as u64;
    if schedule.group_m == 1 || problem.m.is_multiple_of(tile) {
        return schedule;
    }
    let rows = problem.m.div_ceil(tile);
    let mut groups = [8].into_iter().chain((2..=16).rev());
    let group = groups.find(|it| rows.is_multiple_of(*it as u64));
    MatmulSchedule {
        group_m: group.unwrap_or(1),
        ..schedule
    }
}

fn least(
    all: impl Iterator<Item = MatmulSchedule>,
    cost: impl Fn(&MatmulSchedule) -> f64,
) -> Option<MatmulSchedule> {
    let costs = all.map(|it| (cost(&it), it));
    costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, it)| it)
}

/// A schedule, whole and with a split contraction.
fn splits(
    schedule: MatmulSchedule,
    problem: &MatmulProblem,
    rates: &Rates,
) -> impl Iterator<Item = MatmulSchedule> {
    // Parts beyond the tiles of K would be empty.
    let most = (problem.k.div_ceil(schedule.tile_k as u64) / rates.part_steps).max(1);
    let splits = rates.splits.iter().copied();
    let splits = splits.filter(move |it| *it as u64 <= most);
    splits.map(move |split_k| MatmulSchedule {
        split_k,
        ..schedule
    })
}

fn units(device: &Device, rates: &Rates) -> u64 {
    match device.cores {
        0 => rates.units,
        cores => cores,
    }
}

/// Compute units of a GPU.
pub(super) fn gpu_units(device: &Device) -> u64 {
    units(device, &GPU)
}

/// Tiles of the result, those of every batch.
pub(super) fn tiles(schedule: &MatmulSchedule, problem: &MatmulProblem) -> u64 {
    let rows = problem.m.div_ceil(schedule.tile_m as u64);
    let columns = problem.n.div_ceil(schedule.tile_n as u64);
    rows.saturating_mul(columns).saturating_mul(problem.batch)
}

/// Workgroups of a schedule that a unit holds at once.
fn resident(schedule: &MatmulSchedule, problem: &MatmulProblem, device: &Device) -> u64 {
    let memory = UNIT_WORKGROUPS * device.tile_memory();
    let by_memory = memory / schedule.workgroup_bytes(problem.element).max(1);
    let shares = schedule.shares();
    let registers = shares * registers(schedule).min(MOST_REGISTERS);
    let fits = by_memory.min(UNIT_INVOCATIONS / shares);
    fits.min(UNIT_REGISTERS / registers).max(1) as u64
}

/// Registers that an invocation is taken to need: sums, four steps of both operands, addresses.
const fn registers(schedule: &MatmulSchedule) -> i64 {
    let (m, n) = (schedule.thread_m, schedule.thread_n);
    m * n + 4 * (m + n) + 40
}

/// The formula above.
fn cost(schedule: &MatmulSchedule, problem: &MatmulProblem, device: &Device, rates: &Rates) -> f64 {
    let units = units(device, rates);
    let split_k = schedule.split_k as u64;
    let workgroups = tiles(schedule, problem).saturating_mul(split_k);
    let per_unit = workgroups.div_ceil(units);
    let rounds = per_unit.div_ceil(resident(schedule, problem, device));
    let steps = problem.k.div_ceil(schedule.tile_k as u64).div_ceil(split_k);
    let share = |a: i64, b: i64| 1.0 / a as f64 + 1.0 / b as f64;
    let element = 1.0
        + rates.thread * share(schedule.thread_m, schedule.thread_n)
        + rates.tile * share(schedule.tile_m, schedule.tile_n);
    let tile = (schedule.tile_m * schedule.tile_n * schedule.tile_k) as f64;
    let waits = match (schedule.stages, schedule.prefetch) {
        (1, 0) => 2.0,
        (1, _) => rates.prefetch,
        _ => 1.0,
    };
    let step = per_unit as f64 * tile * element + rates.latency * waits * rounds as f64;
    let reduction = if split_k == 1 {
        0.0
    } else {
        let results = problem.batch as f64 * problem.m as f64 * problem.n as f64;
        rates.reduction + rates.part * (split_k + 1) as f64 * results
    };
    steps as f64 * step + reduction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn problem(m: u64, n: u64, k: u64) -> MatmulProblem {
        MatmulProblem {
            batch: 1,
            m,
            n,
            k,
            element: Element::F32,
            transpose_b: false,
        }
    }

    fn h200() -> Device {
        Device {
            workgroup_memory: 49152,
            invocations: 1024,
            cores: 132,
            ..Device::default()
        }
    }

    fn software(cores: u64) -> Device {
        Device {
            kind: "software".into(),
            workgroup_memory: 32768,
            invocations: 1024,
            cores,
            ..Device::default()
        }
    }

    fn tile(problem: MatmulProblem, device: &Device) -> (i64, i64) {
        let schedule = choose(&problem, device);
        (schedule.tile_m, schedule.tile_n)
    }

    fn cost_of(schedule: &MatmulSchedule, problem: &MatmulProblem, device: &Device) -> f64 {
        cost(schedule, problem, device, &GPU)
    }

    #[test]
    fn an_h200_keeps_its_measured_defaults() {
        let unknown = Device { cores: 0, ..h200() };
        for device in [h200(), unknown] {
            for ((m, n, k), best) in [
                ((4096, 4096, 4096), (256, 128, 1)),
                ((2048, 2048, 2048), (256, 128, 1)),
                ((1024, 1024, 1024), (128, 128, 2)),
                ((1001, 1003, 1007), (64, 128, 1)),
                ((768, 768, 768), (128, 128, 3)),
                ((2048, 768, 3072), (96, 128, 1)),
                ((2048, 768, 768), (96, 128, 1)),
                ((512, 4096, 4096), (256, 128, 2)),
                ((512, 3072, 768), (48, 128, 1)),
                ((512, 768, 3072), (128, 192, 8)),
                ((128, 11008, 4096), (128, 128, 3)),
                ((128, 4096, 4096), (128, 128, 4)),
                ((128, 3072, 768), (32, 32, 1)),
                ((128, 384, 384), (16, 32, 1)),
                ((128, 1536, 384), (32, 32, 1)),
                ((128, 384, 1536), (32, 32, 8)),
            ] {
                let chosen = choose(&problem(m, n, k), &device);
                let found = (chosen.tile_m, chosen.tile_n, chosen.split_k);
                assert_eq!(found, best, "{m}x{n}x{k}");
                assert_eq!(chosen.stages + chosen.prefetch, 2, "{m}x{n}x{k}");
                let rows = m.div_ceil(chosen.tile_m as u64);
                let whole = m.is_multiple_of(chosen.tile_m as u64);
                assert!(
                    whole || rows.is_multiple_of(chosen.group_m as u64),
                    "{m}x{n}x{k}"
                );
            }
        }
    }

    #[test]
    fn one_tile_over_a_wave_changes_the_tiles() {
        // 7 x 19 tiles of 256x128 on 132 units: 133, so that one unit does two.
        let (over, device) = (problem(7 * 256, 19 * 128, 4096), h200());
        let large = choose(&problem(4096, 4096, 4096), &device);
        assert_eq!(tiles(&large, &over), 133);
        let chosen = choose(&over, &device);
        assert_ne!(chosen.tile_m, large.tile_m);
        let useful = |schedule: &MatmulSchedule| {
            let waves = tiles(schedule, &over) as f64 * schedule.split_k as f64 / 132.0;
            waves / waves.ceil()
        };
        assert!(useful(&large) < 0.51, "{}", useful(&large));
        assert!(useful(&chosen) > 0.8, "{chosen:?} {}", useful(&chosen));
        // On 133 units the same tiles are one whole wave.
        let more = Device {
            cores: 133,
            ..h200()
        };
        assert_eq!(tile(over, &more), (256, 128));
    }

    #[test]
    fn few_tiles_share_a_long_contraction() {
        for (m, n) in [(32, 128), (64, 64), (17, 256)] {
            let long = choose(&problem(m, n, 16384), &h200());
            assert!(long.split_k > 1, "{m}x{n}: {long:?}");
            let short = choose(&problem(m, n, 64), &h200());
            assert_eq!(short.split_k, 1, "{m}x{n}: {short:?}");
        }
        // Enough tiles: the second kernel would only cost.
        assert_eq!(choose(&problem(4096, 4096, 16384), &h200()).split_k, 1);
    }

    #[test]
    fn thin_products_get_thin_tiles() {
        for device in [h200(), software(2)] {
            for m in 1..=16 {
                let chosen = choose(&problem(m, 4096, 4096), &device);
                assert!(chosen.tile_m <= 16, "{m}: {chosen:?}");
            }
            assert!(choose(&problem(1, 4096, 4096), &device).tile_m <= 4);
        }
    }

    #[test]
    fn a_tail_costs_like_a_whole_tile() {
        let device = h200();
        let quad = MatmulSchedule::default();
        let cost = |m, n, k| cost_of(&quad, &problem(m, n, k), &device);
        for tail in 1..64 {
            // 133 x 1 tiles: any tail of M or N is one tile more on some unit.
            assert_eq!(cost(132 * 64 + tail, 64, 64), cost(133 * 64, 64, 64));
            assert_eq!(cost(64, 132 * 64 + tail, 64), cost(64, 133 * 64, 64));
        }
        for tail in 1..16 {
            assert_eq!(cost(64, 64, 64 + tail), cost(64, 64, 80));
            assert!(cost(64, 64, 64 + tail) > cost(64, 64, 64));
        }
    }

    #[test]
    fn software_gets_work_per_invocation() {
        // lavapipe, 2 threads: 10 ms against 32 ms with the tiles for GPUs.
        let chosen = choose(&problem(512, 512, 512), &software(2));
        assert_eq!(chosen.thread_m * chosen.thread_n, 64, "{chosen:?}");
        assert_eq!((chosen.stages, chosen.unroll), (1, 4), "{chosen:?}");
    }

    #[test]
    fn small_workgroups_limit_what_is_resident() {
        let (problem, device) = (problem(512, 512, 512), h200());
        let quad = MatmulSchedule {
            stages: 3,
            ..MatmulSchedule::default()
        };
        let half = Device {
            workgroup_memory: device.workgroup_memory / 2,
            ..h200()
        };
        let held = [&half, &device].map(|it| resident(&quad, &problem, it));
        assert!(held[0] < held[1], "{held:?}");
        let crowded = Device { cores: 1, ..device };
        assert!(
            cost_of(&quad, &problem, &Device { cores: 1, ..half })
                > cost_of(&quad, &problem, &crowded)
        );
    }
}
