//! What kforge costs and what its kernels reach, beside a peer where one is cheap.
//!
//! `cargo bench -p kforge-tools --bench kforge` runs all of it, `-- compile` a part. Kernels are
//! verified before they are timed. Times on lavapipe say how long a test takes, not
//! how good a kernel is; docs/performance.md has measurements of GPUs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "benchmarks"
)]

mod compile;
mod lower;
mod matmul;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    compile::layer,
    compile::verification,
    matmul::gpu,
    matmul::cpu
);
criterion_main!(benches);
