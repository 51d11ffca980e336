//! Kernels that are wrong in one place that a careless proof would look past.

use crate::{
    forms::{self, Both, Following, exactly, kernel, neither},
    launch, loops,
};

#[test]
fn functions_that_do_more_than_compute() {
    forms::bad("fn put() { y[0] = 1.0; }", "put();");
    forms::bad("fn first() -> f32 { return y[0]; }", "y[own] = first();");
    // A callee that changes a local of its caller.
    forms::bad(
        "fn change(p: ptr<function, u32>) { *p = 90000u; }",
        "var k = own; change(&k); y[k] = 0.0;",
    );
    for meet in [
        "fn meet(c: bool) { if c { workgroupBarrier(); } }",
        "fn meet(c: bool) { if c {} else { workgroupBarrier(); } }",
        "fn meet(c: bool) { for (var i = 0u; i < u32(c); i++) { workgroupBarrier(); } }",
        "fn meet(c: bool) { loop { if c { break; } continuing { workgroupBarrier(); break if true; } } }",
        "fn meet(c: bool) { switch u32(c) { case 1u: { workgroupBarrier(); } default: {} } }",
        "fn inner(c: bool) { if c { workgroupBarrier(); } } fn meet(c: bool) { inner(c); }",
    ] {
        loops::bad(meet, "meet(t < 3u); y[own] = 0.0;");
    }
}

/// One invocation in each of several workgroups, along one axis.
#[test]
fn workgroups_of_one_invocation_meet_as_well() {
    for (count, id) in [([4, 1, 1], "w.x"), ([1, 4, 1], "w.y"), ([1, 1, 4], "w.z")] {
        let text = |at: &str| {
            format!(
                "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) w: vec3<u32>) {{ y[{at}] = 1.0; }}"
            )
        };
        neither(&text("0"), &launch(count, &[64]));
        neither(&text(&format!("{id} / 2u")), &launch(count, &[64]));
        exactly(Both, &text(id), &launch(count, &[16]));
    }
    let all = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) w: vec3<u32>) { y[AT] = 1.0; }";
    for wrong in [
        "w.x + w.y",
        "w.y + w.z",
        "w.x + 3u * w.y + 12u * w.z",
        "w.x / 2u",
    ] {
        neither(&all.replace("AT", wrong), &launch([4, 4, 4], &[1024]));
    }
}

#[test]
fn invocations_of_every_axis_are_others() {
    let shared = "var<workgroup> s: array<f32, 32>;";
    for wrong in ["l.x", "l.y", "l.x + l.y", "l.x + l.y * 7u", "n / 2u"] {
        forms::bad(shared, &format!("s[{wrong}] = 1.0;"));
    }
    for right in ["n", "l.x * 2u + l.y", "l.y * 9u + l.x", "31u - n"] {
        forms::form(
            Both,
            shared,
            &format!("s[{right}] = 1.0; y[own] = 0.0;"),
            64,
        );
    }
    let text = |at: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(2, 3, 4)
fn main(@builtin(local_invocation_id) l: vec3<u32>, @builtin(local_invocation_index) n: u32,
        @builtin(global_invocation_id) g: vec3<u32>) {{ y[{at}] = 1.0; }}"
        )
    };
    for right in [
        "n",
        "l.x + 2u * (l.y + 3u * l.z)",
        "(l.x * 3u + l.y) * 4u + l.z",
    ] {
        exactly(Both, &text(right), &launch([1, 1, 1], &[96]));
    }
    exactly(
        Both,
        &text("g.x + 4u * (g.y + 6u * g.z)"),
        &launch([2, 2, 2], &[4 * 192]),
    );
    for wrong in ["l.x + 2u * (l.y + 2u * l.z)", "l.x + l.y + l.z", "n / 2u"] {
        neither(&text(wrong), &launch([1, 1, 1], &[96]));
    }
    for wrong in ["0", "n", "g.x + 4u * (g.y + 5u * g.z)"] {
        neither(&text(wrong), &launch([2, 2, 2], &[4 * 192]));
    }
}

#[test]
fn conditions_of_one_iteration() {
    loops::bad(
        "",
        "for (var i = 0u; i < 3u; i++) { if i == 1u { y[own / 2u] = 0.0; } }",
    );
    let shared = "var<workgroup> s: array<f32, 64>;";
    // Iteration 4 reads behind its barrier what iteration 5 writes in front of its own.
    let turn = |write: u32| {
        format!(
            "for (var i = 0u; i < 6u; i++) {{ if i == {write}u {{ s[t] = 1.0; }} workgroupBarrier(); \
             if i == 4u {{ y[own] = s[31u - t]; }} }}"
        )
    };
    loops::bad(shared, &turn(5));
    loops::form(Following, shared, &turn(4), 64);
    loops::form(Following, shared, &turn(3), 64);
    // Only the second iteration has two invocations at one place.
    let barrier = "workgroupBarrier();";
    loops::bad(
        shared,
        &format!(
            "for (var i = 0u; i < 2u; i++) {{ {barrier} s[(t * (i + 1u)) % 32u] = 1.0; {barrier} }}"
        ),
    );
    loops::form(
        Both,
        shared,
        &format!(
            "for (var i = 0u; i < 2u; i++) {{ {barrier} s[(t * (2u * i + 1u)) % 32u] = 1.0; {barrier} }} y[own] = 0.0;"
        ),
        64,
    );
}

#[test]
fn loops_that_are_not_what_they_seem() {
    for endless in [
        "var i = 0u; let j = i; for (; i < 3u; i = j + 1u) { y[own] = 0.0; }",
        "var n = 0u; for (var i = 0u; i < 3u; i = n + 1u) { y[own] = 0.0; }",
        "var n = 0u; for (var i = 0u; i < 3u; i = 1u + n) { y[own] = 0.0; }",
        "var n = 9; for (var i = 5; i > 3; i = n - 1) { y[own] = 0.0; }",
        "var i = 0u; loop { if i >= 4u { break; } if t == 3u { continue; } y[own * 4u + i] = 0.0; i++; }",
        "var i = 0u; loop { if i >= 4u { break; } { if t < 9u { if t == 3u { continue; } } } y[own * 4u + i] = 0.0; i++; }",
        "for (var i = 4294967290u; i < 4294967295u; i += 2u) { y[own] = f32(i); }",
        "for (var i = 5u; i > 0u; i -= 2u) { y[own] = f32(i); }",
        "for (var i = 0; i >= -5; i--) { if i == -3 { i = 0; } y[own] = f32(i); }",
    ] {
        loops::bad("", endless);
    }
    // Its first branch ends no loop.
    loops::bad(
        "",
        "var i = 0u; loop { if i < 4u { y[i] = 0.0; } i++; if i > 8u { break; } }",
    );
    loops::bad(
        "",
        "var i = 0u; loop { if i < 4u { } else { y[i] = 0.0; } i++; if i > 8u { break; } }",
    );
    // Who left early has another count.
    loops::bad(
        "",
        "var i = 0u; for (; i < 9u; i++) { if i > t { break; } } y[own + (9u - i) * 90000u] = 0.0;",
    );
    loops::bad(
        "",
        "var i = 0u; for (; i < 9u && i < t; i++) {} y[own + (9u - i) * 90000u] = 0.0;",
    );
    loops::form(
        Both,
        "",
        "var i = 20u; for (; i < 10u; i += 4u) {} y[own + i] = 0.0;",
        84,
    );
    for leave in ["break", "continue"] {
        loops::bad(
            "",
            &format!(
                "for (var i = 0u; i < 3u; i++) {{ if i > t {{ {leave}; }} workgroupBarrier(); }} y[own] = 0.0;"
            ),
        );
    }
    for leave in ["break", "continue"] {
        let barrier = format!("workgroupBarrier(); if i > t {{ {leave}; }} y[own] = 0.0;");
        let body = format!("for (var i = 0u; i < 3u; i++) {{ {barrier} }}");
        match leave {
            // Who is gone meets the next one no more; who went on does.
            "break" => loops::bad("", &body),
            _ => loops::form(Following, "", &body, 64),
        }
    }
    // A part of a vector is changed for the next iteration.
    loops::bad(
        "",
        "var v = vec2<u32>(0u); for (var i = 0u; i < 3u; i++) { let u = v; y[own + u.x] = f32(i); v.x = 90000u; }",
    );
    // Longer than is walked one by one.
    for (head, last) in [
        ("for (var i = 3; i <= 6000; i = 2 + i)", 5999),
        ("for (var i = 6000; i > 0; i -= 2)", 6000),
        ("for (var i = 1u; i < 9000u; i += STEP)", 8998),
    ] {
        let body = format!("{head} {{ y[own * 9000u + u32(i)] = 0.0; }}");
        let words = 63 * 9000 + last + 1;
        loops::form(forms::Symbols, "const STEP = 3u;", &body, words);
    }
}

#[test]
fn choices_of_what_is_known_and_what_is_not() {
    let data = "@group(0) @binding(1) var<storage, read> x: array<f32>;";
    for wrong in [
        "if (own > 99u) | (x[own] > 0.5) { y[own / 2u] = 1.0; }",
        "if (own < 99u) & (x[own] > 0.5) { } else { y[own / 2u] = 1.0; }",
        "if (own < 99u) == (x[own] > 0.5) { y[own / 2u] = 1.0; }",
    ] {
        neither(&kernel(data, wrong), &launch([2, 2, 1], &[1 << 16, 256]));
    }
    for (by, right) in [
        (
            Both,
            "if (own > 99u) & (x[own] > 0.5) { y[0] = 1.0; } y[own] = 1.0;",
        ),
        (
            Both,
            "if (x[own] > 0.5) & (own > 99u) { y[0] = 1.0; } y[own] = 1.0;",
        ),
        (
            Both,
            "if (own < 99u) | (x[own] > 0.5) { y[own] = 1.0; } else { y[0] = 1.0; }",
        ),
    ] {
        exactly(by, &kernel(data, right), &launch([2, 2, 1], &[256, 256]));
    }
    forms::form(
        Following,
        "",
        "if (own < 9u) == (g.x < 99u) { y[own] = 1.0; }",
        9,
    );
    forms::form(
        Both,
        "",
        "if (own < 9u) != (g.x < 99u) { y[own] = 1.0; }",
        64,
    );
    forms::form(
        Both,
        "",
        "if (own < 9u) | (own > 50u) { y[own] = 1.0; }",
        64,
    );
    forms::form(Following, "", "y[abs(own)] = 1.0;", 64);
    forms::form(
        Both,
        "",
        "y[i32(own) + i32(g.x == 15u && g.y == 3u) * 4] = 1.0;",
        68,
    );
    forms::form(Both, "", "if bool(own < 9u) { y[own] = 1.0; }", 9);
    forms::form(Both, "", "if !bool(i32(g.x) - 15) { y[own] = 1.0; }", 64);
    // Cases that share a body, and cases that do not.
    forms::bad(
        "",
        "switch g.y { case 0u, 1u: { y[g.x] = 0.0; } default: {} }",
    );
    forms::form(
        Following,
        "",
        "switch g.y { case 2u: { y[own] = 0.0; } case 1u: { y[g.x] = 0.0; } default: {} }",
        48,
    );
}

#[test]
fn storage_barriers_order_a_workgroup_and_no_more() {
    let globals = "var<private> unused: u32;";
    loops::form(
        Following,
        globals,
        "y[own] = 1.0; storageBarrier(); y[own ^ 1u] = 2.0;",
        64,
    );
    loops::bad(
        globals,
        "y[own] = 1.0; workgroupBarrier(); y[own ^ 1u] = 2.0;",
    );
    loops::bad(globals, "if w.x == 1u { storageBarrier(); } y[t] = 0.0;");
    loops::bad(
        globals,
        "y[own] = 1.0; storageBarrier(); y[own ^ 32u] = 2.0;",
    );
}
