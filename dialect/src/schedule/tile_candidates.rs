//! The tiles that a matmul without a schedule chooses from.

use super::{MatmulProblem, MatmulSchedule};
use crate::device::Device;

/// Large tiles reuse most, small ones fill a device; thin ones waste least on few rows.
pub(super) fn gpu_candidates(device: &Device) -> Vec<MatmulSchedule> {
    let one = |[tile_m, tile_n, tile_k]: [i64; 3], [thread_m, thread_n]: [i64; 2]| MatmulSchedule {
        tile_m,
        tile_n,
        tile_k,
        thread_m,
        thread_n,
        ..MatmulSchedule::default()
    };
    let two = |tile, thread| MatmulSchedule {
        stages: 2,
        ..one(tile, thread)
    };
    let ahead = |tile, thread| MatmulSchedule {
        prefetch: 1,
        ..one(tile, thread)
    };
    let grouped = |schedule| MatmulSchedule {
        group_m: 8,
        ..schedule
    };
    let mut candidates = vec![
        one([8, 16, 8], [2, 4]),
        one([4, 8, 4], [1, 4]),
        one([1, 4, 4], [1, 4]),
    ];
    if device.is_software() {
        candidates.extend(
            [
                one([128, 128, 16], [8, 8]),
                one([64, 64, 16], [8, 8]),
                one([32, 64, 16], [8, 8]),
                one([32, 32, 16], [8, 8]),
                one([16, 64, 16], [8, 8]),
                one([8, 64, 16], [8, 8]),
                one([4, 64, 16], [4, 8]),
                one([1, 64, 16], [1, 8]),
            ]
            .map(|schedule| MatmulSchedule {
                unroll: 4,
                ..schedule
            }),
        );
    } else {
        candidates.extend([
            grouped(two([256, 128, 8], [16, 8])),
            grouped(ahead([128, 192, 16], [8, 12])),
            grouped(two([128, 128, 16], [8, 8])),
            grouped(ahead([96, 128, 32], [6, 8])),
            grouped(ahead([64, 128, 16], [8, 8])),
            grouped(ahead([48, 128, 16], [6, 8])),
            two([64, 64, 16], [4, 4]),
            one([64, 64, 16], [4, 4]),
            two([32, 64, 16], [4, 4]),
            ahead([32, 32, 32], [4, 4]),
            two([16, 32, 16], [2, 4]),
            two([4, 64, 16], [1, 4]),
        ]);
    }
    candidates
}

/// One invocation per workgroup: the tile is what the registers hold.
pub(super) fn cpu_candidates(problem: &MatmulProblem, device: &Device) -> Vec<MatmulSchedule> {
    // A width that divides both keeps every access whole.
    let mut width = device.max_vector();
    while !problem.n.is_multiple_of(width as u64) || !problem.k.is_multiple_of(width as u64) {
        width /= 2;
    }
    let columns = (2 * width).max(8);
    [(8, columns, 64), (4, columns, 16)]
        .into_iter()
        .map(|(rows, columns, tile_k)| MatmulSchedule {
            tile_m: rows,
            tile_n: columns,
            thread_m: rows,
            thread_n: columns,
            tile_k,
            vector_width: width,
            unroll: width,
            ..MatmulSchedule::default()
        })
        .collect()
}
