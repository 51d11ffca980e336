//! Random valid knobs at random shapes: every kernel that they make is equal to its program.
//!
//! Knobs are drawn until they fit; what fits is what the passes accept. With their variants
//! these are some hundreds of kernels.

use kforge_dialect::{
    Element,
    device::Device,
    schedule::{AttentionSchedule, MatmulProblem, MatmulSchedule, RowSchedule},
};

use crate::{
    accept::{matmul, one, pipeline},
    harness::all_equal,
};

/// Reproducible draws.
struct Draws(u64);

impl Draws {
    fn of(&mut self, values: &[i64]) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        values[(self.0 >> 33) as usize % values.len()]
    }
}

/// The device of [`pipeline`].
fn device() -> Device {
    Device {
        features: vec!["subgroup".into()],
        subgroup_size: 8,
        ..Device::default()
    }
}

#[test]
fn random_matmuls() {
    let mut draws = Draws(1);
    let mut found = 0;
    while found < 24 {
        let [m, n, k] = [0, 1, 2].map(|_| draws.of(&[1, 3, 8, 17, 24, 33]));
        let schedule = MatmulSchedule::read(|knob| {
            Some(match knob {
                "tile-m" | "tile-n" => draws.of(&[4, 8, 16, 32]),
                "tile-k" => draws.of(&[2, 4, 8, 16]),
                "thread-m" | "thread-n" => draws.of(&[1, 2, 4, 8]),
                "vector-width" => draws.of(&[1, 2, 4]),
                "unroll" => draws.of(&[0, 1, 2, 4]),
                "stages" => draws.of(&[1, 2, 3]),
                "split-k" => draws.of(&[1, 2, 3, 5]),
                "group-m" => draws.of(&[1, 2, 3]),
                "prefetch" => draws.of(&[0, 1]),
                "slice-k" => draws.of(&[1, 1, 2, 4]),
                _ => 0,
            })
        })
        .unwrap();
        let problem = MatmulProblem {
            batch: 1,
            m: m as u64,
            n: n as u64,
            k: k as u64,
            element: Element::F32,
            transpose_b: false,
        };
        if schedule.check(&problem, &device()).is_err() {
            continue;
        }
        found += 1;
        let knobs = knobs(&schedule.knobs());
        let activation = ["", "activation = \"gelu\",", "activation = \"silu\","][found % 3];
        all_equal(
            &matmul(m as usize, n as usize, k as usize, activation),
            &pipeline(&format!("kforge-tile-matmul{{{knobs}}}")),
        );
    }
}

#[test]
fn random_rows() {
    let mut draws = Draws(2);
    let mut found = 0;
    while found < 12 {
        let schedule = RowSchedule::read(|knob| {
            Some(match knob {
                "workgroup-size" => draws.of(&[1, 2, 8, 32, 64]),
                "block-size" => draws.of(&[1, 7, 16, 64, 1024]),
                "rows" => draws.of(&[1, 1, 2, 8]),
                "shuffle" => draws.of(&[0, 1]),
                _ => draws.of(&[1, 2, 4]),
            })
        })
        .unwrap();
        if schedule.check(&device()).is_err() {
            continue;
        }
        found += 1;
        let knobs = knobs(&schedule.knobs());
        let pipeline = pipeline(&format!("kforge-vectorize-layernorm{{{knobs}}}"));
        let size = draws.of(&[1, 5, 16, 36, 67]);
        let (x, weight) = (
            format!("tensor<3x{size}xf32>"),
            format!("tensor<{size}xf32>"),
        );
        let ops = [
            "softmax %0",
            "layer_norm %0 gamma %1 beta %2",
            "rms_norm %0 gamma %1",
        ];
        let op = ops[found % 3];
        let mut types = vec![x.as_str()];
        types.resize(1 + op.matches('%').count() - 1, weight.as_str());
        all_equal(&one(&types, op, &x), &pipeline);
    }
}

#[test]
fn random_attentions() {
    let mut draws = Draws(3);
    let mut found = 0;
    while found < 12 {
        let [queries, keys] = [0, 1].map(|_| draws.of(&[1, 4, 9, 17]));
        let [head, value_head] = [0, 1].map(|_| draws.of(&[3, 4, 8]));
        let schedule = AttentionSchedule::read(|knob| {
            Some(match knob {
                "block-q" => draws.of(&[1, 2, 8, 32]),
                "split-head" => draws.of(&[1, 1, 2]),
                "slice-kv" => draws.of(&[1, 1, 2, 4]),
                "split-kv" => draws.of(&[1, 1, 2, 3]),
                "matrix-unit" | "prefetch" => 0,
                _ => draws.of(&[1, 3, 4, 8, 12]),
            })
        })
        .unwrap();
        let fits = schedule.check(head as u64, value_head as u64, Element::F32, &device());
        if fits.is_err() {
            continue;
        }
        found += 1;
        let knobs = knobs(&schedule.knobs());
        let q = format!("tensor<1x4x{queries}x{head}xf32>");
        let k = format!("tensor<1x2x{keys}x{head}xf32>");
        let v = format!("tensor<1x2x{keys}x{value_head}xf32>");
        let mask = format!("tensor<{queries}x{keys}xf32>");
        let result = format!("tensor<1x4x{queries}x{value_head}xf32>");
        let attributes = ["", "causal"][found % 2];
        let (operands, types) = match found % 3 {
            0 => (" mask %3", vec![&*q, &*k, &*v, &*mask]),
            _ => ("", vec![&*q, &*k, &*v]),
        };
        let op = format!("attention %0, %1, %2{operands} {{{attributes}}}");
        all_equal(
            &one(&types, &op, &result),
            &pipeline(&format!("kforge-tile-attention{{{knobs}}}")),
        );
    }
}

fn knobs(values: &[(&str, i64)]) -> String {
    let texts: Vec<String> = values
        .iter()
        .map(|(knob, value)| format!("{knob}={value}"))
        .collect();
    texts.join(" ")
}
