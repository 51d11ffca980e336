//! Launches that are too large to be followed: what tells invocations apart is read from their
//! addresses alone, and defects are met at the corners.

use crate::{
    finding,
    forms::{Symbols, exactly, neither},
    launch, open, proved, wrong,
};
use kforge_verify::prove::{Code, Facts, Finding, Launch, prove_by_following};

/// 250 by 160 workgroups of 8 by 8; `own` is below 2,560,000.
const OWN: u64 = 2_560_000;

fn kernel(body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) g: vec3<u32>, @builtin(local_invocation_id) l: vec3<u32>,
        @builtin(workgroup_id) w: vec3<u32>) {{
    let own = g.y * 2000u + g.x;
    {body}
}}"
    )
}

fn sizes(words: u64) -> Launch {
    launch([250, 160, 1], &[4 * words])
}

#[test]
fn addresses_tell_invocations_apart() {
    for (body, words) in [
        ("y[own] = 0.0;", OWN),
        ("y[own + 7u] = 0.0;", OWN + 7),
        ("y[2559999u - own] = 0.0;", OWN),
        ("y[g.x * 1280u + g.y] = 0.0;", OWN),
        ("y[((w.y * 250u + w.x) * 8u + l.y) * 8u + l.x] = 0.0;", OWN),
        ("y[((w.x * 160u + w.y) * 8u + l.x) * 8u + l.y] = 0.0;", OWN),
        ("y[(own % 64u) * 40000u + own / 64u] = 0.0;", OWN),
        ("y[(own / 64u) * 64u + own % 64u] = 0.0;", OWN),
        ("y[(own / 64u) * 65u + own % 64u] = 0.0;", 39_999 * 65 + 64),
        (
            "y[((own / 16u) % 4u) * 64u + own % 16u + (own / 64u) * 256u] = 0.0;",
            39_999 * 256 + 208,
        ),
        (
            "y[own * 4u] = 0.0; y[own * 4u + 1u] = 0.0; y[own * 4u + 3u] = 0.0;",
            4 * OWN,
        ),
        (
            "y[(own / 2u) * 5u + (own % 2u) * 2u] = 0.0; y[(own / 2u) * 5u + (own % 2u) * 2u + 1u] = 0.0;",
            1_279_999 * 5 + 4,
        ),
        ("y[own] = 0.0; y[own + 2560000u] = 1.0;", 2 * OWN),
        (
            "y[own] = y[own] + 1.0; y[own + 2560000u] = y[own];",
            2 * OWN,
        ),
        ("y[own] = y[own + 2560000u];", 2 * OWN),
        (
            "for (var i = 0u; i < 3u; i++) { y[own * 3u + i] = 0.0; }",
            3 * OWN,
        ),
        (
            "for (var i = 0u; i < 3u; i++) { y[i * 2560000u + own] = 0.0; }",
            3 * OWN,
        ),
        (
            "for (var i = 0u; i < 8u; i++) { y[((w.y * 250u + w.x) * 8u + i) * 64u + l.y * 8u + l.x] = 0.0; }",
            8 * OWN,
        ),
        ("if own < 1000003u { y[own] = 0.0; }", 1_000_003),
        (
            "if g.x < 1999u && g.y < 1279u { y[g.y * 1999u + g.x] = 0.0; }",
            1999 * 1279,
        ),
        (
            "let row = own / 3u; if row < 800000u { y[row * 5u + own % 3u] = 0.0; }",
            799_999 * 5 + 3,
        ),
    ] {
        exactly(Symbols, &kernel(body), &sizes(words));
    }
}

#[test]
fn addresses_that_several_have_are_not_shown() {
    for body in [
        "y[own / 2u] = 0.0;",
        "y[own % 1280000u] = 0.0;",
        "y[g.x] = 0.0;",
        "y[g.y] = 0.0;",
        "y[g.x * 1279u + g.y] = 0.0;",
        "y[g.y * 1999u + g.x] = 0.0;",
        "y[(own / 64u) * 63u + own % 64u] = 0.0;",
        "y[(own % 64u) * 39999u + own / 64u] = 0.0;",
        "y[own / 64u + own % 64u] = 0.0;",
        "y[((w.y * 250u + w.x) * 8u + l.y) * 7u + l.x] = 0.0;",
        "y[((w.y * 249u + w.x) * 8u + l.y) * 8u + l.x] = 0.0;",
        "y[w.y * 250u + w.x] = 0.0;",
        "y[l.y * 8u + l.x] = 0.0;",
        "y[own * 4u] = 0.0; y[own * 4u + 4u] = 0.0;",
        "y[own] = 0.0; y[own + 2559999u] = 1.0;",
        "y[own] = y[own + 1u];",
        "y[own] = y[g.x];",
        "y[own] = 0.0; let v = y[g.x]; y[own + 2560000u] = v;",
        "let v = y[g.y]; y[own] = v;",
        "y[own] = 0.0; y[own + 5u] = 1.0;",
        "for (var i = 0u; i < 4u; i++) { y[own * 3u + i] = 0.0; }",
        "for (var i = 0u; i < 3u; i++) { y[i * 2559999u + own] = 0.0; }",
        "if l.x < 2u { y[g.y * 250u + w.x] = 0.0; }",
        "if l.x == 0u { y[w.y * 250u + w.x] = 0.0; }",
        "y[min(own, 2559998u)] = 0.0;",
    ] {
        neither(&kernel(body), &sizes(1 << 26));
    }
}

#[test]
fn defects_at_the_corners_and_in_between_are_met() {
    // 250 by 161 workgroups, the 32nd parts of which are nowhere near an edge.
    const ALL: u64 = 2000 * 161 * 8;
    let at = |x: u32, y: u32| {
        kernel(&format!(
            "if w.x == {x}u && w.y == {y}u {{ y[2576000u + l.x] = 0.0; }} else {{ y[own] = 0.0; }}"
        ))
    };
    let sizes = launch([250, 161, 1], &[4 * ALL]);
    for [x, y] in [
        [0, 0],
        [249, 160],
        [249, 0],
        [0, 160],
        [1, 1],
        [1, 160],
        [249, 1],
        [23, 15],
        [132, 85],
    ] {
        let who = format!("of workgroup [{x}, {y}, 0]");
        wrong(&at(x, y), &sizes, &[&who]);
    }
    // What is not met is not taken for right.
    open(&at(77, 33), &sizes, "not shown");
}

/// What following says of a small launch, in numbers.
fn followed(text: &str, launch: &Launch) -> Facts {
    match prove_by_following(&Code::parse(text, "main").unwrap(), launch) {
        Finding::Proved(facts) => facts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_followed_is_counted() {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<workgroup> s: array<f32, 8>;
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) g: vec3<u32>, @builtin(local_invocation_id) l: vec3<u32>) {
    s[l.x] = x[g.x];
    workgroupBarrier();
    if g.x < 8u { storageBarrier(); }
    y[g.x] = s[7u - l.x];
}";
    let sizes = launch([2, 1, 1], &[64, 64]);
    let facts = followed(text, &sizes);
    // Four accesses and a barrier of 16 invocations, and another barrier of 8.
    assert_eq!((facts.indices, facts.barriers), (16 * 5 + 8, 2));
    assert_eq!((facts.intervals, facts.buffers), (3, 1));
    let facts = proved(text, &sizes);
    assert_eq!((facts.barriers, facts.buffers), (2, 1));
    let none = launch([0, 1, 1], &[64, 64]);
    assert_eq!(finding(text, &none), Finding::Proved(Facts::default()));
}

#[test]
fn who_is_not_followed_to_the_end_misses_no_barrier() {
    let text = "
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_id) l: vec3<u32>) {
    if l.x == WHO { for (var i = 0u; i < x[0]; i++) { y[8] = 0.0; } }
    workgroupBarrier();
    y[l.x] = 0.0;
}";
    for who in ["0u", "3u", "7u"] {
        open(&text.replace("WHO", who), &launch([1, 1, 1], &[4, 36]), "");
    }
}
