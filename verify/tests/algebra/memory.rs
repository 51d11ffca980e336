//! What the interpreter sees of memory, barriers and subgroups.

use kforge_oracle::{BinaryKind, Op, ReduceKind};
use kforge_verify::algebra::Algebra;

use crate::unit::{Case, bindings, value};

fn sum() -> (Case, String) {
    let op = Op::Binary {
        a: value(0),
        b: value(1),
        kind: BinaryKind::Add,
    };
    let text = bindings(&["a", "b"])
        + "
@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < 40u { y[i] = a[i] + b[i]; }
}";
    let row: &[usize] = &[40];
    (Case::new(&[("a", row), ("b", row)], op, row, 3), text)
}

#[test]
fn bounds_and_writes() {
    let (case, text) = sum();
    case.accepts(&text);
    case.refuses(
        &text,
        "i < 40u",
        "i < 41u",
        "writes element 40 of 'y', which has 40",
    );
    case.refuses(
        &text,
        "i < 40u",
        "i < 39u",
        "element [39] was never written",
    );
    case.refuses(&text, "a[i] +", "a[i + 1u] +", "modulo p");
    case.refuses(&text, "y[i] =", "y[i / 2u] =", "touches as well");
    case.refuses(&text, "y[i] = a", "y[i] = y[i] + a", "nothing has written");
    // A read beyond the end that no result depends on is none of algebra's business.
    case.accepts(&text.replace("a[i] +", "select(a[i + 1000u], a[i], i < 40u) +"));
    case.refuses(
        &text,
        "a[i] +",
        "a[i + 1000u] +",
        "reads element 1000 of 'a', which has 40",
    );
    // An index that is a float on the way.
    case.accepts(&text.replace("a[i] +", "a[u32(f32(i))] +"));
    case.accepts(&text.replace("a[i] +", "a[u32(f32(i) + 0.75)] +"));
    // Every invocation writes the same value: no result is wrong, but it is a race.
    let all = "if i < 40u { for (var j = 0u; j < 40u; j++) { y[j] = a[j] + b[j]; } }";
    case.leaves_open(
        &text,
        "if i < 40u { y[i] = a[i] + b[i]; }",
        all,
        "write one value",
    );
}

#[test]
fn barriers_must_be_reached_by_all() {
    let (case, text) = sum();
    // Not uniform: naga's validator lets it pass.
    let barrier = "if i % 2u == 0u { workgroupBarrier(); } if i < 40u";
    match case.judge(&text.replace("if i < 40u", barrier)) {
        Algebra::Refused(why) => assert!(why.contains("8 of 16 invocations"), "{why}"),
        // A validator that knows better.
        Algebra::Open(why) => assert!(why.contains("validator"), "{why}"),
        found => panic!("{found:?}"),
    }
}

#[test]
fn subgroups_of_a_known_size() {
    let op = Op::Reduce {
        x: value(0),
        init: None,
        kind: ReduceKind::Add,
        axes: vec![1],
    };
    let text = bindings(&["x"])
        + "
@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) row: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32, @builtin(subgroup_id) group: u32) {
    let total = subgroupAdd(x[row.x * 32u + id.x]);
    let other = subgroupShuffleXor(total, 0u);
    if lane == 0u && group == 0u { y[row.x] = other; }
}";
    let mut case = Case::new(&[("x", &[3, 32])], op, &[3], 3);
    match case.judge(&text) {
        Algebra::Open(why) => assert!(why.contains("no subgroup size"), "{why}"),
        found => panic!("{found:?}"),
    }
    case.subgroup = 32;
    case.accepts(&text);
    case.subgroup = 16;
    let found = case.judge(&text);
    assert!(matches!(found, Algebra::Refused(_)), "{found:?}");
}

#[test]
fn what_is_not_interpreted_is_left_open() {
    let (case, text) = sum();
    case.leaves_open(
        &text,
        "a[i] + b",
        "bitcast<f32>(bitcast<u32>(a[i])) + b",
        "bits of floats",
    );
    case.leaves_open(
        &text,
        "y[i] = a",
        "y[i] = determinant(mat2x2<f32>(a[i], 0.0, 0.0, 1.0)) + a",
        "",
    );
    case.leaves_open(&text, "fn main(", "fn mine(", "no entry point");
    case.leaves_open(
        &text,
        "let i = id.x;",
        "let i = id.x",
        "naga does not read it",
    );
}

#[test]
fn work_is_bounded() {
    let (case, text) = sum();
    let endless = "loop { if i > 4000000000u { break; } } if i < 40u";
    match case.judge(&text.replace("if i < 40u", endless)) {
        Algebra::TooLarge(why) => assert!(why.contains("operations"), "{why}"),
        found => panic!("{found:?}"),
    }
}
