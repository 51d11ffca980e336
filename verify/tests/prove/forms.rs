//! What integers, memory and control flow are written with: every form is shown by both provers,
//! up to the last element of its buffer and no further.

use crate::launch;
use kforge_verify::prove::{Code, Finding, Launch, prove_by_following, prove_symbolically};

/// 16 by 4 invocations in 2 by 2 workgroups; `y` is binding 0.
pub fn kernel(globals: &str, body: &str) -> String {
    let y = match globals.contains("> y:") {
        true => "",
        false => "@group(0) @binding(0) var<storage, read_write> y: array<f32>;",
    };
    format!(
        "{y}
{globals}
@compute @workgroup_size(8, 2)
fn main(@builtin(global_invocation_id) g: vec3<u32>, @builtin(local_invocation_id) l: vec3<u32>,
        @builtin(workgroup_id) w: vec3<u32>, @builtin(local_invocation_index) n: u32,
        @builtin(num_workgroups) count: vec3<u32>) {{
    let own = g.y * 16u + g.x;
    {body}
}}"
    )
}

/// Which provers reach a form.
#[derive(Clone, Copy, PartialEq)]
pub enum By {
    Both,
    Symbols,
    Following,
}
pub use By::{Both, Following, Symbols};

/// Whether each of the provers says that the launch is right.
pub fn proved(text: &str, launch: &Launch) -> (bool, bool) {
    let code = Code::parse(text, "main").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let is = |finding: Finding| matches!(finding, Finding::Proved(_));
    let symbolic = is(prove_symbolically(&code, launch));
    (symbolic, is(prove_by_following(&code, launch)))
}

/// The launch is shown, and with one word less in any of its buffers it is not.
#[track_caller]
pub fn exactly(by: By, text: &str, launch: &Launch) {
    let wanted = (by != Following, by != Symbols);
    assert_eq!(proved(text, launch), wanted, "symbols, following\n{text}");
    for slot in 0..launch.slots.len() {
        let mut short = launch.clone();
        short.slots[slot].bytes -= 4;
        assert_eq!(proved(text, &short), (false, false), "slot {slot}\n{text}");
    }
}

/// Neither prover says that it is right.
#[track_caller]
pub fn neither(text: &str, launch: &Launch) {
    assert_eq!(proved(text, launch), (false, false), "{text}");
}

/// A body whose stores reach element `words` - 1 of `y`, each of one invocation.
#[track_caller]
pub fn form(by: By, globals: &str, body: &str, words: u64) {
    exactly(by, &kernel(globals, body), &launch([2, 2, 1], &[4 * words]));
}

/// A body in which two invocations meet, or an index is outside, however large `y` is.
#[track_caller]
pub fn bad(globals: &str, body: &str) {
    neither(&kernel(globals, body), &launch([2, 2, 1], &[1 << 16]));
}

#[test]
fn constants_and_zeros() {
    let globals = "const BASE = 5u; const SCALE = vec2<u32>(1u, 16u); const AT = vec2<u32>(3u); const NONE = vec2<u32>();";
    form(Both, globals, "y[own + BASE] = 0.0;", 69);
    form(
        Symbols,
        globals,
        "let p = g.xy * SCALE + AT + NONE; y[p.x + p.y] = 0.0;",
        70,
    );
    form(
        Both,
        globals,
        "let p = g.xy + AT + NONE; y[p.y * 16u + p.x] = 0.0;",
        16 * 6 + 19,
    );
    form(
        Both,
        "",
        "var a: u32; var b: i32; var c: bool; var v: vec2<u32>; let u = v; y[own + a + u32(b) + select(0u, 9u, c) + u.y] = 0.0;",
        64,
    );
    form(
        Both,
        "",
        "let v = vec2<i32>(1, 2) * vec2<i32>(i32(g.x), i32(g.y)); y[v.x + v.y * 8] = 0.0;",
        64,
    );
    form(
        Both,
        "",
        "let u = vec4<u32>(g.xy, vec2<u32>(7u)); let v = u.wzyx; y[v.w + v.z * 16u + v.x] = 0.0;",
        71,
    );
    form(
        Both,
        "",
        "let z = vec2<u32>(); let s = vec3<u32>(g.x); y[s.z + g.y * 16u + z.x] = 0.0;",
        64,
    );
}

#[test]
fn operators_and_choices() {
    form(Both, "", "y[u32(-(-i32(own)))] = 0.0;", 64);
    form(Both, "", "y[~(~own)] = 0.0;", 64);
    form(Both, "", "y[~(-i32(own)) + 1] = 0.0;", 64);
    form(Both, "", "if !(own > 9u) { y[own] = 0.0; }", 10);
    form(Both, "", "if bool(g.y) { y[own] = 0.0; }", 64);
    form(Following, "", "if own != 63u { y[own] = 0.0; }", 63);
    form(Both, "", "y[clamp(i32(own), 0, 63)] = 0.0;", 64);
    form(Following, "", "y[abs(-i32(own))] = 0.0;", 64);
    form(
        Both,
        "",
        "y[own + u32(g.x == 15u && g.y == 3u) * 4u] = 0.0;",
        68,
    );
    form(
        Both,
        "",
        "let p = select(vec2<u32>(0u), g.xy, vec2<bool>(true, g.y > 0u)); y[p.y * 16u + p.x] = 0.0;",
        64,
    );
    form(
        Both,
        "",
        "let p = select(g.xy, g.xy + 1u, own == 63u); y[p.y * 16u + p.x] = 0.0;",
        81,
    );
    form(
        Following,
        "",
        "let b = select(own < 9u, own < 7u, g.x < 20u); if b { y[own] = 0.0; }",
        7,
    );
    form(Both, "", "y[(own << 2u) >> 1u] = 0.0;", 127);
    form(Both, "", "y[own & 63u] = 0.0;", 64);
    form(Both, "", "y[own ^ 63u] = 0.0;", 64);
    form(Both, "", "y[(own / 8u) * 8u + own % 8u] = 0.0;", 64);
    form(Both, "", "y[(own % 4u) * 16u + own / 4u] = 0.0;", 64);
    form(Both, "", "y[g.x + count.x * 8u * g.y] = 0.0;", 64);
    form(Both, "", "y[(w.y * count.x + w.x) * 16u + n] = 0.0;", 64);
    form(
        Both,
        "",
        "y[(w.y * 2u + w.x) * 16u + l.y * 8u + l.x] = 0.0;",
        64,
    );
    bad("", "y[(w.y * 2u + w.x) * 15u + n] = 0.0;");
    bad("", "y[own / 2u] = 0.0;");
    bad("", "y[own & 62u] = 0.0;");
    bad("", "y[min(own, 62u)] = 0.0;");
    bad("", "y[max(own, 1u)] = 0.0;");
    bad("", "y[g.x] = 0.0;");
}

#[test]
fn branches_that_leave() {
    form(Both, "", "if own >= 40u { return; } y[own] = 0.0;", 40);
    form(
        Following,
        "",
        "if own >= 40u { return; } else { if own < 2u { return; } } y[own] = 0.0;",
        40,
    );
    form(
        Both,
        "",
        "if own < 40u { if own > 3u { y[own] = 0.0; } else { y[own + 40u] = 1.0; } }",
        44,
    );
    form(
        Both,
        "",
        "var at = own; if g.x == 3u { at = own + 64u; } y[at] = 0.0;",
        116,
    );
    form(
        Both,
        "",
        "var at = own; if g.x == 3u { at = 200u; } else { at = own + 1u; } if g.x != 3u { y[at] = 0.0; }",
        65,
    );
    bad("", "var at = own; if g.x == 3u { at = 1u; } y[at] = 0.0;");
    form(
        Both,
        "",
        "{ { if own > 50u { return; } } y[own] = 0.0; }",
        51,
    );
    // Always and never.
    form(
        Both,
        "",
        "if own < 64u { y[own] = 0.0; } else { y[own + 1000u] = 0.0; }",
        64,
    );
    form(
        Both,
        "",
        "if own > 63u { y[own + 1000u] = 0.0; } y[own] = 0.0;",
        64,
    );
    form(
        Following,
        "",
        "switch g.y { case 0u, 1u: { y[own] = 0.0; } case 3u: { y[own + 9u] = 0.0; } default: { return; } }",
        73,
    );
    form(
        Following,
        "",
        "switch g.y { case 2u: { if g.x > 3u { break; } y[own] = 0.0; } default: {} }",
        36,
    );
}

#[test]
fn functions() {
    let store = "fn put(at: u32) { y[at] = 0.0; }";
    form(Both, store, "put(own);", 64);
    bad(store, "put(own / 2u);");
    let next = "fn next(at: u32) -> u32 { y[at] = 0.0; return at + 64u; }";
    form(Both, next, "y[next(own)] = 1.0;", 128);
    let deep = "fn put(at: u32) { y[at] = 0.0; } fn twice(at: u32) { var k = at; put(k); k = k + 64u; put(k); }";
    form(Both, deep, "twice(own);", 128);
    // What a function returns that only computes is data, and so is no address.
    let pure_ = "fn third(x: u32) -> u32 { var k = x; for (var i = 0u; i < 3u; i++) { if k > 9u { k = k - 1u; } } return k; }";
    form(Both, pure_, "y[own] = f32(third(own));", 64);
    bad(pure_, "y[third(own)] = 0.0;");
    form(
        Symbols,
        pure_,
        "y[own + min(third(own), 3u) * 64u] = 0.0;",
        256,
    );
    let branch = "fn put(at: u32) { if at < 40u { y[at] = 0.0; } else { y[at + 2u] = 0.0; } }";
    form(Both, branch, "put(own);", 66);
}

#[test]
fn scalar_arguments_of_every_type() {
    use kforge_verify::prove::Scalar;
    let globals = "struct Sizes { a: i32, b: u32, c: f32, d: u32 } var<immediate> sizes: Sizes;";
    let sizes = Launch {
        immediates: vec![
            Scalar::I32(40),
            Scalar::U32(3),
            Scalar::F32(0),
            Scalar::U32(7),
        ],
        ..launch([2, 2, 1], &[4 * 47])
    };
    let text = kernel(
        globals,
        "if i32(own) < sizes.a { y[own + sizes.d] = sizes.c; }",
    );
    exactly(Both, &text, &sizes);
    let text = kernel(
        globals,
        "let all = sizes; if own < 40u { y[own + all.d] = 0.0; }",
    );
    exactly(Symbols, &text, &sizes);
    let text = kernel(globals, "if own < 40u { y[own + u32(sizes.c)] = 0.0; }");
    neither(&text, &sizes);
    // What a kernel reads as another type are the same bits.
    let negative = Launch {
        immediates: vec![Scalar::I32(-1), Scalar::I32(3)],
        ..sizes
    };
    let text = kernel(
        globals,
        "if own < 40u { y[own + u32(sizes.a + 4) + sizes.b] = 0.0; }",
    );
    exactly(
        Both,
        &text,
        &Launch {
            slots: launch([2, 2, 1], &[4 * 46]).slots,
            ..negative
        },
    );
}
