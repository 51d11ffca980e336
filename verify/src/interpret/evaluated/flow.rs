//! Memory, control flow, functions and subgroups.

use super::forms::{body, is, lane, stops};

#[test]
fn places_in_memory() {
    is("x[15u - g]", |g| 15.0 - g);
    is("rows.rest[t] + rows.head.y * 100.0 + rows.head[0]", |g| {
        lane(g) + 2.0 + 100.0
    });
    is("f32(arrayLength(&x)) + f", |g| 16.0 + g);
    is("f32(arrayLength(&rows.rest)) + f", |g| 10.0 + g);
    is("f32(arrayLength(&four)) + f", |g| 16.0 + g);
    is("four[g].z + 1000.0 * four[g][t % 4u]", |g| {
        4.0 * g + 2.0 + 1000.0 * (4.0 * g + lane(g) % 4.0)
    });
    is("dot(four[g], vec4<f32>(1.0, 0.0, 0.0, 2.0))", |g| {
        12.0 * g + 6.0
    });
    is("f32(sizes.a) + f32(sizes.b) * 10.0 + sizes.c * f", |g| {
        65.0 + 1.5 * g
    });
    is(
        "f32(at.x + at.y * 100u + l.x * 1000u + count.x * 10000u)",
        |g| {
            let (w, t) = ((g / 8.0).floor(), lane(g));
            w * 4.0 + t % 4.0 + 100.0 * (t / 4.0).floor() + 1000.0 * (t % 4.0) + 20000.0
        },
    );
    body(
        "s[l.y][l.x] = f; s[l.y][7u - l.x] = -f; workgroupBarrier(); y[g] = s[1u - l.y][3u - l.x] + s[l.y][7u - l.x];",
        |g| {
            let (w, t) = ((g / 8.0).floor(), lane(g));
            w * 8.0 + (7.0 - t) - g
        },
    );
    body(
        "v[t].x = f; v[t][1] = 2.0; workgroupBarrier(); let o = v[7u - t]; y[g] = o.x * o.y;",
        |g| 2.0 * (8.0 * (g / 8.0).floor() + 7.0 - lane(g)),
    );
    body(
        "k[t] = i32(g); workgroupBarrier(); y[g] = f32(k[7u - t]) + s[1][t];",
        |g| 8.0 * (g / 8.0).floor() + 7.0 - lane(g),
    );
    body(
        "var own: array<f32, 3>; own[t % 3u] = f; y[g] = own[0] + 10.0 * own[1] + 100.0 * own[2];",
        |g| g * [1.0, 10.0, 100.0][lane(g) as usize % 3],
    );
    body(
        "var a: array<i32, 4>; a[t % 4u] = i32(g); y[g] = f32(a[0] + 10 * a[3]);",
        |g| g * [1.0, 0.0, 0.0, 10.0][lane(g) as usize % 4],
    );
    body(
        "var b = vec3<f32>(1.0, 2.0, 3.0); b[t % 3u] = f; var c = b; c.x += 1.0; y[g] = c.x + 10.0 * c.y + 100.0 * c.z;",
        |g| {
            let mut b = [1.0, 2.0, 3.0];
            b[lane(g) as usize % 3] = g;
            b[0] + 1.0 + 10.0 * b[1] + 100.0 * b[2]
        },
    );
    body("let z = Sizes(); y[g] = f;", |g| g);
    body(
        "var b = t > 3u; var c: bool; if b { c = true; } y[g] = f32(b) + f32(c);",
        |g| 2.0 * f64::from(u8::from(lane(g) > 3.0)),
    );
    for (wrong, words) in [
        ("y[g + 1u] = f;", "writes element 16 of 'y', which has 16"),
        (
            "var own: array<f32, 3>; own[t] = f; y[g] = own[0];",
            "outside",
        ),
        ("s[l.y * 2u][l.x] = f;", "outside"),
        ("s[0][t + 1u] = f;", "outside"),
        ("y[g / 2u] = f;", "with no barrier between"),
        ("y[t] = f;", "of workgroup 0"),
        (
            "s[0][t] = f; y[g] = s[0][7u - t];",
            "with no barrier between",
        ),
        (
            "y[g] = s[0][t]; s[0][7u - t] = f;",
            "with no barrier between",
        ),
        (
            "s[0][t] = f; storageBarrier(); y[g] = s[0][7u - t];",
            "with no barrier between",
        ),
        (
            "if t < 5u { workgroupBarrier(); } y[g] = f;",
            "5 of 8 invocations",
        ),
    ] {
        stops(wrong, words);
    }
}

#[test]
fn control_flow_and_functions() {
    body(
        "y[g] = twice(f) + twice(f + 8.0);",
        |g| if g > 3.0 { 2.0 * g } else { 2.0 * g + 100.0 } + 2.0 * (g + 8.0),
    );
    is("sum(vec3<f32>(f, 1.0, 2.0)).z", |g| g + 3.0);
    is("f32(half(i32(g)))", |g| {
        let mut b = g as i32;
        while b >= 4 {
            b /= 2;
        }
        f64::from(b)
    });
    body(
        "var a = 0.0; for (var i = 0u; i < t; i++) { if i == 2u { continue; } if i == 6u { break; } a += f32(i); } y[g] = a;",
        |g| {
            (0..lane(g) as u32)
                .filter(|i| *i != 2)
                .take_while(|i| *i < 6)
                .map(f64::from)
                .sum()
        },
    );
    body(
        "var a = 0; loop { a += 2; continuing { a += 1; break if a > i32(t); } } y[g] = f32(a);",
        |g| {
            let mut a = 3.0;
            while a <= lane(g) {
                a += 3.0;
            }
            a
        },
    );
    body(
        "var a = 0.0; switch i32(t) { case 0, 3: { a = 1.0; } case 4: { if g > 8u { break; } a = 5.0; } default: { a = 9.0; } } y[g] = a;",
        |g| match lane(g) as u32 {
            0 | 3 => 1.0,
            4 if g > 8.0 => 0.0,
            4 => 5.0,
            _ => 9.0,
        },
    );
    body(
        "var a = 0.0; for (var i = 0; i < 4; i++) { switch i { case 1: { continue; } default: {} } a += f32(i) + f; } y[g] = a;",
        |g| 5.0 + 3.0 * g,
    );
    body(
        "if t < 3u { y[g] = 1.0; return; } if t > 5u { y[g] = 2.0; } else { y[g] = 3.0; }",
        |g| match lane(g) as u32 {
            0..3 => 1.0,
            6.. => 2.0,
            _ => 3.0,
        },
    );
    body(
        "if t < 3u && f > 1.0 || t == 7u { y[g] = 1.0; } else { y[g] = 0.0; }",
        |g| f64::from(u8::from(lane(g) < 3.0 && g > 1.0 || lane(g) == 7.0)),
    );
}

#[test]
fn who_touched_what_before() {
    for wrong in [
        "let a = s[0][0]; if t == 7u { s[0][0] = a + 1.0; } y[g] = a;",
        "let a = s[0][0]; if t == 0u { s[0][0] = a + 1.0; } y[g] = a;",
        "let a = y[15]; if g == 15u { y[15] = a; }",
        "let a = y[15]; if g == 8u { y[15] = a; }",
        // Those of the other workgroup are not ordered by a barrier of this one.
        "let a = y[15]; storageBarrier(); if g == 15u { y[15] = a; }",
        "if g == 0u { y[15] = 1.0; } storageBarrier(); if g == 15u { y[15] = 2.0; }",
        "k[0] = i32(t); y[g] = f;",
        "s[0][0] = f; y[g] = f;",
    ] {
        stops(wrong, "as well");
    }
    // One value by several is a race, and none that makes a value wrong.
    body("k[0] = 3; workgroupBarrier(); y[g] = f32(k[0]);", |_| 3.0);
    body("s[0][0] = 3.0; workgroupBarrier(); y[g] = s[0][0];", |_| {
        3.0
    });
    body(
        "let a = s[0][1]; workgroupBarrier(); if t == 7u { s[0][1] = f; } workgroupBarrier(); y[g] = s[0][1] + a;",
        |g| 8.0 * (g / 8.0).floor() + 7.0,
    );
    body(
        "if t == 3u { k[0] = i32(g); } workgroupBarrier(); let a = workgroupUniformLoad(&k[0]); y[g] = f32(a);",
        |g| 8.0 * (g / 8.0).floor() + 3.0,
    );
}

#[test]
fn other_widths_and_axes() {
    is("f32((i64(g) * 4294967296li) / 2147483648li)", |g| 2.0 * g);
    is("f32((u64(g) * 4294967296lu) / 2147483648lu)", |g| 2.0 * g);
    is("f32((0lu - 1lu) / (u64(g) + 2lu))", |g| {
        (u64::MAX / (g as u64 + 2)) as f64
    });
    is("f32((i64(g) - 9li) >> 1u)", |g| ((g - 9.0) / 2.0).floor());
    is("f32((i64(g) - 9li) / 2li)", |g| ((g - 9.0) / 2.0).trunc());
    is("f32((u64(g) << 33u) >> 34u)", |g| (g / 2.0).floor());
    is("f32((i64(g) << 33u) >> 34u)", |g| (g / 2.0).floor());
    is("f32(0lu - u64(g + 1u) > 5lu)", |_| 1.0);
    is("f32((0lu - u64(g + 1u)) >> 63u)", |_| 1.0);
    is("f32((0lu - 1lu) % (u64(g) + 2lu))", |g| {
        (u64::MAX % (g as u64 + 2)) as f64
    });
    is("f32(l.x + 10u * l.y + 100u * l.z)", |g| {
        let t = lane(g) as u32;
        f64::from(t % 2 + 10 * (t / 2 % 2) + 100 * (t / 4))
    });
    is("f32(pick(i32(g)))", |g| if g > 3.0 { g } else { 2.0 });
    body(
        "var a = 0.0; switch t { case 2u: { a = 1.0; } case 5u, 6u: { a = 2.0; } default: { a = 3.0; } } y[g] = a;",
        |g| match lane(g) as u32 {
            2 => 1.0,
            5 | 6 => 2.0,
            _ => 3.0,
        },
    );
}

#[test]
fn subgroups_of_four() {
    let first = |g: f64| (g / 4.0).floor() * 4.0;
    is(
        "f32(group * 100u + lane * 10u + size * 1000u + groups * 10000u)",
        |g| 100.0 * (lane(g) / 4.0).floor() + 10.0 * (g % 4.0) + 24000.0,
    );
    is(
        "subgroupAdd(f) + subgroupMax(f) * 100.0 + subgroupMin(f) * 10000.0",
        |g| 4.0 * first(g) + 6.0 + 100.0 * (first(g) + 3.0) + 10000.0 * first(g),
    );
    is("subgroupMul(f + 1.0)", |g| {
        (1..5).map(|it| first(g) + f64::from(it)).product()
    });
    is("subgroupAdd(vec2<f32>(1.0, f)).y", |g| 4.0 * first(g) + 6.0);
    is(
        "f32(subgroupAdd(g) + subgroupMax(g) * 100u + subgroupMin(g) * 10000u)",
        |g| 4.0 * first(g) + 6.0 + 100.0 * (first(g) + 3.0) + 10000.0 * first(g),
    );
    is("f32(subgroupAdd(vec2<u32>(1u, g)).y)", |g| {
        4.0 * first(g) + 6.0
    });
    is("f32(subgroupMul(g + 1u))", |g| {
        (1..5).map(|it| first(g) + f64::from(it)).product()
    });
    is(
        "f32(subgroupAnd(g) + 100u * subgroupOr(g) + 10000u * subgroupXor(g * g))",
        |g| {
            let all: Vec<u32> = (0..4).map(|it| first(g) as u32 + it).collect();
            let and = all.iter().fold(u32::MAX, |a, b| a & b);
            let or = all.iter().fold(0, |a, b| a | b);
            let xor = all.iter().fold(0, |a, b| a ^ (b * b));
            f64::from(and + 100 * or + 10000 * xor)
        },
    );
    is(
        "f32(subgroupAll(t < 6u)) + 10.0 * f32(subgroupAny(t == 5u))",
        |g| if lane(g) < 4.0 { 1.0 } else { 10.0 },
    );
    is(
        "subgroupBroadcast(f, 2u) + 100.0 * subgroupBroadcastFirst(f)",
        |g| first(g) + 2.0 + 100.0 * first(g),
    );
    is(
        "subgroupShuffle(f, 3u - lane) + 100.0 * subgroupShuffleXor(f, 1u)",
        |g| 2.0 * first(g) + 3.0 - g + 100.0 * (first(g) + f64::from((g as u32 % 4) ^ 1)),
    );
    is("f32(subgroupShuffle(vec2<u32>(0u, g), 3u - lane).y)", |g| {
        2.0 * first(g) + 3.0 - g
    });
    is("subgroupShuffle(vec2<f32>(0.0, f), 3u - lane).y", |g| {
        2.0 * first(g) + 3.0 - g
    });
    is(
        "select(subgroupShuffleDown(f, 1u), 0.0, lane == 3u) + 100.0 * select(subgroupShuffleUp(f, 1u), 0.0, lane == 0u)",
        |g| {
            let within = g % 4.0;
            let down = if within < 3.0 { g + 1.0 } else { 0.0 };
            let up = if within > 0.0 { g - 1.0 } else { 0.0 };
            down + 100.0 * up
        },
    );
    stops(
        "y[g] = f32(subgroupShuffleDown(g, 1u));",
        "from outside the subgroup",
    );
    stops(
        "if t < 3u { y[g] = subgroupAdd(f); }",
        "3 of 4 invocations of a subgroup",
    );
}
