//! Products of matrices that subgroups hold.

use super::{Cell, Stop, buffer, run};

/// Two subgroups, each with an 8 by 16 by 8 product of its own; b is bound as vectors.
fn product(edit: impl Fn(String) -> String) -> Result<Vec<f64>, Stop> {
    let text = "enable wgpu_cooperative_matrix;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
var<workgroup> held: array<f32, 128>;
@compute @workgroup_size(8)
fn main(@builtin(subgroup_id) s: u32, @builtin(local_invocation_index) t: u32) {
    var c = coop_mat8x8<f32,C>();
    for (var k = 0u; k < 16u; k += 8u) {
        let m = coopLoadT<coop_mat8x8<f32,A>>(&a[s * 128u + k], 16u);
        let n = coopLoadT<coop_mat8x8<f32,B>>(&b[k * 2u], 2u);
        c = coopMultiplyAdd(m, n, c);
    }
    coopStoreT(c * 0.5, &held[s * 64u], 8u);
    workgroupBarrier();
    for (var i = t; i < 128u; i += 8u) { y[i] = held[i]; }
}";
    let numbers = |count: usize, step: usize| {
        let number = |it: usize| Cell::Float(((it * step) % 13) as f64 - 4.0);
        buffer((0..count).map(number).collect())
    };
    let mut buffers = [
        numbers(256, 5),
        numbers(128, 7),
        buffer(vec![Cell::Unwritten; 128]),
    ];
    run(&edit(text.to_owned()), [1, 1, 1], &mut buffers)?;
    let float = |cell: &Cell<f64>| match cell {
        Cell::Float(value) => *value,
        _ => f64::NAN,
    };
    Ok(buffers[2].cells.iter().map(float).collect())
}

/// The same in plain loops; `lies` gives the place of row and column in y.
fn expected(lies: impl Fn(usize, usize) -> usize) -> Vec<f64> {
    let number = |it: usize, step: usize| ((it * step) % 13) as f64 - 4.0;
    let mut all = vec![0.0; 128];
    for s in 0..2 {
        for row in 0..8 {
            for column in 0..8 {
                let term = |k: usize| number(s * 128 + row * 16 + k, 5) * number(k * 8 + column, 7);
                all[s * 64 + lies(row, column)] = (0..16).map(term).sum::<f64>() * 0.5;
            }
        }
    }
    all
}

#[test]
fn products_are_those_of_plain_loops() {
    assert_eq!(
        product(|text| text).unwrap(),
        expected(|row, column| row * 8 + column)
    );
    // By columns.
    let turned = product(|text| text.replace("coopStoreT", "coopStore")).unwrap();
    assert_eq!(turned, expected(|row, column| column * 8 + row));
}

#[test]
fn what_matrices_meet_is_refused() {
    for (from, to, words) in [
        ("s * 64u", "s * 56u", "with no barrier between"),
        (
            "s * 64u",
            "s * 65u",
            "writes element 128 of 'held', which has 128",
        ),
        ("workgroupBarrier();", "", "with no barrier between"),
        (
            "s * 64u]",
            "s * 64u + t % 2u]",
            "at another place than its subgroup",
        ),
        (
            "coopStoreT(c * 0.5, &held[s * 64u], 8u)",
            "let half = c * 0.5; let at = &held[s * 64u]; let wide = 8u + t % 2u; coopStoreT(half, at, wide)",
            "at another place than its subgroup",
        ),
    ] {
        match product(|text| text.replace(from, to)) {
            Err(Stop::Refused(what)) if what.contains(words) => {}
            other => panic!("{from} -> {to}: {other:?}"),
        }
    }
    // naga evaluates this stride behind the store.
    match product(|text| text.replace("64u], 8u", "64u], 8u + t % 1u")) {
        Err(Stop::Unsupported(what)) if what.contains("has no value yet") => {}
        other => panic!("{other:?}"),
    }
    // What is read beyond the end is no number.
    let beyond = product(|text| text.replace("s * 128u + k", "s * 128u + k + 1u")).unwrap();
    assert!(beyond[127].is_nan() && !beyond[0].is_nan());
}
