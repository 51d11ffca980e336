//! Sums, products, quotients, powers: one rounding each, of what the operands' errors allow.

use kforge_oracle::*;

use crate::{Pair, TINY, U, X, Y, Z, one, one_as, same};

fn binary(kind: BinaryKind, a: Pair, b: Pair) -> Pair {
    let op = Op::Binary { a: X, b: Y, kind };
    one(&[a, b], op)
}

/// Largest distance of `f` from its centre over the corners of both intervals.
fn farthest(f: impl Fn(f64, f64) -> f64, (a, da): Pair, (b, db): Pair) -> f64 {
    let corners = [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)];
    let off = |(p, q): Pair| (f(a + p * da, b + q * db) - f(a, b)).abs();
    corners.into_iter().map(off).fold(0.0, f64::max)
}

const OPERANDS: [(Pair, Pair); 7] = [
    ((1.75, 0.125), (2.5, 0.25)),
    ((-1.75, 0.125), (2.5, 0.0)),
    ((0.625, 0.0), (-3.25, 0.5)),
    ((-5.5, 1.5), (-0.75, 0.25)),
    ((0.0, 0.25), (3.5, 0.5)),
    ((3.5, 0.25), (-3.5, 0.125)),
    ((1.5, 2.0), (0.375, 0.0)),
];

#[test]
fn sums_and_products_round_what_their_operands_allow() {
    for (a, b) in OPERANDS {
        let context = format!("{a:?} {b:?}");
        for (kind, f) in [
            (BinaryKind::Add, (|a, b| a + b) as fn(f64, f64) -> f64),
            (BinaryKind::Sub, |a, b| a - b),
            (BinaryKind::Mul, |a, b| a * b),
        ] {
            let moved = farthest(f, a, b);
            let y = f(a.0, b.0);
            let want = moved + U * (y.abs() + moved);
            let got = binary(kind, a, b);
            assert_eq!(got.0, y);
            same(got.1, want, &format!("{kind:?} {context}"));
        }
    }
    // Nothing is lost where f32 holds the result; a unit of it elsewhere.
    let third = f64::from(1.0f32 / 3.0);
    for (kind, exact) in [(BinaryKind::Add, 1.5), (BinaryKind::Mul, 2.0)] {
        assert_eq!(binary(kind, (exact, 0.0), (0.5, 0.0)).1, 0.0);
        let (y, bound) = binary(kind, (third, 0.0), (1.75, 0.0));
        same(bound, U * y, &format!("{kind:?}"));
    }
}

#[test]
fn an_absent_factor_without_error_stays_exact() {
    // 0 · inf would be NaN: a factor without an error moves nothing, however large the other.
    let (_, bound) = binary(BinaryKind::Mul, (f64::INFINITY, 0.0), (2.0, 0.0));
    assert_eq!(bound, 0.0);
    let (_, bound) = binary(BinaryKind::Mul, (2.0, 0.0), (f64::INFINITY, 0.0));
    assert_eq!(bound, 0.0);
}

#[test]
fn quotients_are_worst_at_the_smallest_divisor() {
    for (a, b) in OPERANDS {
        let moved = (a.1 + (a.0 / b.0).abs() * b.1) / (b.0.abs() - b.1);
        assert!(moved >= farthest(|a, b| a / b, a, b) * (1.0 - 1e-12));
        let y = a.0 / b.0;
        let want = moved + 5.0 * U * (y.abs() + moved);
        same(
            binary(BinaryKind::Div, a, b).1,
            want,
            &format!("{a:?} {b:?}"),
        );
    }
    // Across 0, or touching it, a quotient may be anything; by 0 itself it is what it is.
    for b in [(0.5, 0.5), (0.5, 0.75), (-0.5, 0.5)] {
        let (_, bound) = binary(BinaryKind::Div, (1.0, 0.0), b);
        assert_eq!(bound, f64::INFINITY, "{b:?}");
    }
    let (y, bound) = binary(BinaryKind::Div, (1.0, 0.0), (0.5, 0.0));
    assert_eq!(y, 2.0);
    same(bound, 10.0 * U, "five units");
}

#[test]
fn powers_go_through_the_logarithm() {
    let unit = U;
    for (a, b) in [
        ((1.75, 0.25), (2.5, 0.5)),
        ((0.375, 0.125), (1.5, 0.25)),
        ((6.5, 0.5), (-2.25, 0.75)),
        ((1.25, 0.5), (0.5, 1.5)),
        ((0.375, 0.125), (-1.5, 0.25)),
        ((1024.0, 0.0), (1.5, 0.0)),
        ((0.0009765625, 0.0), (-1.5, 0.25)),
    ] {
        let y = f64::powf(a.0, b.0);
        let corners = [-1.0, 1.0].map(|p| [-1.0, 1.0].map(|q| (a.0 + p * a.1, b.0 + q * b.1)));
        let corners = corners.concat();
        let over = |f: &dyn Fn(Pair) -> f64| corners.iter().map(|c| f(*c)).fold(f64::MIN, f64::max);
        let top = over(&|(p, q)| p.powf(q)).max(y);
        let down = y - (-over(&|(p, q)| -p.powf(q))).min(y);
        let argument = over(&|(p, q)| (q * p.log2()).abs());
        // The logarithm's own error, the product's rounding and that of the exponent, then exp2.
        let log = 0.5f64
            .powi(21)
            .max(3.0 * 2.0 * unit * (a.0.log2().abs() + 1.0));
        let exponent = (b.0.abs() + b.1) * log + 2.0 * unit * argument;
        let relative =
            (exponent * 2f64.ln()).exp() - 1.0 + 2.0 * unit * (3.0 + 2.0 * (argument + exponent));
        let want = (top - y).max(down) + top * relative;
        let got = binary(BinaryKind::Pow, a, b).1;
        assert!(
            (got - want).abs() <= 1e-10 * want,
            "{a:?} {b:?}: {got} {want}"
        );
    }
    // Defined for positive bases alone, and for 0 to a positive power.
    assert_eq!(binary(BinaryKind::Pow, (0.0, 0.0), (2.0, 1.5)), (0.0, 0.0));
    for (a, b) in [
        ((0.0, 0.0), (2.0, 2.0)),
        ((0.0, 0.0), (0.5, 1.5)),
        ((0.0, 0.125), (2.0, 0.0)),
        ((0.5, 0.5), (2.0, 0.0)),
        ((0.5, 0.75), (2.0, 0.0)),
        ((-2.0, 0.0), (2.0, 0.0)),
        ((-2.0, 0.0), (-2.0, 0.0)),
    ] {
        let (_, bound) = binary(BinaryKind::Pow, a, b);
        assert_eq!(bound, f64::INFINITY, "{a:?} {b:?}");
    }
    assert!(
        binary(BinaryKind::Pow, (0.5, 0.375), (2.0, 0.0))
            .1
            .is_finite()
    );
    // Without a device the logarithm is eight units off.
    let op = Op::Binary {
        a: X,
        b: Y,
        kind: BinaryKind::Pow,
    };
    let (y, got) = one_as(Rounding::None, &[(2.0, 0.0), (3.0, 0.0)], op);
    let exponent = 3.0 * 12e-12 + 2e-12 * 3.0;
    let want = y * (exponent * 2f64.ln() + 2e-12 * (3.0 + 2.0 * 3.0));
    assert!((got - want).abs() < 1e-6 * want, "{got:e} {want:e}");
}

#[test]
fn multiply_adds_may_round_twice() {
    let third = f64::from(1.0f32 / 3.0);
    for (a, b, c) in [
        ((third, 0.0), (1.75, 0.0), (0.375, 0.0)),
        ((third, 0.125), (-1.75, 0.25), (2.5, 0.5)),
        ((-0.5, 0.0), (0.25, 0.5), (third, 0.0)),
    ] {
        let product = a.0 * b.0;
        let moved = farthest(|a, b| a * b, a, b);
        let exact = moved == 0.0 && f64::from(product as f32) == product;
        let first = if exact {
            0.0
        } else {
            moved + U * (product.abs() + moved)
        };
        let y = product + c.0;
        let moved = first + c.1;
        let want = moved + U * (y.abs() + moved);
        let got = one(&[a, b, c], Op::Fma { a: X, b: Y, c: Z });
        assert_eq!(got.0, y);
        same(got.1, want, &format!("{a:?} {b:?} {c:?}"));
    }
}

#[test]
fn a_result_near_zero_may_be_flushed() {
    // Only what the interval leaves above the normal range cannot be flushed.
    let add = |a: Pair| binary(BinaryKind::Add, a, (0.0, 0.0)).1;
    let bound = 0.25 + U * (0.5 + 0.25);
    assert_eq!(add((0.5, 0.25)), bound);
    let bound = 0.5 + U;
    same(add((0.5, 0.5)), bound + TINY, "touching zero");
    assert_eq!(add((0.0, 0.0)), 0.0);
}
