//! Kernels that are wrong by what a proof forgets: a part of a local, a way out of a loop or a
//! function, a branch that is no end, the first of the subgroups.

use crate::{
    forms::{self, Both, Following, Symbols, exactly, kernel, neither},
    launch, loops,
};

#[test]
fn a_part_of_a_local_is_not_all_of_it() {
    let pair = "struct Two { a: u32, b: u32 }";
    forms::bad(pair, "var s: Two; s.b = 0u; s.a = own; y[s.b] = 0.0;");
    forms::bad(pair, "var s: Two; s.a = own; s.b = 0u; y[s.a / 2u] = 0.0;");
    forms::bad("", "var v: vec2<u32>; v.y = 0u; v.x = own; y[v.y] = 0.0;");
    forms::bad(
        "",
        "var v: array<u32, 2>; v[1] = 0u; v[0] = own; y[v[1]] = 0.0;",
    );
}

#[test]
fn a_function_returns_what_its_branch_says() {
    for first in [
        "if at < 3u { return 0u; } return at;",
        "if at < 3u { return 0u; } else { return at; }",
        "if at > 2u { return at; } else { return 0u; }",
    ] {
        let function = format!("fn first(at: u32) -> u32 {{ y[at + 64u] = 0.0; {first} }}");
        forms::bad(&function, "y[first(own)] = 1.0;");
    }
    let put = "fn put(at: u32) { for (var i = 0u; i < 3u; i++) { if at > 40u { break; } y[at * 3u + i] = 0.0; } }";
    forms::form(Both, put, "put(own);", 123);
}

#[test]
fn a_case_is_the_one_that_it_names() {
    let switch = |one: &str, other: &str| {
        format!("switch i32(own) {{ case 5: {{ {one} }} default: {{ {other} }} }}")
    };
    forms::bad("", &switch("y[own] = 0.0;", "y[5] = 0.0;"));
    forms::form(Following, "", &switch("y[5] = 0.0;", "y[own] = 0.0;"), 64);
}

#[test]
fn an_invocation_that_reads_before_it_writes() {
    forms::bad(
        "",
        "if own == 0u { y[0] = y[0] + 1.0; } if own == 1u { let seen = y[0]; }",
    );
    forms::bad(
        "",
        "if own == 0u { let seen = y[0]; } if own == 1u { y[0] = y[0] + 1.0; }",
    );
    // Once in front of the barrier and once behind it.
    let twice = |between: &str| {
        format!(
            "if own == 0u {{ y[0] = 1.0; }} storageBarrier(); {between} if own == 1u {{ let seen = y[0]; }}"
        )
    };
    forms::form(Following, "", &(twice("") + "y[own + 1u] = 0.0;"), 65);
    forms::bad("", &twice("if own == 0u { y[0] = 2.0; }"));
}

#[test]
fn loops_that_are_left_or_cut_short() {
    // A local as those leave it who go on early.
    loops::bad(
        "",
        "var k = own; var i = 0u; loop { if i >= 3u { break; } k = own; if t < 3u { k = 0u; continue; } continuing { y[k] = 0.0; i++; } }",
    );
    // Endless for one of them.
    loops::bad(
        "",
        "var i = 0u; loop { if i >= 4u { break; } { if t == 3u { continue; } } y[own * 4u + i] = 0.0; i++; }",
    );
    loops::form(
        Following,
        "",
        "for (var i = 0u; i < 3u; i++) { y[own * 3u + i] = 0.0; if i > t { break; } else { continue; } }",
        192,
    );
    // Others meet its barrier once more.
    loops::bad(
        "",
        "for (var i = 0u; i < 3u; i++) { workgroupBarrier(); if t > 3u { break; } } y[own] = 0.0;",
    );
    // What is indexed in the condition of a loop that never runs.
    loops::bad(
        "",
        "var a: array<u32, 4>; for (var i = 5u; i < min(a[own], 3u); i++) {} y[own] = 0.0;",
    );
    // Branches that end no loop.
    for first in [
        "if i >= 4u { put(); }",
        "if i >= 4u { y[0] = 0.0; y[1] = 0.0; }",
    ] {
        loops::bad(
            "fn put() { y[0] = 1.0; }",
            &format!("var i = 0u; loop {{ {first} i++; if i > 8u {{ break; }} }}"),
        );
    }
}

/// 64 invocations, of which nothing is known but that they are in subgroups.
fn in_subgroups(body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) n: u32, @builtin(subgroup_id) group: u32,
        @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_size) size: u32,
        @builtin(num_subgroups) groups: u32) {{ {body} }}"
    )
}

#[test]
fn the_first_subgroup_and_the_first_lane_are_there() {
    for first in ["group", "lane", "size - 1u", "groups - 1u"] {
        let wrong = in_subgroups(&format!("y[n] = 0.0; if {first} == 0u {{ y[64] = 1.0; }}"));
        neither(&wrong, &launch([1, 1, 1], &[260, 4]));
    }
    for (id, most) in [("group", 64), ("lane", 128), ("size", 129), ("groups", 65)] {
        let right = in_subgroups(&format!("y[n] = x[{id}];"));
        exactly(Symbols, &right, &launch([1, 1, 1], &[256, 4 * most]));
    }
}

#[test]
fn invocations_are_told_apart_by_all_of_their_ids() {
    forms::bad(
        "var<workgroup> s: array<f32, 64>;",
        "if l.x + l.y > 0u { s[l.x] = 1.0; }",
    );
    let all = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) w: vec3<u32>) { y[AT] = 1.0; }";
    for wrong in ["w.x", "w.x + w.y + w.z", "w.x + 2u * w.y + 4u * w.z"] {
        neither(&all.replace("AT", wrong), &launch([4, 4, 4], &[1024]));
    }
    // Alone, an invocation meets nobody.
    let alone = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn main() { y[min(u32(y[0]), 3u)] = 1.0; }";
    exactly(Symbols, alone, &launch([1, 1, 1], &[16]));
}

#[test]
fn bits_and_remainders_of_what_varies() {
    let data = "@group(0) @binding(1) var<storage, read> x: array<f32>;";
    let wrong = "y[own] = x[(i32(own) - 20) & (i32(g.x) - 9)];";
    neither(&kernel(data, wrong), &launch([2, 2, 1], &[256, 1 << 16]));
    for (body, words) in [
        ("y[own] = x[i32(own) & (i32(g.x) - 16)];", 64),
        ("y[own] = x[(i32(g.x) - 16) & i32(own)];", 64),
        ("let b = i32(g.x) - 16; y[own] = x[i32(own) & b];", 64),
        ("y[own] = x[own % (2u + g.y) + 3u - g.y];", 5),
    ] {
        exactly(
            Both,
            &kernel(data, body),
            &launch([2, 2, 1], &[256, 4 * words]),
        );
    }
    // More of them than are tried one by one.
    let large = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) g: vec3<u32>, @builtin(workgroup_id) w: vec3<u32>) { y[g.x] = x[AT]; }";
    for (at, words) in [
        ("g.x / 8u * 8u + 7u - g.x", 8),
        ("i32(g.x) & (i32(w.x) - 60000)", 64 * 60_000),
        ("g.x % (2u + w.x) + 60000u - w.x", 60_002),
    ] {
        let launch = launch([60_000, 1, 1], &[4 * 64 * 60_000, 4 * words]);
        exactly(Symbols, &large.replace("AT", at), &launch);
    }
}
