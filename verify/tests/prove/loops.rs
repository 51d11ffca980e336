//! Loops in the forms that kernels have, and what invocations of a workgroup share.

use crate::{
    forms::{Both, By, Following, Symbols, exactly, neither},
    launch,
};

/// 2 workgroups of 32 invocations.
fn kernel(globals: &str, body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
{globals}
@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) w: vec3<u32>, @builtin(local_invocation_id) l: vec3<u32>) {{
    let t = l.x;
    let own = w.x * 32u + t;
    {body}
}}"
    )
}

#[track_caller]
fn form(by: By, globals: &str, body: &str, words: u64) {
    exactly(by, &kernel(globals, body), &launch([2, 1, 1], &[4 * words]));
}

#[track_caller]
fn bad(globals: &str, body: &str) {
    neither(&kernel(globals, body), &launch([2, 1, 1], &[1 << 16]));
}

#[test]
fn counters_up_and_down() {
    for (head, last) in [
        ("for (var i = 0u; i < 5u; i++)", 4),
        ("for (var i = 0u; i <= 5u; i++)", 5),
        ("for (var i = 0; 5 > i; i += 3)", 3),
        ("for (var i = 1; i < 8; i = 2 + i)", 7),
        ("for (var i = 5; i > 1; i--)", 5),
        ("for (var i = 6; i >= 0; i -= 4)", 6),
        ("for (var i = 5u; i > 0u; i--)", 5),
        ("for (var i = 0u; i < 3u + w.x; i++)", 3),
        ("for (var i = 0u; i < 0u; i++)", -1),
        ("for (var i = 0u; i < 4u && i < 3u; i++)", 2),
        ("for (var i = 0u; !(i >= 4u); i++)", 3),
    ] {
        let words = (63 * 100 + last + 1) as u64;
        match last {
            -1 => form(
                Both,
                "",
                &format!("{head} {{ y[u32(i) + 9000u] = 0.0; }} y[own] = 0.0;"),
                64,
            ),
            _ => form(
                Both,
                "",
                &format!("{head} {{ y[own * 100u + u32(i)] = 0.0; }}"),
                words,
            ),
        }
    }
    bad(
        "",
        "for (var i = 0u; i < 65u; i++) { y[own * 64u + i] = 0.0; }",
    );
    bad(
        "",
        "for (var i = 5; i >= 0; i--) { y[i32(own) * 6 + i - 1] = 0.0; }",
    );
    // Where it begins elsewhere for everyone, the digits of its addresses are not told apart.
    for (head, last) in [
        ("for (var i = w.x; i < 9u; i += 4u)", 5),
        ("for (var i = t; i < 70u; i += 32u)", 63),
    ] {
        let words = (63 * 100 + last + 1) as u64;
        form(
            Following,
            "",
            &format!("{head} {{ y[own * 100u + i] = 0.0; }}"),
            words,
        );
    }
    // One iteration after the other.
    form(
        Both,
        "",
        "for (var i = 1u; i < 9u; i *= 2u) { y[own * 9u + i] = 0.0; }",
        63 * 9 + 9,
    );
}

#[test]
fn counters_behind_their_loop() {
    form(
        Both,
        "",
        "var i = 3u; for (; i < 10u; i += 4u) {} y[own + i] = 0.0;",
        75,
    );
    form(
        Both,
        "",
        "var i = 12u; for (; i < 10u; i += 4u) {} y[own + i] = 0.0;",
        76,
    );
    form(
        Both,
        "",
        "var s = 0u; for (var i = 0u; i < 4u; i++) { s += 2u; y[own * 8u + s - 1u] = 0.0; }",
        512,
    );
    form(
        Both,
        "",
        "var s = 0u; for (var i = 0u; i < 4u; i++) { s += 2u; } y[own + s] = 0.0;",
        72,
    );
    // Every local that a loop changes otherwise is unknown behind it.
    bad(
        "",
        "var s = 1u; for (var i = 0u; i < 9000u; i++) { s = s * 3u % 7u; } y[own + s] = 0.0;",
    );
    bad(
        "",
        "var s = 1u; for (var i = 0u; i < 9000u; i++) { if i > t { s = i; } } y[own + s] = 0.0;",
    );
    form(
        Both,
        "",
        "var i = 0u; loop { if i >= 4u { break; } y[own * 4u + i] = 0.0; continuing { i++; } }",
        256,
    );
    form(
        Both,
        "",
        "var i = 0u; while true { if i == 4u { break; } y[own * 4u + i] = 0.0; i++; }",
        256,
    );
    form(
        Both,
        "",
        "var i = 0u; loop { y[own * 4u + i] = 0.0; continuing { i++; break if i == 4u; } }",
        256,
    );
    bad(
        "",
        "var i = 0u; loop { y[own * 4u + i] = 0.0; continuing { i++; break if i == 5u; } }",
    );
}

#[test]
fn loops_inside_of_loops() {
    form(
        Both,
        "",
        "for (var i = 0u; i < 3u; i++) { for (var j = 0u; j < 4u; j++) { y[(own * 3u + i) * 4u + j] = 0.0; } }",
        768,
    );
    form(
        Both,
        "",
        "for (var i = 0u; i < 3u; i++) { for (var j = 0u; j <= i; j++) { y[(own * 3u + i) * 3u + j] = 0.0; } }",
        576,
    );
    bad(
        "",
        "for (var i = 0u; i < 3u; i++) { for (var j = 0u; j < 4u; j++) { y[(own * 3u + i) * 3u + j] = 0.0; } }",
    );
    form(
        Both,
        "",
        "for (var i = 0u; i < 9u; i++) { if i > t { continue; } y[own * 9u + i] = 0.0; }",
        576,
    );
    form(
        Both,
        "",
        "for (var i = 0u; i < 9u; i++) { if i > t { break; } y[own * 9u + i] = 0.0; }",
        576,
    );
    form(
        Both,
        "",
        "for (var i = 0u; i < 9u; i++) { if i > 4u { break; } y[own * 5u + i] = 0.0; }",
        320,
    );
    form(
        Following,
        "",
        "for (var i = 0u; i < 9u; i++) { if i > 4u { return; } y[own * 5u + i] = 0.0; }",
        320,
    );
}

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
