//! The larger, the smaller, the chosen one: where errors may change the winner and where not.

use kforge_oracle::*;

use crate::{Pair, X, Y, Z, eval, f32t, one, tensor};

fn binary(kind: BinaryKind, a: Pair, b: Pair) -> Pair {
    one(&[a, b], Op::Binary { a: X, b: Y, kind })
}

#[test]
fn a_clear_winner_brings_its_own_error_alone() {
    for (largest, smallest) in [
        (BinaryKind::Maximum, BinaryKind::Minimum),
        (BinaryKind::Maxnum, BinaryKind::Minnum),
    ] {
        let (low, high) = ((1.0, 0.25), (3.0, 0.5));
        assert_eq!(binary(largest, low, high), high);
        assert_eq!(binary(largest, high, low), high);
        assert_eq!(binary(smallest, low, high), low);
        assert_eq!(binary(smallest, high, low), low);
        // Intervals that touch leave the winner open.
        let wide = (2.5, 1.25);
        assert_eq!(binary(largest, low, wide), wide);
        assert_eq!(binary(smallest, low, wide), (1.0, 1.25));
        assert_eq!(binary(smallest, (1.0, 0.5), (2.0, 0.25)), (1.0, 0.5));
        assert_eq!(binary(smallest, (1.0, 0.25), (2.0, 0.75)), (1.0, 0.75));
        assert_eq!(binary(largest, (2.0, 0.0), (2.0, 0.5)), (2.0, 0.5));
    }
}

#[test]
fn nan_is_kept_or_dropped_but_never_decided() {
    let nan = (f64::NAN, 0.0);
    for pair in [(nan, (1.0, 0.0)), ((1.0, 0.0), nan), (nan, nan)] {
        for kind in [BinaryKind::Maximum, BinaryKind::Minimum] {
            let (y, bound) = binary(kind, pair.0, pair.1);
            assert!(y.is_nan() && bound == f64::INFINITY);
        }
        for kind in [BinaryKind::Maxnum, BinaryKind::Minnum] {
            let (y, bound) = binary(kind, pair.0, pair.1);
            assert_eq!(bound, f64::INFINITY);
            assert!(y == 1.0 || pair.0.0.is_nan() && pair.1.0.is_nan());
        }
    }
}

fn compared(predicate: Predicate, nan: bool, a: Pair, b: Pair) -> Pair {
    let op = Op::Compare {
        a: X,
        b: Y,
        predicate,
        nan,
    };
    let y = eval(&[f32t(&[1], &[a]), f32t(&[1], &[b])], op, DType::Bool, &[1]);
    (y.value[0], y.bound[0])
}

#[test]
fn comparisons_are_open_where_the_intervals_touch() {
    use Predicate::*;
    // below, equal, above
    for (predicate, truth) in [
        (Eq, [0.0, 1.0, 0.0]),
        (Ne, [1.0, 0.0, 1.0]),
        (Lt, [1.0, 0.0, 0.0]),
        (Le, [1.0, 1.0, 0.0]),
        (Gt, [0.0, 0.0, 1.0]),
        (Ge, [0.0, 1.0, 1.0]),
        (Always, [1.0, 1.0, 1.0]),
    ] {
        for (x, want) in [1.0, 2.0, 3.0].into_iter().zip(truth) {
            let at = |da, db| compared(predicate, false, (x, da), (2.0, db));
            assert_eq!(at(0.0, 0.0), (want, 0.0), "{predicate:?} {x}");
            // Apart by 1: decided up to errors of less than 1 together.
            let apart = x != 2.0 || predicate == Always;
            assert_eq!(
                at(0.5, 0.25),
                (want, f64::from(!apart)),
                "{predicate:?} {x}"
            );
            let open = f64::from(predicate != Always);
            assert_eq!(at(0.5, 0.5), (want, open), "{predicate:?} {x}");
            assert_eq!(at(0.0, 1.5), (want, open), "{predicate:?} {x}");
        }
        for (a, b) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
            for nan in [false, true] {
                let got = compared(predicate, nan, (a, 0.0), (b, 0.0));
                assert_eq!(got, (f64::from(nan), 1.0), "{predicate:?}");
            }
        }
    }
}

#[test]
fn an_open_choice_may_be_the_other_value() {
    let chosen = |condition: Pair, t: Pair, f: Pair| {
        let condition = tensor(DType::Bool, &[1], &[condition]);
        let op = Op::Select {
            condition: X,
            on_true: Y,
            on_false: Z,
        };
        let y = eval(
            &[condition, f32t(&[1], &[t]), f32t(&[1], &[f])],
            op,
            DType::F32,
            &[1],
        );
        (y.value[0], y.bound[0])
    };
    let (t, f) = ((1.0, 0.25), (5.0, 0.5));
    assert_eq!(chosen((1.0, 0.0), t, f), t);
    assert_eq!(chosen((0.0, 0.0), t, f), f);
    assert_eq!(chosen((1.0, 1.0), t, f), (1.0, 4.5));
    assert_eq!(chosen((0.0, 1.0), t, f), (5.0, 4.5));
    assert_eq!(chosen((0.0, 1.0), (1.0, 0.75), f), (5.0, 4.75));
    // Two infinities of one sign are the same value; of two signs they are all apart.
    let (up, down) = ((f64::INFINITY, 0.0), (f64::NEG_INFINITY, 0.0));
    assert_eq!(chosen((1.0, 1.0), up, up), (f64::INFINITY, 0.0));
    assert_eq!(chosen((1.0, 1.0), up, down).1, f64::INFINITY);
    assert_eq!(chosen((1.0, 1.0), (f64::NAN, 0.0), f).1, f64::INFINITY);
}

#[test]
fn bools_keep_the_error_of_an_open_comparison() {
    let both = |kind, a: Pair, b: Pair| {
        let operands = [a, b].map(|it| tensor(DType::Bool, &[1], &[it]));
        let y = eval(
            &operands,
            Op::Binary { a: X, b: Y, kind },
            DType::Bool,
            &[1],
        );
        (y.value[0], y.bound[0])
    };
    for (a, b) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
        let (x, y) = (a == 1.0, b == 1.0);
        let all = |kind| both(kind, (a, 0.0), (b, 0.0));
        assert_eq!(all(BinaryKind::And), (f64::from(x && y), 0.0));
        assert_eq!(all(BinaryKind::Or), (f64::from(x || y), 0.0));
        assert_eq!(all(BinaryKind::Xor), (f64::from(x != y), 0.0));
        assert_eq!(both(BinaryKind::Xor, (a, 1.0), (b, 0.0)).1, 1.0);
        assert_eq!(both(BinaryKind::And, (a, 0.0), (b, 1.0)).1, 1.0);
    }
}
