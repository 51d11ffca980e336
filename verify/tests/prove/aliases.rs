//! One buffer through two bindings, as elements of different sizes: an access to a part of a
//! vector or matrix may touch all of it, and no byte more.

use crate::{forms::proved, launch};
use kforge_verify::prove::Launch;

/// `z` begins at byte `from` of the buffer that `y` is.
fn one_buffer(bytes: [u64; 2], from: u64) -> Launch {
    let mut one = launch([1, 1, 1], &bytes);
    one.slots[1].buffer = 0;
    one.slots[1].offset = from;
    one
}

/// `t` is one of eight invocations.
fn kernel(y: &str, body: &str) -> String {
    format!(
        "struct Pair {{ a: f32, b: array<f32, 2> }}
struct Rows {{ n: f32, rest: array<f32, 63> }}
@group(0) @binding(0) var<storage, read_write> y: {y};
@group(0) @binding(1) var<storage, read_write> z: array<f32>;
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) t: u32) {{ {body} }}"
    )
}

/// While an invocation does `store`, another may read word `free` of `z`, and not word `taken`.
#[track_caller]
fn takes(y: &str, store: &str, taken: u32, free: u32) {
    let text = |word: u32| {
        let body = format!("if t == 0u {{ {store} }} if t == 1u {{ let seen = z[{word}]; }}");
        kernel(y, &body)
    };
    let launch = one_buffer([1024, 1024], 0);
    assert_eq!(proved(&text(free), &launch), (true, true), "{y} {store}");
    assert_eq!(proved(&text(taken), &launch), (false, false), "{y} {store}");
}

#[test]
fn a_component_may_touch_its_vector_and_a_column_its_matrix() {
    takes("array<vec4<f32>>", "y[0].x = 1.0;", 3, 4);
    takes("array<vec4<f32>>", "y[1].w = 1.0;", 4, 3);
    takes("array<vec2<f32>>", "y[1][t] = 1.0;", 3, 4);
    takes("array<mat4x4<f32>>", "y[0][0] = vec4<f32>(1.0);", 15, 16);
    takes("array<mat4x4<f32>>", "y[0][3][3] = 1.0;", 0, 16);
    takes("array<mat3x2<f32>>", "y[1][0].x = 1.0;", 11, 12);
    takes("array<mat2x3<f32>>", "y[1][0].x = 1.0;", 15, 16);
}

#[test]
fn elements_behind_a_field_lie_behind_it() {
    takes("Rows", "y.rest[1] = 1.0;", 2, 1);
    takes("Rows", "y.rest[3] = 1.0;", 4, 3);
    takes("array<Pair>", "y[2].b[1] = 1.0;", 8, 7);
}

#[test]
fn a_binding_lies_where_it_begins() {
    let text = kernel(
        "array<f32>",
        "if t == 0u { y[0] = 1.0; } if t == 1u { z[0] = 1.0; } if t == 2u { y[63] = 1.0; }",
    );
    for (from, right) in [(0, false), (128, true), (252, false), (256, true)] {
        let launch = one_buffer([256, 4], from);
        assert_eq!(proved(&text, &launch), (right, right), "{from}");
    }
}

#[test]
fn elements_of_different_sizes_overlap() {
    let rows = "array<array<f32, 4>>";
    let launch = one_buffer([1024, 1024], 0);
    for (place, right) in [
        ("y[t][1]", true),
        ("y[t + 1u][1]", false),
        ("y[t + 8u][1]", true),
    ] {
        let text = kernel(rows, &format!("{place} = 0.0; y[t] = array<f32, 4>();"));
        assert_eq!(proved(&text, &launch), (right, right), "{place}");
    }
    // Of size 8, and 12 bytes apart.
    let text = |far: u32| {
        let b = "b = array<f32, 2>();";
        kernel(
            "array<Pair>",
            &format!("if t < 3u {{ y[t + 1u].{b} y[t + {far}u].{b} }}"),
        )
    };
    assert_eq!(proved(&text(4), &launch), (true, true));
    assert_eq!(proved(&text(3), &launch), (false, false));
}
