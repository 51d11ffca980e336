//! A transformer layer: text to WGSL, and its verification.

use std::{hint::black_box, time::Duration};

use criterion::Criterion;
use kforge_passes::verify::verify;
use kforge_runtime::DeviceChoice;
use kforge_verify::Options;

use crate::lower::{LAYER, device, lower};

/// Parse to WGSL, without a device: the goal is 100 ms.
pub fn layer(criterion: &mut Criterion) {
    kforge_passes::register();
    let mut group = criterion.benchmark_group("compile");
    for (name, options) in [
        ("layer, gpu", "workgroup-memory=49152 invocations=1024"),
        ("layer, cpu", "target=cpu simd-bits=256 cores=2"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| lower(black_box(LAYER), options))
        });
    }
    group.finish();
}

/// The quick gate over a lowered layer on the GPU that answers, with its kernels at
/// other shapes.
pub fn verification(criterion: &mut Criterion) {
    kforge_passes::register();
    // Made when the benchmark is not filtered out.
    let mut made = None;
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    group.bench_function("layer, quick", |bencher| {
        let (device, (target, serialized)) = made.get_or_insert_with(|| {
            let (device, options) = device(DeviceChoice::Auto);
            (device, lower(LAYER, &options))
        });
        bencher.iter(|| {
            let verdicts = verify(target, serialized, device, &Options::default()).unwrap();
            assert!(verdicts.iter().all(|(_, verdict)| verdict.passed));
        });
    });
    group.finish();
}
