//! Hand-made packages on whatever GPU adapter there is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod abi;
#[path = "../common/mod.rs"]
mod common;
mod guards;
mod memory;
mod refusals;
mod run;

use common::Builder;
use kforge_runtime::{
    Package, Poison, RunOptions,
    manifest::{Access, Expr, Role},
};

fn poisoned(poison: Poison) -> RunOptions {
    RunOptions {
        poison: Some(poison),
        ..RunOptions::default()
    }
}

fn one(x: i64) -> [Expr; 3] {
    [x, 1, 1].map(Expr::from)
}

const SCALE: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn scale(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < 300u { y[id.x] = 2.0 * x[id.x]; }
}";

/// y = 2^4 x through three scratch buffers.
fn chain() -> Package {
    let n = [Expr::from(300)];
    let mut builder = Builder::new()
        .f32("x", &n, Role::Input)
        .f32("s1", &n, Role::Scratch)
        .f32("s2", &n, Role::Scratch)
        .f32("s3", &n, Role::Scratch)
        .f32("y", &n, Role::Output)
        .kernel("scale", SCALE, [64, 1, 1], &[Access::Read, Access::Write]);
    for id in 0..4 {
        builder = builder.dispatch("scale", one(5), &[id, id + 1]);
    }
    builder.build()
}
