//! Floats and vectors, each as one expression per invocation.

use super::{Cell, Stop, buffer, run};

const GLOBALS: &str = "
struct Sizes { a: i32, b: u32, c: f32 }
struct Rows { head: vec2<f32>, rest: array<f32> }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> rows: Rows;
@group(0) @binding(2) var<storage, read> four: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
var<immediate> sizes: Sizes;
var<workgroup> s: array<array<f32, 8>, 2>;
var<workgroup> v: array<vec2<f32>, 8>;
var<workgroup> k: array<i32, 8>;
const SCALE = vec3<f32>(1.0, 2.0, 4.0);
const SHIFT = vec3<i32>(7);
const NONE = vec2<f32>();
fn twice(a: f32) -> f32 { if a > 3.0 { return a * 2.0; } return a + a + 100.0; }
fn sum(a: vec3<f32>) -> vec3<f32> { var b = a; b.y += b.x; b[2] = b[2] + b[1]; return b; }
fn pick(a: i32) -> i32 { if a > 3 { return a; } return 2; }
fn change(a: ptr<function, f32>) { *a += 1.0; }
fn half(a: i32) -> i32 { var b = a; loop { if b < 4 { break; } b /= 2; } return b; }
";

/// 2 workgroups of 8 invocations, in which `t` is the number in the workgroup, `g` in all, and
/// `f` that as a float; what each stores, in order of `g`.
fn values(body: &str) -> Result<Vec<f64>, Stop> {
    // Numbers of subgroups are for workgroups of one row; `l.z` needs a third axis.
    let (size, subgroups) = match body.contains("subgroup") || body.contains("lane") {
        true => (
            "8",
            ", @builtin(subgroup_id) group: u32, @builtin(subgroup_invocation_id) lane: u32,
             @builtin(subgroup_size) size: u32, @builtin(num_subgroups) groups: u32",
        ),
        false if body.contains("l.z") => ("2, 2, 2", ""),
        false => ("4, 2", ""),
    };
    let text = format!(
        "{GLOBALS}
@compute @workgroup_size({size})
fn main(@builtin(workgroup_id) w: vec3<u32>, @builtin(local_invocation_index) t: u32,
        @builtin(global_invocation_id) at: vec3<u32>, @builtin(local_invocation_id) l: vec3<u32>,
        @builtin(num_workgroups) count: vec3<u32>{subgroups}) {{
    let g = w.x * 8u + t;
    let f = f32(g);
    {body}
}}"
    );
    let floats = |count: usize| (0..count).map(|it| Cell::Float(it as f64)).collect();
    let mut buffers = [
        buffer(floats(16)),
        buffer(floats(12)),
        buffer(floats(64)),
        buffer(vec![Cell::Unwritten; 16]),
    ];
    run(&text, [2, 1, 1], &mut buffers)?;
    let float = |cell: &Cell<f64>| match cell {
        Cell::Float(value) => *value,
        _ => f64::NAN,
    };
    Ok(buffers[3].cells.iter().map(float).collect())
}

/// A body that stores `expected` of every invocation.
#[track_caller]
pub(super) fn body(body: &str, expected: impl Fn(f64) -> f64) {
    let got = values(body).unwrap_or_else(|stop| panic!("{body}: {stop:?}"));
    for (number, got) in got.iter().enumerate() {
        let expected = expected(number as f64);
        assert!(
            (got - expected).abs() < 1e-12,
            "{body}: {got}, not {expected} of {number}"
        );
    }
}

/// An expression with this value in every invocation.
#[track_caller]
pub(super) fn is(expression: &str, expected: impl Fn(f64) -> f64) {
    body(&format!("y[g] = {expression};"), expected);
}

#[track_caller]
pub(super) fn stops(body: &str, words: &str) {
    match values(body) {
        Err(Stop::Refused(what) | Stop::Unsupported(what)) if what.contains(words) => {}
        other => panic!("{body}: {other:?}"),
    }
}

pub(super) fn lane(g: f64) -> f64 {
    g % 8.0
}

#[test]
fn functions_of_floats() {
    is("-f + 2.0 * f - f / 4.0", |g| 0.75 * g);
    is("abs(f - 5.0)", |g| (g - 5.0).abs());
    is("sign(f - 5.0)", |g| {
        if g == 5.0 { 0.0 } else { (g - 5.0).signum() }
    });
    is("exp(f) * exp2(-f)", |g| g.exp() * (-g).exp2());
    is("log(f + 1.0) + log2(f + 2.0)", |g| {
        (g + 1.0).ln() + (g + 2.0).log2()
    });
    is("sqrt(f) + inverseSqrt(f + 1.0)", |g| {
        g.sqrt() + (g + 1.0).sqrt().recip()
    });
    is("tanh(f) + sin(f) - cos(f)", |g| {
        g.tanh() + g.sin() - g.cos()
    });
    is("floor(f / 3.0) + 10.0 * ceil(f / 3.0)", |g| {
        (g / 3.0).floor() + 10.0 * (g / 3.0).ceil()
    });
    is("round(f / 2.0) + 100.0 * trunc(f / 3.0 - 2.0)", |g| {
        (g / 2.0).round_ties_even() + 100.0 * (g / 3.0 - 2.0).trunc()
    });
    is("fract(f / 4.0)", |g| (g / 4.0).fract());
    is("min(f, 5.0) * max(f, 9.0)", |g| g.min(5.0) * g.max(9.0));
    is("clamp(f, 3.0, 6.0)", |g| g.clamp(3.0, 6.0));
    is("saturate(f / 8.0 - 0.5)", |g| {
        (g / 8.0 - 0.5).clamp(0.0, 1.0)
    });
    is("mix(f, 3.0, 0.25)", |g| g * 0.75 + 0.75);
    is("mix(vec2<f32>(f), vec2<f32>(3.0), 0.25).y", |g| {
        g * 0.75 + 0.75
    });
    is("step(5.0, f) + step(f, 5.0)", |g| {
        1.0 + f64::from(u8::from(g == 5.0))
    });
    is("fma(f, 3.0, 2.0)", |g| g * 3.0 + 2.0);
    is("pow(f + 1.0, 2.0)", |g| (g + 1.0) * (g + 1.0));
    is("quantizeToF16(f)", |g| g);
    is("dot(vec3<f32>(f, 2.0, 1.0), SCALE)", |g| g + 8.0);
    for (operator, holds) in [
        ("<", (|g| g < 5.0) as fn(f64) -> bool),
        ("<=", |g| g <= 5.0),
        (">", |g| g > 5.0),
        (">=", |g| g >= 5.0),
        ("==", |g| g == 5.0),
        ("!=", |g| g != 5.0),
    ] {
        is(&format!("select(1.0, 2.0, f {operator} 5.0)"), |g| {
            1.0 + f64::from(u8::from(holds(g)))
        });
        is(
            &format!("f32(all(vec2<f32>(f, 1.0) {operator} vec2<f32>(5.0, 2.0)))"),
            |g| {
                let second = matches!(operator, "<" | "<=" | "!=");
                f64::from(u8::from(holds(g) && second))
            },
        );
    }
}

#[test]
fn vectors_of_floats_and_integers() {
    is("(vec3<f32>(f, 1.0, 2.0) * SCALE + 3.0).z", |_| 11.0);
    is(
        "(2.0 * vec3<f32>(f, 1.0, 2.0).yxz / vec3<f32>(f + 1.0)).y",
        |g| 2.0 * g / (g + 1.0),
    );
    is("(-vec2<f32>(1.0, f)).y", |g| -g);
    is("vec4<f32>(vec2<f32>(f, 1.0), vec2<f32>(2.0)).wzyx.w", |g| g);
    is("vec4<f32>(vec2<f32>(1.0, f), vec2<f32>(2.0)).y", |g| g);
    is(
        "f32(vec4<i32>(vec2<i32>(1, i32(g)), vec2<i32>(2)).y)",
        |g| g,
    );
    is("abs(vec2<f32>(1.0, f - 5.0)).y", |g| (g - 5.0).abs());
    is("f32(f) + bitcast<f32>(f)", |g| 2.0 * g);
    is("vec4<f32>(f, 1.0, 2.0, 3.0)[t % 4u]", |g| {
        [g, 1.0, 2.0, 3.0][g as usize % 4]
    });
    is("f32(vec4<i32>(i32(g), 5, 6, 7)[t % 4u])", |g| {
        [g, 5.0, 6.0, 7.0][g as usize % 4]
    });
    is("NONE.y + f + vec2<f32>(NONE).x", |g| g);
    is(
        "f32((vec3<i32>(i32(g), 2, 3) * SHIFT - vec3<i32>(1)).x)",
        |g| 7.0 * g - 1.0,
    );
    is(
        "f32((vec3<i32>(1, 2, i32(g)) << vec3<u32>(0u, 1u, 2u)).z)",
        |g| 4.0 * g,
    );
    is("f32((-vec2<i32>(1, i32(g))).y)", |g| -g);
    is("f32((~vec2<i32>(1, i32(g))).y)", |g| -g - 1.0);
    is(
        "select(vec2<f32>(1.0, 2.0), vec2<f32>(f), vec2<bool>(true, t < 4u)).y",
        |g| if lane(g) < 4.0 { g } else { 2.0 },
    );
    is("select(vec2<f32>(1.0, 2.0), vec2<f32>(f), t < 4u).y", |g| {
        if lane(g) < 4.0 { g } else { 2.0 }
    });
    is(
        "f32(select(vec2<i32>(1, 2), vec2<i32>(i32(g)), vec2<bool>(true, t < 4u)).y)",
        |g| if lane(g) < 4.0 { g } else { 2.0 },
    );
    is("f32(any(vec2<bool>((t < 2u), (t > 5u))))", |g| {
        f64::from(u8::from(!(2.0..=5.0).contains(&lane(g))))
    });
    is("f32(all(vec2<bool>((t > 2u), (t < 5u))))", |g| {
        f64::from(u8::from((3.0..5.0).contains(&lane(g))))
    });
    is("f32(!(t < 3u)) + f32((t < 3u) == (t < 5u))", |g| {
        f64::from(u8::from(lane(g) >= 3.0)) + f64::from(u8::from(!(3.0..5.0).contains(&lane(g))))
    });
    is(
        "f32(abs(-i32(g)) + sign(i32(g) - 4) * 100 + min(i32(g), 3) + max(i32(g), 9) + clamp(i32(g), 2, 4))",
        |g| g + 100.0 * (g - 4.0).clamp(-1.0, 1.0) + g.min(3.0) + g.max(9.0) + g.clamp(2.0, 4.0),
    );
    is("f32(min(vec2<i32>(9, i32(g)), vec2<i32>(3)).y)", |g| {
        g.min(3.0)
    });
    is("f32(vec2<i32>(vec2<f32>(0.5, f + 0.75)).y)", |g| g);
    is("vec2<f32>(vec2<u32>(3u, g)).y", |g| g);
    is("f32(bool(f - 3.0)) + f32(bool(i32(g) - 4))", |g| {
        2.0 - f64::from(u8::from(g == 3.0)) - f64::from(u8::from(g == 4.0))
    });
    is("f32(i32(f * 1e9 - 4e9)) + f32(u32(2.0 - f))", |g| {
        (g * 1e9 - 4e9).clamp(-2147483648.0, 2147483647.0) + (2.0 - g).max(0.0)
    });
    is("f32(u32(i32(g) - 3) >> 31u)", |g| {
        f64::from(u8::from(g < 3.0))
    });
    stops(
        "y[g] = vec3<f32>(f)[t % 4u];",
        "component 3 of a vector of 3",
    );
    stops(
        "y[g] = f32(vec3<u32>(g)[t]);",
        "component 3 of a vector of 3",
    );
}
