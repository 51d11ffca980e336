//! Matmul kernels on a device over random knobs and shapes, from fixed seeds: do
//! they compute what the op means, whatever divides and whatever does not?

mod numeric;

use kforge_dialect::{
    Element,
    device::Device,
    schedule::{MatmulProblem, MatmulSchedule},
};
use kforge_oracle::{Level, matmul_shapes, standard_cases};
use numeric::check_all;

/// A small generator of reproducible choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn of(&mut self, list: &[i64]) -> i64 {
        list[self.below(list.len() as u64) as usize]
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// A matmul as text needs it.
#[derive(Clone, Debug)]
struct Case {
    schedule: MatmulSchedule,
    /// M, N, K.
    sizes: [i64; 3],
    batch_a: Vec<i64>,
    batch_b: Vec<i64>,
    transpose_a: bool,
    transpose_b: bool,
    bias: bool,
    residual: bool,
    activation: &'static str,
    half: bool,
}

impl Case {
    fn plain(schedule: MatmulSchedule, sizes: [i64; 3]) -> Self {
        Self {
            schedule,
            sizes,
            batch_a: Vec::new(),
            batch_b: Vec::new(),
            transpose_a: false,
            transpose_b: false,
            bias: false,
            residual: false,
            activation: "none",
            half: false,
        }
    }

    fn text(&self) -> String {
        let element = if self.half { "f16" } else { "f32" };
        let tensor = |batch: &[i64], last: &[i64]| {
            let sizes: String = batch
                .iter()
                .chain(last)
                .map(|size| format!("{size}x"))
                .collect();
            format!("tensor<{sizes}{element}>")
        };
        let [m, n, k] = self.sizes;
        let swapped =
            |swap: bool, rows: i64, cols: i64| if swap { [cols, rows] } else { [rows, cols] };
        let batch = broadcast(&self.batch_a, &self.batch_b);
        let result = tensor(&batch, &[m, n]);
        let mut types = vec![
            tensor(&self.batch_a, &swapped(self.transpose_a, m, k)),
            tensor(&self.batch_b, &swapped(self.transpose_b, k, n)),
        ];
        let mut operands = "%0, %1".to_owned();
        for (given, name, ty) in [
            (self.bias, "bias", tensor(&[], &[n])),
            (self.residual, "residual", result.clone()),
        ] {
            if given {
                operands += &format!(" {name} %{}", types.len());
                types.push(ty);
            }
        }
        let knobs: Vec<String> = self
            .schedule
            .knobs()
            .iter()
            .map(|(name, value)| format!("\"{name}\" = {value}"))
            .collect();
        let mut attributes = vec![
            format!("activation = \"{}\"", self.activation),
            format!("kforge.schedule = {{{}}}", knobs.join(", ")),
        ];
        for (given, name) in [
            (self.transpose_a, "transpose_a"),
            (self.transpose_b, "transpose_b"),
        ] {
            if given {
                attributes.push(name.into());
            }
        }
        let arguments: Vec<String> = types
            .iter()
            .enumerate()
            .map(|(index, ty)| format!("%arg{index}: {ty}"))
            .collect();
        let operands = operands.replace('%', "%arg");
        format!(
            "func.func @f({}) -> {result} {{\n  %y = kforge.matmul {operands} {{{}}} : ({}) -> {result}\n  return %y : {result}\n}}",
            arguments.join(", "),
            attributes.join(", "),
            types.join(", ")
        )
    }
}

fn broadcast(a: &[i64], b: &[i64]) -> Vec<i64> {
    let rank = a.len().max(b.len());
    let at = |dims: &[i64], index: usize| {
        (index + dims.len())
            .checked_sub(rank)
            .map_or(1, |index| dims[index])
    };
    (0..rank)
        .map(|index| match (at(a, index), at(b, index)) {
            (1, size) | (size, _) => size,
        })
        .collect()
}

/// Knobs that fit the default device.
fn schedule(choices: &mut Choices) -> MatmulSchedule {
    loop {
        let vector_width = choices.of(&[1, 2, 4]);
        let thread_m = choices.of(&[1, 2, 3, 4, 5, 8]);
        let thread_n = vector_width * choices.of(&[1, 1, 2, 3]);
        let steps = choices.of(&[1, 2, 3, 4, 6]);
        let slice_k = choices.of(&[1, 1, 1, 2, 4, 8]);
        let sliced = slice_k > 1;
        let stages = choices.of(&[1, 1, 2, 3, 5]);
        let schedule = MatmulSchedule {
            tile_m: thread_m * choices.of(&[1, 2, 3, 4, 7, 8, 16]),
            tile_n: thread_n * choices.of(&[1, 2, 3, 4, 8, 16]),
            tile_k: vector_width * steps * slice_k,
            thread_m,
            thread_n,
            vector_width,
            stages: if sliced { 1 } else { stages },
            unroll: match sliced || choices.chance(2) {
                true => 0,
                false => vector_width,
            },
            group_m: choices.of(&[1, 2, 3, 8]),
            subgroups: 0,
            split_k: choices.of(&[1, 1, 2, 3, 8]),
            prefetch: i64::from(!sliced && stages == 1 && choices.chance(2)),
            slice_k,
            matrix_unit: 0,
        };
        let problem = MatmulProblem {
            batch: 1,
            m: 1,
            n: 1,
            k: 1,
            element: Element::F32,
            transpose_b: false,
        };
        if schedule.check(&problem, &Device::default()).is_ok() {
            return schedule;
        }
    }
}

/// A size near a multiple of a tile, or small.
fn size(choices: &mut Choices, tile: i64) -> i64 {
    let tiles = choices.of(&[0, 1, 1, 2, 3]);
    let rest = choices.of(&[-1, 0, 0, 1, 2, 3, 4]);
    (tiles * tile + rest).clamp(1, 90)
}

fn batches(choices: &mut Choices) -> (Vec<i64>, Vec<i64>) {
    let list: &[(&[i64], &[i64])] = &[
        (&[], &[]),
        (&[], &[]),
        (&[3], &[3]),
        (&[3], &[]),
        (&[3], &[1]),
        (&[], &[3]),
        (&[2, 1], &[3]),
        (&[2, 3], &[2, 3]),
        (&[1, 3], &[2, 1]),
        (&[2, 3], &[3]),
        (&[2, 1, 2], &[3, 1]),
    ];
    let (a, b) = list[choices.below(list.len() as u64) as usize];
    (a.to_vec(), b.to_vec())
}

fn case(choices: &mut Choices) -> Case {
    let schedule = schedule(choices);
    let sizes = [schedule.tile_m, schedule.tile_n, schedule.tile_k].map(|tile| size(choices, tile));
    let (batch_a, batch_b) = batches(choices);
    let activations = ["none", "none", "relu", "gelu", "gelu_tanh", "silu", "tanh"];
    Case {
        batch_a,
        batch_b,
        transpose_a: choices.chance(2),
        transpose_b: choices.chance(2),
        bias: choices.chance(2),
        residual: choices.chance(3),
        activation: activations[choices.below(activations.len() as u64) as usize],
        half: choices.chance(3),
        ..Case::plain(schedule, sizes)
    }
}

fn check_cases(cases: impl Iterator<Item = Case>) {
    let modules: Vec<_> = cases
        .map(|case| {
            let text = case.text();
            (text.clone(), text)
        })
        .collect();
    check_all(&modules, &standard_cases(Level::Quick));
}

fn random(seed: u64) {
    let count = 60;
    let mut choices = Choices(seed);
    check_cases((0..count).map(|_| case(&mut choices)));
}

#[test]
fn random_schedules_and_shapes_1() {
    random(1);
}

#[test]
fn random_schedules_and_shapes_2() {
    random(0x5eed);
}

/// Every mandatory shape, with a schedule that loads ahead and splits.
#[test]
fn mandatory_shapes() {
    let schedule = MatmulSchedule {
        tile_m: 16,
        tile_n: 8,
        tile_k: 8,
        thread_m: 2,
        thread_n: 4,
        vector_width: 4,
        stages: 3,
        group_m: 2,
        split_k: 2,
        ..MatmulSchedule::default()
    };
    let cases = matmul_shapes((16, 8, 8))
        .into_iter()
        .enumerate()
        .map(|(number, (m, n, k))| Case {
            transpose_a: number % 2 == 1,
            transpose_b: number % 3 == 1,
            ..Case::plain(schedule, [m, n, k].map(|size| size as i64))
        });
    check_cases(cases);
}

/// More parts than K tiles, more stages than K tiles, more rows per group than
/// row tiles, one element.
#[test]
fn more_of_everything_than_there_is() {
    let schedule = MatmulSchedule {
        tile_m: 4,
        tile_n: 4,
        tile_k: 4,
        thread_m: 1,
        thread_n: 4,
        stages: 5,
        group_m: 8,
        split_k: 8,
        ..MatmulSchedule::default()
    };
    let sizes = [[1, 1, 1], [4, 4, 4], [5, 9, 3], [3, 4, 13], [13, 12, 20]];
    check_cases(sizes.into_iter().flat_map(|sizes| {
        [1, 2].map(|stages| {
            let schedule = MatmulSchedule {
                stages: stages * 2 + 1,
                ..schedule
            };
            Case {
                bias: stages == 1,
                half: stages == 2,
                ..Case::plain(schedule, sizes)
            }
        })
    }));
}

/// No terms give zeros, and what the epilogue makes of them.
#[test]
fn nothing_to_contract() {
    check_cases([1, 2].into_iter().map(|split_k| {
        let schedule = MatmulSchedule {
            tile_k: 4,
            split_k,
            stages: split_k,
            ..MatmulSchedule::default()
        };
        Case {
            bias: true,
            ..Case::plain(schedule, [5, 6, 0])
        }
    }));
}
