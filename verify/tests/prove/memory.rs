//! Memory of every kind, and what is read from it.

use crate::{
    forms::{Both, Symbols, bad, exactly, form, kernel, neither},
    launch,
};

#[test]
fn vectors_matrices_and_structures_in_memory() {
    let vectors = "@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;";
    form(Both, vectors, "y[own] = vec4<f32>(0.0);", 256);
    form(
        Both,
        vectors,
        "y[own].z = 0.0; y[own][g.x % 4u] = 1.0;",
        256,
    );
    // Who writes a component may write all of the vector.
    bad(vectors, "y[own / 4u][own % 4u] = 0.0;");
    bad(vectors, "y[own][g.x % 5u] = 0.0;");
    let matrices = "@group(0) @binding(0) var<storage, read_write> y: array<mat2x3<f32>>;";
    form(
        Both,
        matrices,
        "y[own][g.x % 2u] = vec3<f32>(0.0); y[own][1][2] = 0.0;",
        64 * 8,
    );
    bad(matrices, "y[own / 2u][own % 2u] = vec3<f32>(0.0);");
    bad(matrices, "y[own][g.x % 3u] = vec3<f32>(0.0);");
    let small = "@group(0) @binding(0) var<storage, read_write> y: array<mat4x2<f32>>;";
    form(
        Both,
        small,
        "for (var k = 0u; k < 4u; k++) { y[own][k] = vec2<f32>(0.0); }",
        64 * 8,
    );
    let structures = "struct Item { a: f32, b: vec2<f32>, c: array<f32, 3> }
        @group(0) @binding(0) var<storage, read_write> y: array<Item>;";
    form(
        Both,
        structures,
        "y[own].a = 0.0; y[own].b.y = 1.0; y[own].c[g.x % 3u] = 2.0;",
        64 * 8,
    );
    bad(structures, "y[own].c[g.x % 4u] = 2.0;");
    bad(
        structures,
        "y[own / 2u].c[own % 2u] = 0.0; y[own / 2u].c[1] = 0.0;",
    );
    let header = "struct Rows { n: u32, rest: array<vec2<f32>> }
        @group(0) @binding(0) var<storage, read_write> y: Rows;";
    form(Both, header, "y.rest[own] = vec2<f32>(0.0);", 2 + 128);
    // What is in front of such an array has its place in the buffer as well.
    let head = "struct Rows { n: vec4<f32>, rest: array<f32> }
        @group(0) @binding(0) var<storage, read_write> y: Rows;";
    form(Both, head, "if own == 0u { y.n = vec4<f32>(0.0); }", 4);
    form(Both, head, "if own == 0u { y.n.x = 0.0; }", 4);
    let fixed = "@group(0) @binding(0) var<storage, read_write> y: array<array<f32, 16>, 4>;";
    form(Both, fixed, "y[g.y][g.x] = 0.0;", 64);
    bad(fixed, "y[g.y][g.x + 1u] = 0.0;");
    bad(fixed, "y[g.y + 1u][g.x] = 0.0;");
    let atomics = "@group(0) @binding(0) var<storage, read_write> y: array<atomic<u32>>;";
    form(
        Both,
        atomics,
        "atomicAdd(&y[own % 7u], 1u); atomicStore(&y[8], atomicLoad(&y[own % 9u]));",
        9,
    );
}

#[test]
fn locals_and_values_with_indices() {
    form(
        Both,
        "",
        "var a: array<u32, 16>; a[g.x] = 1u; y[own] = f32(a[15u - g.x]);",
        64,
    );
    bad("", "var a: array<u32, 15>; a[g.x] = 1u; y[own] = 0.0;");
    bad("", "var a: array<u32, 16>; y[own] = f32(a[g.x + 1u]);");
    form(
        Both,
        "",
        "let v = vec2<f32>(1.0, 2.0); y[own] = v[g.x / 8u];",
        64,
    );
    bad("", "let v = vec2<f32>(1.0, 2.0); y[own] = v[g.x / 5u];");
    form(
        Both,
        "",
        "let m = mat3x2<f32>(); y[own] = m[g.x / 6u].y;",
        64,
    );
    bad("", "let m = mat3x2<f32>(); y[own] = m[g.x / 5u].y;");
    form(
        Both,
        "",
        "let a = array<f32, 4>(1.0, 2.0, 3.0, 4.0); y[own] = a[g.y];",
        64,
    );
    bad("", "let a = array<f32, 3>(1.0, 2.0, 3.0); y[own] = a[g.y];");
    // A local of which one part is stored to is not known any more.
    neither(
        &kernel("", "var v = g; v.x = 0u; y[v.x] = 0.0;"),
        &launch([2, 2, 1], &[4]),
    );
    form(
        Both,
        "var<private> p: array<f32, 16>;",
        "p[g.x] = 1.0; y[own] = p[15u - g.x];",
        64,
    );
    bad("var<private> p: array<f32, 16>;", "p[g.x + 1u] = 1.0;");
    // A function that only computes may still leave an array of its own.
    let within = "fn pick(i: u32) -> u32 { var a: array<u32, 16>; return a[i]; }";
    form(Both, within, "y[own] = f32(pick(g.x));", 64);
    bad(within, "y[own] = f32(pick(g.x + 1u));");
}

#[test]
fn what_data_decides() {
    let data = "@group(0) @binding(1) var<storage, read> x: array<f32>;";
    let with = |by, body: &str, words: u64| {
        exactly(
            by,
            &kernel(data, body),
            &launch([2, 2, 1], &[4 * words, 256]),
        );
    };
    let not = |body: &str| neither(&kernel(data, body), &launch([2, 2, 1], &[1 << 16, 256]));
    with(
        Both,
        "var s = 0.0; if x[own] > 0.5 { s = 1.0; } y[own] = s;",
        64,
    );
    with(
        Both,
        "var s = 1u; if x[own] > 0.5 { s = s + 1u; } else { { s = s * 3u; } } y[own] = f32(s);",
        64,
    );
    not("var s = own; if x[own] > 0.5 { s = s + 1u; } y[s] = 0.0;");
    with(Symbols, "if x[own] > 0.5 { y[own] = 1.0; }", 64);
    not("if x[own] > 0.5 { y[own / 2u] = 1.0; }");
    not("if x[own] > 0.5 { workgroupBarrier(); } y[own] = 0.0;");
    not("y[own + u32(x[own])] = 1.0;");
    not("if x[own] > 0.5 { return; } workgroupBarrier(); y[own] = 0.0;");
    // Whatever a branch of data does that others may notice.
    for inner in [
        "y[0] = 1.0;",
        "y[0] = 1.0; s = 1u;",
        "{ return; }",
        "for (var i = 0u; i < 2u; i++) { if i == 1u { return; } }",
        "loop { if s < 9u { return; } break; }",
        "switch own { case 3u: { return; } default: {} }",
        "switch own { case 3u: { s = 90000u; } default: {} }",
        "{ if own > 3u { s = 90000u; } }",
        "for (var i = 0u; i < 2u; i++) { s = 90000u; }",
        "s = u32(y[7]) * 0u;",
        "a[own] = 1u;",
        "s = a[own];",
        "s = touched(own < 9u);",
    ] {
        let globals = format!(
            "{data} fn touched(first: bool) -> u32 {{ if first {{ y[7] = 1.0; }} return 1u; }}"
        );
        let body = format!(
            "var s = 0u; var a: array<u32, 4>; if x[own] > 0.5 {{ {inner} }} workgroupBarrier(); y[own + s] = 0.0;"
        );
        neither(
            &kernel(&globals, &body),
            &launch([2, 2, 1], &[1 << 16, 256]),
        );
    }
    with(Both, "y[own] = x[63u - own];", 64);
    not("y[own] = x[63u - own]; y[63u - own] = 0.0;");
}
