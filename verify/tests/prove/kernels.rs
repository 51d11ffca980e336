//! Whole kernels with workgroup memory, with and without their barriers.

use crate::{every_barrier_is_needed, launch, proved, wrong};

/// 70x50 = 70x40 · 40x50 in tiles of 16, every tail masked.
pub const MATMUL: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
var<workgroup> left: array<f32, 256>;
var<workgroup> right: array<f32, 256>;
@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let row = group.y * 16u + id.y;
    let col = group.x * 16u + id.x;
    var sum = 0.0;
    for (var k = 0u; k < 40u; k += 16u) {
        let inside = row < 70u && k + id.x < 40u;
        left[id.y * 16u + id.x] = select(0.0, a[min(row, 69u) * 40u + min(k + id.x, 39u)], inside);
        let below = col < 50u && k + id.y < 40u;
        right[id.y * 16u + id.x] = select(0.0, b[min(k + id.y, 39u) * 50u + min(col, 49u)], below);
        workgroupBarrier();
        for (var i = 0u; i < 16u; i++) {
            sum += left[id.y * 16u + i] * right[i * 16u + id.x];
        }
        workgroupBarrier();
    }
    if (row < 70u && col < 50u) { c[row * 50u + col] = sum; }
}";

/// Softmax of rows of 200 with 64 invocations; the tree is a loop that halves.
const SOFTMAX: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<workgroup> shared_: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let row = group.x * 200u;
    var most = -3.0e38;
    for (var i = id.x; i < 200u; i += 64u) { most = max(most, x[row + i]); }
    shared_[id.x] = most;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if (id.x < half) { shared_[id.x] = max(shared_[id.x], shared_[id.x + half]); }
        workgroupBarrier();
    }
    most = shared_[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var i = id.x; i < 200u; i += 64u) { sum += exp(x[row + i] - most); }
    shared_[id.x] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if (id.x < half) { shared_[id.x] += shared_[id.x + half]; }
        workgroupBarrier();
    }
    sum = shared_[0];
    for (var i = id.x; i < 200u; i += 64u) { y[row + i] = exp(x[row + i] - most) / sum; }
}";

/// Tiles in three buffers that take turns: one barrier per tile.
const STAGES: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> c: array<f32>;
var<workgroup> tiles: array<array<f32, 64>, 3>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    tiles[0][id.x] = a[id.x];
    tiles[1][id.x] = a[64u + id.x];
    var sum = 0.0;
    for (var tile = 0u; tile < 30u; tile++) {
        workgroupBarrier();
        for (var i = 0u; i < 64u; i++) { sum += tiles[tile % 3u][i]; }
        tiles[(tile + 2u) % 3u][id.x] = a[(tile + 2u) * 64u + id.x];
    }
    c[group.x * 64u + id.x] = sum;
}";

#[test]
fn a_tiled_matmul_needs_both_barriers() {
    let sizes = launch([4, 5, 1], &[4 * 2800, 4 * 2000, 4 * 3500]);
    every_barrier_is_needed(MATMUL, &sizes);
    let facts = proved(MATMUL, &sizes);
    assert_eq!((facts.barriers, facts.buffers), (2, 1));
    let tail = MATMUL.replace("row < 70u && col < 50u)", "row < 71u && col < 50u)");
    wrong(
        &tail,
        &sizes,
        &["into 'c', which has 3500 elements, by invocation [0, 6, 0] of workgroup [3, 4, 0]"],
    );
    let few = launch([4, 5, 1], &[4 * 2800, 4 * 2000, 4 * 3499]);
    wrong(MATMUL, &few, &["index 3499 into 'c'"]);
}

#[test]
fn a_large_matmul_is_proved_without_following_it() {
    let large = MATMUL
        .replace("40u", "4096u")
        .replace("39u", "4095u")
        .replace("70u", "4096u")
        .replace("69u", "4095u")
        .replace("50u", "4096u")
        .replace("49u", "4095u");
    let bytes = 4 * 4096 * 4096;
    proved(&large, &launch([256, 256, 1], &[bytes, bytes, bytes]));
}

#[test]
fn a_row_reduction_needs_every_barrier() {
    every_barrier_is_needed(SOFTMAX, &launch([7, 1, 1], &[5600, 5600]));
}

#[test]
fn stages_need_their_barrier_and_their_number() {
    let sizes = launch([2, 1, 1], &[4 * 64 * 32, 512]);
    every_barrier_is_needed(STAGES, &sizes);
    // With two buffers the tile that is read is written for the next turn.
    let two = STAGES.replace("(tile + 2u) % 3u", "tile % 3u");
    wrong(&two, &sizes, &["a data race", "'tiles'"]);
}

#[test]
fn storage_barriers_do_not_order_workgroup_memory() {
    let wgsl = MATMUL.replace("workgroupBarrier", "storageBarrier");
    let sizes = launch([4, 5, 1], &[4 * 2800, 4 * 2000, 4 * 3500]);
    wrong(&wgsl, &sizes, &["a data race", "'left'", "that orders it"]);
}

#[test]
fn a_barrier_of_some_is_refused() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    if (id.x == 0u) { workgroupBarrier(); }
    y[id.x] = 0.0;
}";
    let words = [
        "a barrier in divergent control flow",
        "invocation [0, 0, 0]",
        "line 5",
    ];
    wrong(wgsl, &launch([1, 1, 1], &[256]), &words);
    let all = wgsl.replace("id.x == 0u", "id.x < 64u");
    proved(&all, &launch([1, 1, 1], &[256]));
}

#[test]
fn a_return_before_a_barrier_is_refused_where_some_return() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
var<workgroup> all: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    if (at.x >= 100u) { return; }
    all[id.x] = 1.0;
    workgroupBarrier();
    y[at.x] = all[63u - id.x];
}";
    wrong(
        wgsl,
        &launch([2, 1, 1], &[400]),
        &["a barrier in divergent control flow"],
    );
    proved(&wgsl.replace("100u", "128u"), &launch([2, 1, 1], &[512]));
    // A whole workgroup may return.
    proved(&wgsl.replace("100u", "64u"), &launch([2, 1, 1], &[400]));
}

#[test]
fn a_return_out_of_a_block_is_seen_behind_it() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    { { if (id.x > 9u) { return; } } y[id.x] = 1.0; }
    workgroupBarrier();
    y[id.x] = 0.0;
}";
    wrong(
        wgsl,
        &launch([1, 1, 1], &[40]),
        &["a barrier in divergent control flow"],
    );
    let none = wgsl.replace("workgroupBarrier();", "");
    proved(&none, &launch([1, 1, 1], &[40]));
}

#[test]
fn loops_that_some_leave_early_share_no_barrier() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    for (var i = 0u; i < 10u; i++) {
        if (i > id.x) { break; }
        workgroupBarrier();
    }
    y[id.x] = 0.0;
}";
    wrong(
        wgsl,
        &launch([1, 1, 1], &[256]),
        &["a barrier in divergent control flow"],
    );
    proved(
        &wgsl.replace("i > id.x", "i > 5u"),
        &launch([1, 1, 1], &[256]),
    );
    let skipped = wgsl.replace("break;", "continue;");
    wrong(
        &skipped,
        &launch([1, 1, 1], &[256]),
        &["a barrier in divergent control flow"],
    );
}
