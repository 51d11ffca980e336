//! Indices.

use crate::{
    forms::{Both, bad, exactly, kernel, neither},
    launch, open, proved, wrong,
};

const ADD: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if (i < 100u) { y[i] = a[i] + 1.0; }
}";

#[test]
fn a_masked_tail_is_proved() {
    let facts = proved(ADD, &launch([2, 1, 1], &[400, 400]));
    assert_eq!((facts.indices, facts.buffers), (2, 1));
}

#[test]
fn a_mask_that_is_off_by_one_is_refused_with_its_witness() {
    let wgsl = ADD.replace("i < 100u", "i <= 100u");
    let words = [
        "index 100 into 'y', which has 100 elements",
        "invocation [36, 0, 0] of workgroup [1, 0, 0]",
        "at line 7: if (i <= 100u)",
    ];
    wrong(&wgsl, &launch([2, 1, 1], &[400, 400]), &words);
}

#[test]
fn a_workgroup_too_many_without_a_mask_is_refused() {
    let wgsl = ADD.replace("if (i < 100u) { y[i] = a[i] + 1.0; }", "y[i] = a[i] + 1.0;");
    proved(&wgsl, &launch([2, 1, 1], &[512, 512]));
    wrong(
        &wgsl,
        &launch([3, 1, 1], &[512, 512]),
        &["index 128 into 'y'"],
    );
}

#[test]
fn a_large_launch_is_refused_at_its_end() {
    let wgsl = ADD.replace("if (i < 100u) { y[i] = a[i] + 1.0; }", "y[i] = a[i] + 1.0;");
    let bytes = 4 * 64 * 60_000;
    proved(&wgsl, &launch([60_000, 1, 1], &[bytes, bytes]));
    let short = [bytes - 4, bytes];
    wrong(
        &wgsl,
        &launch([60_000, 1, 1], &short),
        &["index 3839999 into 'a'"],
    );
}

#[test]
fn a_stride_that_leaves_the_buffer_is_refused() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.y * 16u + id.x] = vec4(0.0);
}";
    proved(wgsl, &launch([2, 2, 1], &[16 * 256]));
    let wider = wgsl.replace("16u", "17u");
    wrong(
        &wider,
        &launch([2, 2, 1], &[16 * 256]),
        &["which has 256 elements"],
    );
}

#[test]
fn an_index_from_memory_is_open_unless_it_is_clamped() {
    let wgsl = "
@group(0) @binding(0) var<storage, read> at: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = table[at[id.x]];
}";
    let sizes = launch([2, 1, 1], &[512, 40, 512]);
    open(
        wgsl,
        &sizes,
        "an index into 'table' is not shown to be below 10 (line 7)",
    );
    let clamped = wgsl.replace("table[at[id.x]]", "table[min(at[id.x], 9u)]");
    proved(&clamped, &sizes);
    let far = clamped.replace("9u", "10u");
    open(&far, &sizes, "not shown to be below 10");
}

#[test]
fn local_arrays_and_components_have_bounds_too() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    var own: array<f32, 8>;
    let four = vec4<f32>(1.0, 2.0, 3.0, 4.0);
    own[id.x] = four[id.x % 4u];
    y[id.x] = own[id.x];
}";
    proved(wgsl, &launch([1, 1, 1], &[32]));
    let array = wgsl.replace("own[id.x] =", "own[id.x + 1u] =");
    wrong(&array, &launch([1, 1, 1], &[32]), &["index 8 into 'own'"]);
    let lane = wgsl.replace("% 4u", "% 5u");
    wrong(&lane, &launch([1, 1, 1], &[32]), &["index 4 into"]);
}

#[test]
fn sums_that_wrap_are_not_taken_for_larger_ones() {
    // 4294967295 + i + 1 is i.
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    y[(id.x + 4294967295u) + 1u] = 0.0;
}";
    proved(wgsl, &launch([2, 1, 1], &[512]));
    let before = wgsl.replace(" + 1u]", "]");
    wrong(
        &before,
        &launch([2, 1, 1], &[512]),
        &["index 4294967295 into 'y'"],
    );
    let negative = wgsl.replace("(id.x + 4294967295u) + 1u", "i32(id.x) - 1");
    wrong(
        &negative,
        &launch([2, 1, 1], &[512]),
        &["index -1 into 'y'"],
    );
}

#[test]
fn a_binding_begins_at_its_offset() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = 0.0; }";
    let mut part = launch([1, 1, 1], &[256]);
    part.slots[0].offset = 256;
    proved(wgsl, &part);
    part.slots[0].bytes = 252;
    wrong(wgsl, &part, &["index 63 into 'y', which has 63 elements"]);
}

#[test]
fn scalar_arguments_are_known() {
    use kforge_verify::prove::Scalar;
    let wgsl = "
struct Sizes { n: i32, step: i32 }
var<immediate> sizes: Sizes;
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    var i = i32(id.x);
    while (i < sizes.n) { y[i] = 0.0; i = i + 64; }
}";
    let mut sizes = launch([1, 1, 1], &[4000]);
    sizes.immediates = vec![Scalar::I32(1000), Scalar::I32(64)];
    proved(wgsl, &sizes);
    sizes.immediates[0] = Scalar::I32(1001);
    wrong(wgsl, &sizes, &["index 1000 into 'y'"]);
}

#[test]
fn a_buffer_has_room_for_an_array_of_fixed_size() {
    let wgsl = "
@group(0) @binding(0) var<storage, read_write> y: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3<u32>) { y[id.x] = 0.0; }";
    proved(wgsl, &launch([1, 1, 1], &[256]));
    wrong(
        wgsl,
        &launch([1, 1, 1], &[252]),
        &["index 255 into 'y', which has 252 elements"],
    );
}

#[test]
fn signs_of_quotients_and_shifts() {
    bad("", "let a = i32(own) - 20; if a / 4 < 5 { y[a] = 0.0; }");
    bad("", "let a = (i32(own) - 20) >> 1u; y[a * 2] = 0.0;");
    bad("", "let a = (i32(own) - 20) % 64; y[a] = 0.0;");
    let data = "@group(0) @binding(1) var<storage, read> x: array<f32>;";
    for (body, words) in [
        ("y[own] = x[own / (1u + g.y % 3u)];", 64),
        (
            "if own < 20u { let a = i32(own) - 20; y[own] = x[4 * (a / 4) - a]; } else { y[own] = 0.0; }",
            4,
        ),
        ("y[own] = x[min(own, 40u + g.x)];", 56),
        (
            "var v = 0.0; if own < 20u { let a = i32(own) - 20; v = x[4 * (a / 4) - a + 19]; } y[own] = v;",
            23,
        ),
        ("y[own] = x[5u - own % (2u + g.y % 2u)];", 6),
        (
            "y[own] = x[max(i32(own) - 9, i32(g.x) - 3 + i32(g.y) * 3 + 3)];",
            55,
        ),
    ] {
        exactly(
            Both,
            &kernel(data, body),
            &launch([2, 2, 1], &[256, 4 * words]),
        );
    }
    for wrong in [
        "y[own] = x[(i32(own) - 20) / (1 + i32(g.y) % 3) + 6];",
        "y[own] = x[((i32(own) - 20) >> 1u) + 3];",
        "y[own] = x[max(i32(own) - 20, i32(g.x) - 9)];",
        "var q = 0.0; if x[own] > 0.5 { q = y[7]; } y[own] = q;",
    ] {
        neither(&kernel(data, wrong), &launch([2, 2, 1], &[256, 1 << 16]));
    }
}
