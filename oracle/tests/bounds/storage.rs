//! Storing and casting: one spacing where the type cannot hold the result, and its edges.

use kforge_oracle::*;

use crate::{Pair, TINY, U, X, Y, eval, f32t, same, tensor};

fn cast(from: DType, x: Pair, to: DType) -> Pair {
    let y = eval(&[tensor(from, &[1], &[x])], Op::Cast { x: X }, to, &[1]);
    (y.value[0], y.bound[0])
}

#[test]
fn half_precision_may_round_either_way() {
    // Value and error, and the distance of neighbours at the far end of the interval.
    for (dtype, cases) in [
        (
            DType::F16,
            [
                (2049.0, 0.0, 2.0),
                (1.0, 0.25, 0.0009765625),
                (-1.0, 0.25, 0.0009765625),
                (1.75, 0.25, 0.001953125),
                (2047.5, 0.25, 1.0),
                (-2047.5, 0.75, 2.0),
            ],
        ),
        (
            DType::Bf16,
            [
                (257.0, 0.0, 2.0),
                (1.0, 0.25, 0.0078125),
                (-1.0, 0.25, 0.0078125),
                (1.75, 0.25, 0.015625),
                (255.5, 0.25, 1.0),
                (-255.5, 0.75, 2.0),
            ],
        ),
    ] {
        for (x, d, spacing) in cases {
            let got = cast(DType::F32, (x, d), dtype);
            assert_eq!(got, (x, d + spacing), "{dtype:?} {x} {d}");
        }
        assert_eq!(cast(DType::F32, (1.5, 0.0), dtype).1, 0.0);
    }
}

#[test]
fn what_may_be_flushed_is_the_smallest_normal_number() {
    let least = 6.103515625e-5;
    let to_half = |x: f64, d: f64| cast(DType::F32, (x, d), DType::F16).1;
    let spacing = least / 1024.0;
    // A number below the normal range is all lost, twice over where it was rounded there.
    assert_eq!(to_half(0.0, 0.0), 0.0);
    assert_eq!(to_half(least / 2.0, 0.0), least);
    assert_eq!(to_half(least, 0.0), 0.0);
    same(to_half(least * 0.75, least * 0.125), least * 2.125, "below");
    same(
        to_half(least * 1.5, least * 0.5),
        least * 0.5 + 2.0 * spacing,
        "at it",
    );
    same(
        to_half(least * 1.25, least * 0.5),
        least * 1.5 + spacing,
        "across",
    );
    same(
        to_half(-least * 1.25, least * 0.5),
        least * 1.5 + spacing,
        "across",
    );
}

#[test]
fn beyond_the_range_a_known_overflow_keeps_its_value() {
    let to_half = |x: f64, d: f64| cast(DType::F32, (x, d), DType::F16);
    assert_eq!(to_half(65504.0, 0.0), (65504.0, 0.0));
    assert_eq!(to_half(66000.0, 0.0), (66000.0, f64::INFINITY));
    assert_eq!(to_half(66000.0, 495.0), (66000.0, f64::INFINITY));
    assert_eq!(to_half(-66000.0, 495.0), (-66000.0, f64::INFINITY));
    for (x, d) in [(66000.0, 496.0), (66000.0, 500.0), (-66000.0, 496.0)] {
        let (y, bound) = to_half(x, d);
        assert!(y.is_nan() && bound == f64::INFINITY, "{x} {d}");
    }
    // Nothing known of the error is nothing known of the element.
    assert_eq!(to_half(1.0, f64::INFINITY).1, f64::INFINITY);
    // A mask's infinity without error is a value like another; with one it is not.
    assert_eq!(to_half(f64::INFINITY, 0.0), (f64::INFINITY, 0.0));
    assert_eq!(to_half(f64::NEG_INFINITY, 0.0), (f64::NEG_INFINITY, 0.0));
    assert_eq!(to_half(f64::INFINITY, 1.0).1, f64::INFINITY);
}

#[test]
fn a_result_without_an_error_is_stored_all_the_same() {
    let op = Op::Unary {
        x: X,
        kind: UnaryKind::Floor,
    };
    let floor = |x: f64| {
        let y = eval(&[f32t(&[1], &[(x, 0.25)])], op.clone(), DType::F32, &[1]);
        (y.value[0], y.bound[0])
    };
    // Between integers nothing jumps, but f32 holds even numbers alone from 2^24 on.
    assert_eq!(floor(16777217.5), (16777217.0, 2.0));
    assert_eq!(floor(16777218.5), (16777218.0, 0.0));
}

#[test]
fn casts_between_kinds() {
    // Through f32, as kernels do.
    let large = 16777217.0;
    same(
        cast(DType::I32, (large, 0.0), DType::F32).1,
        U * large,
        "i32",
    );
    same(
        cast(DType::I64, (large, 0.0), DType::F32).1,
        U * large,
        "i64",
    );
    assert_eq!(cast(DType::I32, (16777216.0, 0.0), DType::F32).1, 0.0);
    let (_, bound) = cast(DType::I32, (4097.0, 0.0), DType::F16);
    assert_eq!(bound, 4.0);
    assert_eq!(cast(DType::I32, (3.0, 0.0), DType::F16), (3.0, 0.0));
    // Half precision is held by f32 exactly, errors included.
    assert_eq!(cast(DType::F16, (1.5, 0.25), DType::F32), (1.5, 0.25));
    assert_eq!(cast(DType::F16, (1.1, 0.25), DType::F32), (1.1, 0.25));
    assert_eq!(cast(DType::I32, (5.0, 0.0), DType::Bool), (1.0, 0.0));
    assert_eq!(cast(DType::I32, (6.0, 0.0), DType::Bool), (0.0, 0.0));
    assert_eq!(cast(DType::Bool, (1.0, 1.0), DType::I32), (1.0, 1.0));
}

#[test]
fn casts_to_integers_jump_and_have_a_range() {
    let whole = |x: f64, d: f64| cast(DType::F32, (x, d), DType::I32);
    // Truncation: the interval's ends by hand.
    for (x, d, value, bound) in [
        (2.75, 0.0, 2.0, 0.0),
        (2.75, 0.5, 2.0, 1.0),
        (2.25, 0.5, 2.0, 1.0),
        (2.5, 0.25, 2.0, 0.0),
        (-2.75, 0.5, -2.0, 1.0),
        (5.25, 2.5, 5.0, 3.0),
        (5.75, 2.5, 5.0, 3.0),
        (0.25, 0.75, 0.0, 1.0),
    ] {
        assert_eq!(whole(x, d), (value, bound), "{x} {d}");
    }
    // The range's own end is inside it; beyond it the cast is poison.
    let top = f64::from(i32::MAX);
    let near = top - 127.0;
    assert_eq!(whole(near, 127.0).1, 127.0);
    assert_eq!(whole(near, 128.0).1, f64::INFINITY);
    assert_eq!(whole(-near, 128.0).1, f64::INFINITY);
    assert_eq!(whole(3e9, 0.0), (3e9, f64::INFINITY));
}

#[test]
fn subnormal_inputs_may_be_read_as_zero() {
    let op = Op::Binary {
        a: X,
        b: Y,
        kind: BinaryKind::Maximum,
    };
    let read = |x: f64, d: f64| {
        let inputs = [f32t(&[1], &[(x, d)]), f32t(&[1], &[(-1.0, 0.0)])];
        eval(&inputs, op.clone(), DType::F32, &[1]).bound[0]
    };
    let half = TINY / 2.0;
    // The error of reading it, and once more for the result's own flush.
    same(read(half, 0.0), half + TINY, "subnormal");
    same(read(-half, 0.0), half + TINY, "subnormal");
    same(read(half, TINY), TINY + TINY, "its own bound is larger");
    assert_eq!(read(TINY, 0.0), 0.0);
}
