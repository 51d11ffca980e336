//! What the analysis does not take on is said, never taken for right.

use std::path::Path;

use crate::{finding, launch, open, proved, wrong};
use kforge_runtime::manifest::Place;
use kforge_verify::prove::{Code, CodeError, Finding, Launch, Scalar, Slot};

#[test]
fn loops_that_end_by_data_are_open() {
    let wgsl = "
@group(0) @binding(0) var<storage, read> n: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = 0u; i < n[0]; i++) { y[id.x * 10u + i] = 0.0; }
}";
    open(wgsl, &launch([2, 1, 1], &[4, 5120]), "");
}

#[test]
fn a_barrier_that_data_decides_is_open() {
    let wgsl = "
@group(0) @binding(0) var<storage, read> n: array<u32>;
@compute @workgroup_size(64)
fn main() { if (n[0] > 3u) { workgroupBarrier(); } }";
    open(
        wgsl,
        &launch([2, 1, 1], &[4]),
        "not shown to be met by the whole workgroup",
    );
}

#[test]
fn subgroup_ids_are_bounded_and_no_more() {
    let wgsl = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3<u32>, @builtin(subgroup_id) group: u32) {
    y[id.x] = subgroupAdd(x[id.x]) * f32(group);
}";
    proved(wgsl, &launch([1, 1, 1], &[256, 256]));
    let written = wgsl.replace("y[id.x] =", "y[group] =");
    open(
        &written,
        &launch([1, 1, 1], &[256, 256]),
        "a buffer is not shown",
    );
}

#[test]
fn cooperative_matrices_need_a_size_of_subgroups() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders/snapshots");
    let text = std::fs::read_to_string(path.join("cooperative_matmul.wgsl")).unwrap();
    let code = Code::parse(&text, "mma").unwrap();
    let sizes = launch([1, 1, 1], &[4096, 4096, 4096]);
    match kforge_verify::prove::prove(&code, &sizes) {
        kforge_verify::prove::Finding::Open(open) => {
            assert!(open[0].what.contains("subgroups have no size"), "{open:?}");
        }
        other => panic!("{other:?}"),
    }
    // 16x64 halves, 64 rows of 16 halves, 16x16 floats.
    let proved = |bytes: [u64; 3]| {
        let launch = Launch {
            subgroup_size: 32,
            ..launch([1, 1, 1], &bytes)
        };
        matches!(
            kforge_verify::prove::prove(&code, &launch),
            kforge_verify::prove::Finding::Proved(_)
        )
    };
    assert!(proved([2048, 2048, 1024]));
    for short in [[2046, 2048, 1024], [2048, 2040, 1024], [2048, 2048, 1020]] {
        assert!(!proved(short), "{short:?}");
    }
}

#[test]
fn texts_that_are_no_kernel_are_refused() {
    assert!(matches!(
        Code::parse("fn", "main"),
        Err(CodeError::Parse(_))
    ));
    let other = "@compute @workgroup_size(1) fn other() {}";
    assert!(matches!(
        Code::parse(other, "main"),
        Err(CodeError::NoEntry(_))
    ));
}

#[test]
fn texts_that_would_take_long_do_not() {
    // Every line doubles what the last one is written with.
    let mut doubled = String::new();
    for _ in 0..200 {
        doubled += "i = i / 3u + i % 5u;\n";
    }
    let wgsl = |body: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
var i = id.x;
{body}
y[i] = 0.0;
}}"
        )
    };
    let large = launch([60_000, 1, 1], &[4 * 64 * 60_000]);
    // What the proof gives up is met by following a few invocations.
    wrong(&wgsl(&doubled), &large, &["a data race"]);
    // Branches that are left, one behind the other.
    let mut left = String::new();
    for number in 0..3000 {
        left += &format!("if (i == {number}u) {{ return; }}\n");
    }
    open(&wgsl(&left), &large, "nested too deeply");
    let blocks = "{ i = i + 0u; }\n".repeat(3000);
    proved(&wgsl(&blocks), &large);
}

/// Buffers are where the kernel's interface says, in any group and order, and sizes may
/// come from a uniform.
#[test]
fn buffers_and_sizes_are_where_the_interface_says() {
    const KERNEL: &str = "
        struct Sizes { n: u32, rows: u32 }
        @group(1) @binding(3) var<storage, read> a: array<f32>;
        @group(0) @binding(2) var<storage, read_write> y: array<f32>;
        @group(0) @binding(0) var<uniform> sizes: Sizes;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            if id.x < sizes.n { y[id.x] = a[id.x / sizes.rows]; }
        }";
    let place = |group, binding| Place { group, binding };
    let slot = |buffer, place, bytes| Slot {
        place,
        buffer,
        offset: 0,
        bytes,
    };
    let of = |sizes: [u32; 2]| Launch {
        workgroups: [2, 1, 1],
        slots: vec![slot(0, place(0, 2), 400), slot(1, place(1, 3), 80)],
        immediates: sizes.map(Scalar::U32).to_vec(),
        subgroup_size: 0,
        uniform: Some(place(0, 0)),
    };
    proved(KERNEL, &of([100, 5]));
    for (sizes, words) in [
        ([101, 6], "index 100 into 'y'"),
        ([100, 4], "index 20 into 'a'"),
    ] {
        let Finding::Wrong(defect) = finding(KERNEL, &of(sizes)) else {
            panic!("{sizes:?} is not refused");
        };
        assert!(defect.what.contains(words), "{defect:?}");
    }
    // Elsewhere nothing is bound.
    let mut other = of([100, 5]);
    other.slots[1].place = place(0, 3);
    assert!(matches!(finding(KERNEL, &other), Finding::Open(_)));
}

/// Two subgroups leave a matrix each in workgroup memory, and everybody reads what is there.
fn passed_on(place: &str, room: u32, between: &str, guard: &str) -> String {
    format!(
        "enable wgpu_cooperative_matrix;
        @group(0) @binding(0) var<storage> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        var<workgroup> tile: array<f32, {room}>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) i: u32, @builtin(subgroup_id) s: u32,
                @builtin(subgroup_invocation_id) lane: u32) {{
            let m = coopLoadT<coop_mat16x16<f32,C>>(&x[s * 256u], 16u);
            {guard} {{ coopStoreT(m, &tile[{place}], 16u); }}
            {between}
            y[i] = tile[i * 8u];
        }}"
    )
}

#[test]
fn what_a_subgroup_stores_is_safe_behind_a_barrier_alone() {
    let barrier = "workgroupBarrier();";
    let is_proved = |text: &str| {
        let launch = Launch {
            subgroup_size: 32,
            ..launch([1, 1, 1], &[2048, 256])
        };
        matches!(finding(text, &launch), Finding::Proved(_))
    };
    assert!(is_proved(&passed_on("s * 256u", 512, barrier, "")));
    for own in [
        "min(i / 32u, 1u) * 256u",
        "s % 2u * 256u + (i / 64u)",
        "(s & 1u) * 256u",
    ] {
        assert!(is_proved(&passed_on(own, 512, barrier, "")), "{own}");
    }
    for (text, why) in [
        (passed_on("s * 256u", 512, "", ""), "no barrier"),
        (passed_on("0u", 512, barrier, ""), "both at one place"),
        (
            passed_on("s * 128u", 512, barrier, ""),
            "one over the other",
        ),
        (passed_on("s * 256u", 511, barrier, ""), "beyond the array"),
        (
            passed_on("s * 256u", 512, barrier, "if i < 7u"),
            "not all reach it",
        ),
        (
            passed_on("s * 256u", 512, barrier, "if lane < 7u"),
            "not all reach it",
        ),
        (
            passed_on("s * 256u + i % 2u", 512, barrier, ""),
            "another place in each",
        ),
        (
            passed_on("s * 256u + lane % 2u", 513, barrier, ""),
            "another place in each",
        ),
        (
            passed_on("s * 256u + min(i / 16u, 1u)", 600, barrier, ""),
            "another place in each half",
        ),
    ] {
        assert!(!is_proved(&text), "{why}");
    }
}
