//! Default tiles for the matrix unit.

use super::{
    MatmulProblem, MatmulSchedule,
    choose_tiles::{gpu_units, tiles},
    matrix::EDGE,
};
use crate::device::Device;

/// The largest tiles for the matrix unit that give every compute unit a workgroup, or the
/// smallest ones; none where the device has no such unit or the result is thinner than a
/// matrix.
///
/// On the H200 2048^3 of f16 takes 86 us with 128x128 and 64x64 for each subgroup, 97 with
/// 128x256, 102 with 256x128, 120 with 64x32; tiles of 64 along the contraction 120, two
/// stages 232 (2026-11-28).
pub(super) fn choose(problem: &MatmulProblem, device: &Device) -> Option<MatmulSchedule> {
    let tiles_of = [
        [128, 128, 64, 64],
        [128, 64, 64, 32],
        [64, 64, 32, 32],
        [64, 32, 32, 16],
        [32, 32, 16, 16],
    ];
    let all = tiles_of.map(|[tile_m, tile_n, thread_m, thread_n]| MatmulSchedule {
        tile_m,
        tile_n,
        tile_k: 32,
        thread_m,
        thread_n,
        group_m: 8,
        matrix_unit: EDGE,
        ..MatmulSchedule::default()
    });
    if problem.m.min(problem.n) < EDGE as u64 {
        return None;
    }
    let fits = |schedule: &MatmulSchedule| schedule.check(problem, device).is_ok();
    let fitting: Vec<MatmulSchedule> = all.into_iter().filter(fits).collect();
    let busy = |it: &&MatmulSchedule| tiles(it, problem) >= gpu_units(device);
    fitting.iter().find(busy).or(fitting.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn problem(m: u64, n: u64, k: u64, element: Element) -> MatmulProblem {
        MatmulProblem {
            batch: 1,
            m,
            n,
            k,
            element,
            transpose_b: false,
        }
    }

    #[test]
    fn halves_go_to_the_matrix_unit_of_those_who_have_one() {
        let h200 = Device {
            workgroup_memory: 49152,
            invocations: 1024,
            cores: 132,
            ..Device::default()
        };
        let with_unit = Device {
            subgroup_size: 32,
            matrix_shapes: vec!["16x16x16:f16:f32".into()],
            ..h200.clone()
        };
        let half = |m, n, k| problem(m, n, k, Element::F16);
        let tile = |problem, device| choose(&problem, device).map(|it| (it.tile_m, it.tile_n));
        assert_eq!(tile(half(4096, 4096, 4096), &with_unit), Some((128, 128)));
        assert_eq!(tile(half(512, 768, 768), &with_unit), Some((64, 32)));
        assert_eq!(tile(half(64, 64, 64), &with_unit), Some((32, 32)));
        // Thinner than a matrix, other elements, no such unit.
        assert_eq!(tile(half(8, 4096, 4096), &with_unit), None);
        let single = problem(512, 512, 512, Element::F32);
        assert_eq!(tile(single, &with_unit), None);
        assert_eq!(tile(half(512, 512, 512), &h200), None);
    }
}
