//! Loops in the forms that kernels have.

use crate::{
    forms::{Both, By, Following, exactly, neither},
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
pub fn form(by: By, globals: &str, body: &str, words: u64) {
    exactly(by, &kernel(globals, body), &launch([2, 1, 1], &[4 * words]));
}

#[track_caller]
pub fn bad(globals: &str, body: &str) {
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

#[test]
fn what_a_loop_changes_anywhere_is_not_what_it_was() {
    for change in [
        "if i == 0u { s = 90000u; }",
        "{ s = 90000u; }",
        "if i > 0u {} else { { s = 90000u; } }",
        "for (var j = 0u; j < 1u; j++) { s = 90000u; }",
        "if i == 0u { change(); } s = other;",
    ] {
        let globals = "var<private> other: u32; fn change() { other = 90000u; }";
        bad(
            globals,
            &format!(
                "var s = 0u; for (var i = 0u; i < 3u; i++) {{ y[own + s] = f32(i); {change} }}"
            ),
        );
    }
}
