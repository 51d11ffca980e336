//! Reductions: sums, products and extremes of elements that carry errors, counted by hand.

use kforge_oracle::*;

use crate::{Pair, U, X, Y, eval, eval_as, f32t, gamma, same, tensor};

fn reduce_as(rounding: Rounding, kind: ReduceKind, x: &[Pair], init: Option<Pair>) -> Pair {
    let mut inputs = vec![f32t(&[1, x.len()], x)];
    inputs.extend(init.map(|it| f32t(&[1], &[it])));
    let op = Op::Reduce {
        x: X,
        init: init.map(|_| Y),
        kind,
        axes: vec![1],
    };
    let y = eval_as(rounding, &inputs, op, DType::F32, &[1]);
    (y.value[0], y.bound[0])
}

fn reduce(kind: ReduceKind, x: &[Pair]) -> Pair {
    reduce_as(Rounding::Device, kind, x, None)
}

fn exact(x: &[f64]) -> Vec<Pair> {
    x.iter().map(|x| (*x, 0.0)).collect()
}

#[test]
fn sums_round_once_less_than_they_have_terms() {
    let sum = |x: &[Pair]| reduce(ReduceKind::Add, x);
    let x = [
        (1.5, 0.25),
        (-2.25, 0.5),
        (0.0, 0.0),
        (0.0, 0.0),
        (0.0, 0.125),
        (3.0, 0.0),
    ];
    let (y, bound) = sum(&x);
    assert_eq!(y, 2.25);
    // Four terms, for the exact zeros are none.
    same(bound, 0.875 + gamma(3) * (6.75 + 0.875), "sum");
    let (y, bound) = reduce_as(Rounding::Device, ReduceKind::Add, &x, Some((-1.0, 0.5)));
    assert_eq!(y, 1.25);
    same(bound, 1.375 + gamma(4) * (7.75 + 1.375), "with a start");
    assert_eq!(sum(&[(1.5, 0.25)]).1, 0.25);
}

#[test]
fn sums_within_24_bits_of_a_common_power_are_exact() {
    let top = 16777216.0;
    let bound = |x: &[f64]| reduce(ReduceKind::Add, &exact(x)).1;
    assert_eq!(bound(&[top - 1.0, 1.0]), 0.0);
    same(bound(&[top, 1.0]), U / (1.0 - U) * (top + 1.0), "25 bits");
    same(bound(&[top, -1.0]), U / (1.0 - U) * (top + 1.0), "25 bits");
    same(
        bound(&[top - 1.0, 0.5]),
        U / (1.0 - U) * (top - 0.5),
        "finer",
    );
    assert_eq!(bound(&[top / 2.0 - 1.0, 0.5]), 0.0);
    // A large power, which zeros share.
    let unit = 1024.0;
    assert_eq!(bound(&[(top - 1.0) * unit, 0.0, unit]), 0.0);
    assert_eq!(bound(&[f64::INFINITY, 1.0]), f64::INFINITY);
    // One number alone needs no common power.
    let third = f64::from(1.0f32 / 3.0);
    assert_eq!(bound(&[third, 0.0, 0.0]), 0.0);
    assert!(bound(&[third, third, third]) > 0.0);
    // An error of any element leaves nothing exact.
    let (_, loose) = reduce(ReduceKind::Add, &[(1.0, 0.5), (1.0, 0.0)]);
    same(loose, 0.5 + gamma(1) * 2.5, "loose");
}

#[test]
fn products_multiply_their_reaches() {
    let product = |x: &[Pair]| reduce(ReduceKind::Mul, x);
    let (y, bound) = product(&[
        (1.5, 0.25),
        (-2.0, 0.5),
        (1.0, 0.0),
        (-1.0, 0.0),
        (0.75, 0.0),
    ]);
    assert_eq!(y, 2.25);
    // Factors of one, of either sign, round nothing; three others do, twice.
    let high = 1.75 * 2.5 * 0.75;
    same(bound, high - 2.25 + gamma(2) * high, "product");
    let (y, bound) = product(&[(1.0, 0.5), (2.0, 0.0)]);
    assert_eq!(y, 2.0);
    same(bound, 1.0 + gamma(1) * 3.0, "one that is loose counts");
    let third = f64::from(1.0f32 / 3.0);
    assert_eq!(product(&exact(&[third, 1.0, -1.0])).1, 0.0);
    same(
        product(&exact(&[third, third])).1,
        gamma(1) * third * third,
        "two",
    );
    same(product(&[(0.5, 0.25)]).1, 0.25, "one");
}

#[test]
fn some_order_of_the_terms_may_overflow() {
    let big = 2f64.powi(100);
    let mul = |rounding, x: &[f64]| reduce_as(rounding, ReduceKind::Mul, &exact(x), None).1;
    // Small factors in between do not help an order that takes them last.
    let apart = [big, 2f64.powi(-90), 2f64.powi(28), 0.75];
    assert_eq!(mul(Rounding::Device, &apart), f64::INFINITY);
    assert!(mul(Rounding::None, &apart).is_finite());
    assert!(
        mul(
            Rounding::Device,
            &[big, 2f64.powi(-90), 2f64.powi(27), 0.75]
        )
        .is_finite()
    );
    let add = |rounding, x: &[f64]| reduce_as(rounding, ReduceKind::Add, &exact(x), None).1;
    let top = 2f64.powi(127);
    let sum = [top, -top, 1.0];
    assert_eq!(add(Rounding::Device, &sum), f64::INFINITY);
    assert!(add(Rounding::None, &sum).is_finite());
    assert!(add(Rounding::Device, &[top, -top / 2.0, 1.0]).is_finite());
    // The largest number itself is one, and errors reach as far as values do.
    let most = f64::from(f32::MAX);
    assert!(add(Rounding::Device, &[top, most - top]).is_finite());
    assert_eq!(mul(Rounding::Device, &[most, 1.0]), 0.0);
    let reach = reduce(ReduceKind::Add, &[(top, 0.0), (0.0, top)]).1;
    assert_eq!(reach, f64::INFINITY);
    let reach = reduce(ReduceKind::Mul, &[(1.0, top), (4.0, 0.0)]).1;
    assert_eq!(reach, f64::INFINITY);
}

#[test]
fn extremes_lie_between_the_largest_ends() {
    let max = |x: &[Pair]| reduce(ReduceKind::Max, x);
    let min = |x: &[Pair]| reduce(ReduceKind::Min, x);
    let negated = |x: &[Pair]| x.iter().map(|it| (-it.0, it.1)).collect::<Vec<_>>();
    for (x, want) in [
        // The winner is clear: its own error.
        (vec![(1.0, 0.25), (3.0, 0.5), (2.0, 0.0)], (3.0, 0.5)),
        // Another may reach beyond it.
        (vec![(1.0, 0.25), (3.0, 0.25), (2.5, 1.5)], (3.0, 1.0)),
        // Another keeps it from falling.
        (vec![(3.0, 2.0), (2.75, 0.0), (3.0, 0.0)], (3.0, 2.0)),
        (vec![(3.0, 0.0), (3.0, 0.0)], (3.0, 0.0)),
        (vec![(3.0, 1.0), (2.75, 4.0), (2.5, 0.25)], (3.0, 3.75)),
    ] {
        assert_eq!(max(&x), want, "{x:?}");
        assert_eq!(min(&negated(&x)), (-want.0, want.1), "{x:?}");
    }
    // Only what falls short counts: the third can hold it up.
    assert_eq!(max(&[(3.0, 1.0), (3.0, 0.25)]), (3.0, 1.0));
    let low = [(3.0, 0.0), (1.0, 2.0)];
    assert_eq!(max(&low), (3.0, 0.0));
    for at in 0..3 {
        let mut x = exact(&[1.0, 2.0, 3.0]);
        x[at].0 = f64::NAN;
        let (y, bound) = max(&x);
        assert!(y.is_nan() && bound == f64::INFINITY);
    }
    let absent = exact(&[f64::NEG_INFINITY; 2]);
    assert_eq!(max(&absent), (f64::NEG_INFINITY, 0.0));
    assert_eq!(max(&exact(&[-5.0, -7.0])), (-5.0, 0.0));
}

#[test]
fn integers_wrap_and_start_from_the_identity() {
    let of = |dtype, kind, x: &[f64], init: Option<f64>| {
        let mut inputs = vec![tensor(dtype, &[1, x.len()], &exact(x))];
        inputs.extend(init.map(|it| tensor(dtype, &[1], &[(it, 0.0)])));
        let op = Op::Reduce {
            x: X,
            init: init.map(|_| Y),
            kind,
            axes: vec![1],
        };
        eval(&inputs, op, dtype, &[1]).value[0]
    };
    for dtype in [DType::I32, DType::I64] {
        assert_eq!(
            of(dtype, ReduceKind::Add, &[3.0, -5.0, 7.0], Some(10.0)),
            15.0
        );
        assert_eq!(
            of(dtype, ReduceKind::Mul, &[3.0, -5.0, 7.0], Some(2.0)),
            -210.0
        );
        assert_eq!(of(dtype, ReduceKind::Max, &[-3.0, -5.0], None), -3.0);
        assert_eq!(of(dtype, ReduceKind::Max, &[-3.0, -5.0], Some(-1.0)), -1.0);
        assert_eq!(of(dtype, ReduceKind::Min, &[3.0, 5.0], None), 3.0);
        assert_eq!(of(dtype, ReduceKind::Add, &[], None), 0.0);
        assert_eq!(of(dtype, ReduceKind::Mul, &[], None), 1.0);
    }
    let (least, most) = (f64::from(i32::MIN), f64::from(i32::MAX));
    assert_eq!(of(DType::I32, ReduceKind::Add, &[most, 1.0], None), least);
    assert_eq!(
        of(DType::I32, ReduceKind::Mul, &[65536.0, 65536.0], None),
        0.0
    );
    assert_eq!(
        of(DType::I64, ReduceKind::Mul, &[65536.0, 65536.0], None),
        4294967296.0
    );
    assert_eq!(of(DType::I32, ReduceKind::Max, &[], None), least);
    assert_eq!(of(DType::I32, ReduceKind::Min, &[], None), most);
}
