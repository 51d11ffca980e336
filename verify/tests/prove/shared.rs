//! What invocations of a workgroup share: memory and barriers.

use crate::{
    forms::{Both, Following, Symbols},
    loops::{bad, form},
};

const SHARED: &str = "var<workgroup> s: array<f32, 64>;";

#[test]
fn barriers_in_loops_and_branches() {
    let sum = "for (var h = 16u; h > 0u; h /= 2u) { if t < h { s[t] += s[t + h]; } workgroupBarrier(); } y[own] = s[0];";
    form(
        Both,
        SHARED,
        &format!("s[t] = 1.0; workgroupBarrier(); {sum}"),
        64,
    );
    bad(SHARED, &format!("s[t] = 1.0; {sum}"));
    let turn = |first: &str, second: &str| {
        format!(
            "for (var i = 0u; i < 6u; i++) {{ s[t] = f32(i); {first} y[own * 6u + i] = s[31u - t]; {second} }}"
        )
    };
    let barrier = "workgroupBarrier();";
    form(Both, SHARED, &turn(barrier, barrier), 384);
    bad(SHARED, &turn("", barrier));
    bad(SHARED, &turn(barrier, ""));
    bad(SHARED, &turn(barrier, "storageBarrier();"));
    let halves = |next: &str| {
        format!(
            "s[t] = 0.0; for (var i = 0u; i < 6u; i++) {{ workgroupBarrier(); y[own * 6u + i] = s[(i % 2u) * 32u + 31u - t]; s[{next} * 32u + t] = f32(i); }}"
        )
    };
    form(Both, SHARED, &halves("((i + 1u) % 2u)"), 384);
    bad(SHARED, &halves("(i % 2u)"));
    form(
        Both,
        SHARED,
        "s[t] = 1.0; if w.x == 1u { workgroupBarrier(); y[own] = s[31u - t]; } else { y[own] = s[t]; }",
        64,
    );
    bad(
        SHARED,
        "s[t] = 1.0; if w.x == 1u { workgroupBarrier(); } y[own] = s[31u - t];",
    );
    bad(
        SHARED,
        "s[t] = 1.0; if t > 3u { workgroupBarrier(); } y[own] = s[t];",
    );
    bad(
        SHARED,
        "s[t] = 1.0; for (var i = 0u; i < t; i++) { workgroupBarrier(); } y[own] = s[t];",
    );
    form(
        Both,
        SHARED,
        "s[t] = 1.0; for (var i = 0u; i < w.x; i++) { workgroupBarrier(); } y[own] = s[t];",
        64,
    );
    bad(
        SHARED,
        "s[t] = 1.0; for (var i = 0u; i < w.x; i++) { workgroupBarrier(); } y[own] = s[31u - t];",
    );
    form(
        Both,
        SHARED,
        "s[t] = 1.0; for (var i = 0u; i <= w.x; i++) { workgroupBarrier(); } y[own] = s[31u - t];",
        64,
    );
    // What one invocation writes behind a loop meets what others read in its last iteration.
    bad(
        SHARED,
        "s[t] = 1.0; for (var i = 0u; i < 3u; i++) { workgroupBarrier(); y[own * 3u + i] = s[i]; } s[t] = 0.0;",
    );
    form(
        Both,
        SHARED,
        "s[t] = 1.0; for (var i = 0u; i < 3u; i++) { workgroupBarrier(); y[own * 3u + i] = s[i]; } s[t + 32u] = 0.0;",
        192,
    );
    bad(
        SHARED,
        "s[t] = 1.0; for (var i = 0u; i < 3u; i++) { workgroupBarrier(); y[own * 3u + i] = s[i + 32u * (i / 2u)]; } s[t + 32u] = 0.0;",
    );
    form(
        Both,
        SHARED,
        "for (var i = 0u; i < 3u; i++) { workgroupBarrier(); y[own * 3u + i] = s[t + 32u * (1u - (i + 1u) / 2u)]; } s[t + 32u] = 0.0;",
        192,
    );
}

#[test]
fn workgroup_memory_of_every_kind() {
    form(
        Both,
        SHARED,
        "s[t] = 1.0; s[t + 32u] = 2.0; workgroupBarrier(); y[own] = s[63u - t];",
        64,
    );
    bad(SHARED, "s[t] = 1.0; s[t + 33u] = 2.0;");
    bad(SHARED, "s[t] = 1.0; s[t + 31u] = 2.0;");
    bad(SHARED, "s[t / 2u] = 1.0;");
    bad(SHARED, "s[0] = 1.0;");
    form(
        Both,
        SHARED,
        "if t == 0u { s[0] = 1.0; } workgroupBarrier(); y[own] = s[0];",
        64,
    );
    bad(SHARED, "if t < 2u { s[0] = 1.0; }");
    form(Both, SHARED, "y[own] = s[0];", 64);
    let atomic = "var<workgroup> a: array<atomic<u32>, 4>;";
    form(
        Both,
        atomic,
        "atomicAdd(&a[t % 4u], 1u); workgroupBarrier(); y[own] = f32(atomicLoad(&a[3]));",
        64,
    );
    bad(atomic, "atomicAdd(&a[t % 5u], 1u);");
    let vectors = "var<workgroup> v: array<vec2<f32>, 32>; var<workgroup> m: mat2x2<f32>;";
    form(
        Both,
        vectors,
        "v[t].x = 1.0; v[t][t % 2u] = 2.0; if t == 3u { m[1].y = 1.0; } workgroupBarrier(); y[own] = v[31u - t].y + m[0].x;",
        64,
    );
    bad(vectors, "v[t / 2u][t % 2u] = 1.0;");
    bad(vectors, "if t < 2u { m[t] = vec2<f32>(0.0); }");
    let one = "var<workgroup> k: u32; var<workgroup> s: array<f32, 32>;";
    form(
        Both,
        one,
        "s[t] = 1.0; let a = workgroupUniformLoad(&k); y[own] = s[31u - t] + f32(a);",
        64,
    );
    bad(
        one,
        "if t < 3u { let a = workgroupUniformLoad(&k); } s[t] = 1.0;",
    );
    // Invocations of one workgroup meet; those of two do not, in its memory.
    form(
        Following,
        SHARED,
        "if t == w.x { s[w.x] = 1.0; } y[own] = 0.0;",
        64,
    );
    let rows = "struct Row { a: f32, b: array<f32, 3> } var<workgroup> r: array<Row, 32>;";
    form(
        Both,
        rows,
        "r[t].b[t % 3u] = 1.0; r[t].a = 0.0; workgroupBarrier(); y[own] = r[31u - t].b[2];",
        64,
    );
    bad(rows, "r[t].b[t % 4u] = 1.0;");
    form(
        Symbols,
        SHARED,
        "for (var i = 0u; i < 4000u; i++) { s[t] = f32(i); } y[own] = s[t];",
        64,
    );
}

#[test]
fn barriers_are_told_apart_wherever_they_stand() {
    // Two on one line, and one in a function that is called from two places.
    bad(
        "",
        "if t < 3u { workgroupBarrier(); } else { workgroupBarrier(); } y[own] = 0.0;",
    );
    let meet = "fn meet() { workgroupBarrier(); }";
    bad(meet, "if t < 3u { meet(); } else { meet(); } y[own] = 0.0;");
    bad(
        &format!("{meet} fn both(first: bool) {{ if first {{ meet(); }} else {{ meet(); }} }}"),
        "both(t < 3u); y[own] = 0.0;",
    );
    form(
        Both,
        meet,
        "if w.x == 0u { meet(); } else { meet(); } meet(); y[own] = 0.0;",
        64,
    );
    form(
        Both,
        meet,
        "for (var i = 0u; i < 3u; i++) { meet(); } y[own] = 0.0;",
        64,
    );
}

const THIRDS: &str = "var<workgroup> s: array<f32, 96>;";

#[test]
fn what_meets_at_the_end_of_a_loop_alone() {
    // Iteration 4 reads what iteration 5 writes.
    let turn = |read: u32, write: u32| {
        format!(
            "for (var i = 0u; i < 6u; i++) {{ s[select(0u, 32u, i == {write}u) + t] = 1.0; \
             workgroupBarrier(); y[own * 6u + i] = s[select(64u, 32u, i == {read}u) + 31u - t]; }}"
        )
    };
    bad(THIRDS, &turn(4, 5));
    bad(THIRDS, &turn(0, 1));
    form(Both, THIRDS, &turn(5, 5), 384);
    // Which iteration was the last depends on the workgroup, or on who leaves.
    let last = |head: &str, leave: &str, write: &str| {
        format!(
            "for (var i = 0u; {head}; i++) {{ workgroupBarrier(); \
             y[own * 2u + i] = s[i * 32u + 31u - t]; {leave} }} s[{write}] = 1.0;"
        )
    };
    bad(THIRDS, &last("i <= w.x", "", "t"));
    bad(THIRDS, &last("i <= w.x", "", "t + 32u"));
    bad(THIRDS, &last("i < 2u", "if i == w.x { break; }", "t"));
    bad(THIRDS, &last("i < 2u", "", "t + 32u"));
    form(Both, THIRDS, &last("i < 2u", "", "t"), 128);
    form(Both, THIRDS, &last("i <= w.x", "", "t + 64u"), 128);
}

#[test]
fn who_read_before_a_write_is_not_forgotten() {
    for writer in ["t == 31u", "t == 0u", "t == 7u"] {
        bad(
            SHARED,
            &format!("y[own] = s[0]; if {writer} {{ s[0] = 1.0; }}"),
        );
        bad(
            SHARED,
            &format!("if {writer} {{ s[0] = 1.0; }} y[own] = s[0];"),
        );
    }
    for writer in ["own == 63u", "own == 0u", "own == 32u"] {
        bad(
            "",
            &format!("let a = y[64]; if {writer} {{ y[64] = a; }} y[own] = a;"),
        );
    }
    let atomic = "var<workgroup> a: atomic<u32>; var<workgroup> p: u32;";
    form(
        Both,
        atomic,
        "atomicAdd(&a, 1u); y[own] = f32(atomicLoad(&a));",
        64,
    );
}

#[test]
fn what_workgroups_and_loops_share() {
    let barrier = "workgroupBarrier();";
    form(
        Both,
        SHARED,
        &format!("s[w.x * 32u + t] = 1.0; {barrier} s[w.x * 32u + 31u - t] = 2.0; y[own] = 0.0;"),
        64,
    );
    form(
        Both,
        SHARED,
        &format!("for (var i = 0u; i < 3u; i++) {{ if i == 1u {{ {barrier} }} }} y[own] = 0.0;"),
        64,
    );
    form(
        Both,
        SHARED,
        &format!(
            "for (var i = 0u; i < 3u; i++) {{ for (var j = 0u; j < i; j++) {{ s[t] = f32(j); {barrier} y[own] = s[31u - t]; {barrier} }} }}"
        ),
        64,
    );
    bad(
        SHARED,
        &format!("for (var i = 0u; i < 3u; i++) {{ if i == t {{ {barrier} }} }} y[own] = 0.0;"),
    );
    // More ways through than are told apart.
    let many = |ways: std::ops::Range<u32>| -> String {
        let way = |way| format!("if w.x == {way}u {{ s[t] = {way}.0; {barrier} }} ");
        ways.map(way).collect()
    };
    form(
        Both,
        SHARED,
        &format!("{} {barrier} y[own] = s[31u - t];", many(0..6)),
        64,
    );
    bad(
        SHARED,
        &format!("s[t] = 9.0; {} y[own] = s[31u - t];", many(1..7)),
    );
}
