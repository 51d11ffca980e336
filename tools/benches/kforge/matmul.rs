//! f32 matmul of 512x512x1024: on the GPU that answers, and on the CPU beside the
//! crate matrixmultiply.
//!
//! The peer runs on one thread; `RAYON_NUM_THREADS=1` makes ours do so too.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use kforge_passes::verify::verify;
use kforge_runtime::{DeviceChoice, ExecOptions, execute::Repeats};
use kforge_verify::{Options, Subject, Timer};
use ndarray::{Array2, linalg::general_mat_mul};

use crate::lower::{device, lower};

const M: usize = 512;
const N: usize = 512;
const K: usize = 1024;

fn source() -> String {
    format!(
        "func.func @matmul(%a: tensor<{M}x{K}xf32>, %b: tensor<{K}x{N}xf32>) -> tensor<{M}x{N}xf32> {{
           %c = kforge.matmul %a, %b : (tensor<{M}x{K}xf32>, tensor<{K}x{N}xf32>) -> tensor<{M}x{N}xf32>
           return %c : tensor<{M}x{N}xf32>
         }}"
    )
}

/// Uniform in -1..1, the same in every run.
fn values(count: usize, mut state: u32) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The kernel on a device, verified; its timed runs are compared as well.
fn timer(choice: DeviceChoice) -> Timer<'static> {
    kforge_passes::register();
    let (device, options) = device(choice);
    let (target, serialized) = lower(&source(), &options);
    let verdicts = verify(&target, &serialized, &device, &Options::default()).unwrap();
    let (_, verdict) = verdicts.first().unwrap();
    assert!(verdict.passed, "{verdict:?}");
    let exec = ExecOptions {
        native: serialized.functions(),
        ..ExecOptions::default()
    };
    let subject = Subject::of_package(&serialized.package, "matmul").unwrap();
    // One per benchmark; it lives as long as the process.
    let subject: &'static Subject = Box::leak(Box::new(subject));
    Timer::new(subject, verdict, &device, &exec, &Options::default()).unwrap()
}

/// Device time of the kernel.
fn ours(group: &mut BenchmarkGroup<WallTime>, name: &str, choice: DeviceChoice) {
    // Made when the benchmark is not filtered out.
    let mut made = None;
    group.bench_function(name, |bencher| {
        let timer = made.get_or_insert_with(|| timer(choice));
        bencher.iter_custom(|repeats| {
            let timing = timer.time(Repeats::exactly(repeats as usize)).unwrap();
            let median = timing.total.gpu_ms.unwrap().median;
            Duration::from_secs_f64(median * 1e-3 * repeats as f64)
        });
    });
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    // Two operations per multiply-add: elements per second are FLOP/s.
    group.throughput(Throughput::Elements(2 * (M * N * K) as u64));
    group.sample_size(20);
    group
}

pub fn gpu(criterion: &mut Criterion) {
    let mut group = group(criterion, "matmul 512x512x1024 gpu");
    ours(&mut group, "kforge", DeviceChoice::Auto);
    group.finish();
}

pub fn cpu(criterion: &mut Criterion) {
    let mut group = group(criterion, "matmul 512x512x1024 cpu");
    ours(&mut group, "kforge", DeviceChoice::Cpu);
    let matrix = |rows, columns, seed| {
        Array2::from_shape_fn((rows, columns), {
            let values = values(rows * columns, seed);
            move |(row, column)| values[row * columns + column]
        })
    };
    let (a, b) = (matrix(M, K, 1), matrix(K, N, 2));
    let mut c = Array2::zeros((M, N));
    group.bench_function("matrixmultiply", |bencher| {
        bencher.iter(|| {
            let (a, b, c) = (black_box(&a), black_box(&b), black_box(&mut c));
            general_mat_mul(1.0, a, b, 0.0, c);
        });
    });
    group.finish();
}
