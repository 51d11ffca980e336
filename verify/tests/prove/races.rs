//! Races in buffers, and between subgroups.

use crate::{launch, open, proved, wrong};

const COPY: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = x[id.x]; }";

#[test]
fn two_invocations_that_write_one_element_are_refused() {
    let wgsl = COPY.replace("y[id.x]", "y[id.x / 2u]");
    let sizes = launch([4, 1, 1], &[1024, 1024]);
    wrong(
        &wgsl,
        &sizes,
        &[
            "a data race",
            "writes byte 0 of 'y'",
            "invocation [1, 0, 0]",
        ],
    );
    // Between workgroups alone.
    let apart = COPY.replace("y[id.x]", "y[id.x % 64u]");
    wrong(&apart, &sizes, &["a data race", "workgroup [3, 0, 0]"]);
}

#[test]
fn bindings_of_one_buffer_are_one_memory() {
    let mut same = launch([4, 1, 1], &[1024, 1024]);
    same.slots[1].buffer = 0;
    proved(COPY, &same);
    let next = COPY.replace("x[id.x]", "x[(id.x + 1u) % 256u]");
    proved(&next, &launch([4, 1, 1], &[1024, 1024]));
    wrong(&next, &same, &["a data race"]);
    // Apart by their offsets.
    let mut halves = launch([4, 1, 1], &[1024, 1024]);
    halves.slots[1].buffer = 0;
    halves.slots[1].offset = 1024;
    proved(&next, &halves);
    halves.slots[1].offset = 512;
    wrong(&next, &halves, &["a data race"]);
}

#[test]
fn atomics_agree_with_atomics_alone() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<atomic<u32>>;
var<workgroup> sum: atomic<u32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    atomicAdd(&sum, id.x);
    workgroupBarrier();
    if (id.x == 0u) { atomicAdd(&y[0], atomicLoad(&sum)); }
}";
    proved(wgsl, &launch([4, 1, 1], &[4]));
}

#[test]
fn a_subgroup_is_not_in_lockstep() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
var<workgroup> all: array<f32, 8>;
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    all[id.x] = 1.0;
    subgroupBarrier();
    y[id.x] = all[7u - id.x];
}";
    wrong(wgsl, &launch([1, 1, 1], &[32]), &["a data race", "'all'"]);
}

#[test]
fn rows_and_tails_of_rows_are_written_apart() {
    // 3-vectors by two invocations each, rows padded to 5.
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x / 2u;
    let half = id.x % 2u;
    if (row < 1000u) {
        y[row * 5u + half * 2u] = 0.0;
        y[row * 5u + half * 2u + 1u] = 0.0;
    }
}";
    proved(wgsl, &launch([63, 1, 1], &[20_000]));
    let close = wgsl.replace("row * 5u", "row * 3u");
    wrong(&close, &launch([63, 1, 1], &[20_000]), &["a data race"]);
}

#[test]
fn large_writes_that_are_not_understood_are_open() {
    let wgsl = COPY.replace("y[id.x]", "y[id.x ^ 1u]");
    proved(&wgsl, &launch([4, 1, 1], &[1024, 1024]));
    let bytes = 4 * 64 * 60_000;
    open(&wgsl, &launch([60_000, 1, 1], &[bytes, bytes]), "not shown");
}
