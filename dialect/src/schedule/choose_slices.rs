//! Default slices for products of few rows, where memory decides.

use super::{MatmulProblem, MatmulSchedule, choose_tiles::gpu_units};
use crate::device::Device;

/// Rows up to which a GPU's default is no tile in workgroup memory.
const ROWS: u64 = 16;
/// Rows of one invocation at most: 16 rows take 47.8 us by eights on the H200, 62.1 whole.
const OWN_ROWS: u64 = 8;
/// Accesses of an operand that an invocation has under way at a time, where columns lie side
/// by side.
const ACCESSES: i64 = 2;

/// Slices for a result of few rows: all of its rows and some columns for each workgroup,
/// fewer columns where they would leave compute units idle; none for more rows, or where
/// nothing fits.
///
/// On the H200 a row of 4096 f32 times 4096x4096 takes 25.6 us with 128 slices of 32 columns,
/// 29.7 with 64, 27.8 with 256 slices of 16 columns, 43.5 with 8 columns. Stored [N, K], where
/// slices read side by side, 22.7 us with 4 columns, 24.9 with 32; in f16 13.3 with one access under
/// way at a time, 14.0 with two, 15.9 with 32 columns (2026-11-28).
pub(super) fn choose(problem: &MatmulProblem, device: &Device) -> Option<MatmulSchedule> {
    if problem.m > ROWS || device.is_software() {
        return None;
    }
    let width = device.max_vector();
    let columns = [8, 4, 2].map(|invocations| invocations * width);
    let workgroups = |columns: i64| problem.n.div_ceil(columns as u64) * problem.batch;
    let busy = |columns: &i64| workgroups(*columns) * 2 >= gpu_units(device);
    let (columns, accesses) = match problem.transpose_b {
        true => (width, 1),
        false => (
            columns.into_iter().find(busy).unwrap_or(2 * width),
            ACCESSES,
        ),
    };
    let shares = problem.m.div_ceil(OWN_ROWS);
    let rows = problem.m.div_ceil(shares) as i64;
    let schedule = |slice_k: i64| MatmulSchedule {
        tile_m: rows * shares as i64,
        tile_n: columns,
        tile_k: slice_k * width * accesses,
        thread_m: rows,
        thread_n: width,
        vector_width: width,
        slice_k,
        ..MatmulSchedule::default()
    };
    // No slice without its share of the contraction.
    let useful = |slices: &i64| *slices == 2 || (slices * width) as u64 <= problem.k;
    [128, 64, 32, 16, 8, 4, 2]
        .into_iter()
        .filter(useful)
        .map(schedule)
        .find(|it| it.check(problem, device).is_ok())
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

    #[test]
    fn few_rows_are_sliced_where_memory_decides() {
        let h200 = Device {
            workgroup_memory: 49152,
            invocations: 1024,
            cores: 132,
            ..Device::default()
        };
        let software = Device {
            kind: "software".into(),
            ..h200.clone()
        };
        let of = |problem, device: &Device| {
            choose(&problem, device).map(|it| (it.tile_m, it.tile_n, it.slice_k))
        };
        assert_eq!(of(problem(1, 4096, 4096), &h200), Some((1, 32, 128)));
        // What the sums take limits the slices.
        assert_eq!(of(problem(16, 4096, 4096), &h200), Some((16, 32, 16)));
        // Few columns: narrow ones keep more compute units at work.
        assert_eq!(of(problem(1, 768, 3072), &h200), Some((1, 8, 128)));
        // A short contraction has few slices.
        assert_eq!(of(problem(1, 4096, 64), &h200), Some((1, 32, 16)));
        // Stored along the contraction: a column for each lane of an access.
        let transposed = MatmulProblem {
            transpose_b: true,
            ..problem(1, 4096, 4096)
        };
        assert_eq!(of(transposed, &h200), Some((1, 4, 128)));
        assert_eq!(of(problem(17, 4096, 4096), &h200), None);
        assert_eq!(of(problem(1, 4096, 4096), &software), None);
        for m in 1..=16 {
            for n in [1, 7, 4096] {
                for k in [1, 3, 8, 4096] {
                    let it = problem(m, n, k);
                    let chosen = choose(&it, &h200).expect("something fits");
                    assert_eq!(chosen.check(&it, &h200), Ok(()));
                }
            }
        }
    }
}
