//! A CPU's peaks.

use std::{hint::black_box, time::Instant};

use rayon::prelude::*;

use crate::DeviceDescription;

/// Words of 8 bytes that are copied: 64 MiB.
const WORDS: usize = 8 << 20;
/// Copies of which the fastest counts.
const COPIES: usize = 3;
/// Steps of the chain that shows the clock.
const STEPS: u32 = 4 << 20;
/// Cycles of one step: an exclusive or, then a rotation.
const CYCLES: f64 = 2.0;

pub fn bytes_per_second() -> Option<f64> {
    let source = vec![1u64; WORDS];
    let mut copy = vec![0u64; WORDS];
    let part = WORDS.div_ceil(rayon::current_num_threads());
    let once = || {
        let start = Instant::now();
        let parts = copy.par_chunks_mut(part).zip(source.par_chunks(part));
        parts.for_each(|(copy, source)| copy.copy_from_slice(source));
        black_box(&mut copy);
        start.elapsed().as_secs_f64()
    };
    let least = fastest(once);
    (least > 0.0).then(|| 2.0 * (8 * WORDS) as f64 / least)
}

pub fn flops_per_second(device: &DeviceDescription) -> f64 {
    let units = match cfg!(all(target_arch = "aarch64", target_vendor = "apple")) {
        true => 4.0,
        false => 2.0,
    };
    let lanes = f64::from((device.simd_bits / 32).max(1));
    f64::from(device.cores.max(1)) * lanes * units * 2.0 * clock()
}

/// Cycles per second, from a chain of operations of one cycle each.
fn clock() -> f64 {
    let least = fastest(|| {
        let start = Instant::now();
        let mut x = black_box(0x9e37_79b9_7f4a_7c15u64);
        let key = black_box(0xd1b5_4a32_d192_ed03u64);
        for _ in 0..STEPS {
            x = (x ^ key).rotate_left(17);
        }
        black_box(x);
        start.elapsed().as_secs_f64()
    });
    CYCLES * f64::from(STEPS) / least.max(1e-9)
}

fn fastest(mut once: impl FnMut() -> f64) -> f64 {
    (0..COPIES).map(|_| once()).fold(f64::INFINITY, f64::min)
}
