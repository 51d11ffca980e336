//! The functions of one element: what WGSL allows each, on top of what the argument's error
//! moves.

use kforge_oracle::*;

use crate::{Pair, TINY, U, X, one, one_as, same};

/// Arguments on both sides of 1, exact and not, and one that reaches far.
const POSITIVE: [Pair; 9] = [
    (1.75, 0.0),
    (1.75, 0.3),
    (0.625, 0.0),
    (0.375, 0.01),
    (0.25, 0.2),
    (0.453125, 0.0625),
    (5.5, 0.0),
    (5.5, 1.25),
    (3.25, 2.0),
];

fn unary(kind: UnaryKind, x: Pair) -> f64 {
    one(&[x], Op::Unary { x: X, kind }).1
}

fn both_signs() -> impl Iterator<Item = Pair> {
    POSITIVE.into_iter().flat_map(|(x, d)| [(x, d), (-x, d)])
}

#[test]
fn exponentials_lose_more_the_larger_their_argument() {
    for (x, d) in both_signs() {
        // (3 + 2|x|) ULP of two units each, at the upper end of the interval.
        let relative = |reach: f64| (3.0 + 2.0 * reach) * 2.0 * U;
        let own = relative(x.abs() + d);
        let high = (x + d).exp();
        let want = high - x.exp() + high * own;
        same(unary(UnaryKind::Exp, (x, d)), want, &format!("exp {x} {d}"));
        let high = (x + d).exp2();
        let want = high - x.exp2() + high * own;
        same(
            unary(UnaryKind::Exp2, (x, d)),
            want,
            &format!("exp2 {x} {d}"),
        );
    }
}

#[test]
fn exponentials_beyond_f32_are_overflows_only_over_the_whole_interval() {
    for (kind, inside, beyond) in [
        (UnaryKind::Exp, 88.5, 89.0),
        (UnaryKind::Exp2, 127.75, 128.5),
    ] {
        let at = |x: f64, d: f64| one(&[(x, d)], Op::Unary { x: X, kind });
        assert!(at(inside, 0.0).1.is_finite(), "{kind:?}");
        // A known overflow keeps its value, as a finite number; an uncertain one is nothing.
        for (x, d) in [(beyond, 0.0), (beyond, 0.125), (2000.0, 0.5)] {
            let (y, bound) = at(x, d);
            assert!(
                y > f64::from(f32::MAX) && y.is_finite(),
                "{kind:?} {x}: {y}"
            );
            assert_eq!(bound, f64::INFINITY);
        }
        assert!(at(beyond, 1.0).0.is_nan(), "{kind:?}");
        // The end of f32 itself is no overflow.
        assert!(at(inside, 1.0).1 > at(inside, 0.0).1);
    }
    assert_eq!(unary(UnaryKind::Exp2, (128.0, 0.0)), f64::INFINITY);
}

#[test]
fn logarithms_lose_an_absolute_error_near_one_and_three_ulp_elsewhere() {
    for (x, d) in POSITIVE {
        let near_one = x - d <= 2.0 && x + d >= 0.5;
        let absolute = if near_one { 0.5f64.powi(21) } else { 0.0 };
        for (kind, log) in [
            (UnaryKind::Log, f64::ln as fn(f64) -> f64),
            (UnaryKind::Log2, f64::log2),
        ] {
            let moved = log(x) - log(x - d);
            let ulp = 3.0 * 2.0 * U * (log(x).abs() + moved);
            let want = moved + absolute.max(ulp);
            same(unary(kind, (x, d)), want, &format!("{kind:?} {x} {d}"));
        }
    }
    // The ends of [0.5, 2] belong to it, whichever end of the interval touches them.
    let own = |x: Pair| unary(UnaryKind::Log2, x);
    assert_eq!(own((2.0, 0.0)), 0.5f64.powi(21));
    assert_eq!(own((0.5, 0.0)), 0.5f64.powi(21));
    assert!(own((2.5, 0.5)) > own((2.5, 0.4999)) + 1e-7);
    assert!(own((0.25, 0.25 - 1e-9)).is_finite());
    // At or across 0 nothing holds.
    for x in [(0.25, 0.25), (0.25, 0.5), (-1.0, 0.0), (0.0, 0.0)] {
        assert_eq!(unary(UnaryKind::Log, x), f64::INFINITY, "{x:?}");
        assert_eq!(unary(UnaryKind::Log2, x), f64::INFINITY, "{x:?}");
    }
    // Far from 1 the three ULP outgrow the absolute error.
    same(own((65536.0, 0.0)), 6.0 * U * 16.0, "log2 of 2^16");
    same(own((2f64.powi(-16), 0.0)), 6.0 * U * 16.0, "log2 of 2^-16");
}

#[test]
fn roots_are_worst_at_the_low_end() {
    for (x, d) in POSITIVE {
        let (low, high) = (x - d, x + d);
        let want = x.sqrt() - low.sqrt() + 9.0 * U * high.sqrt();
        same(
            unary(UnaryKind::Sqrt, (x, d)),
            want,
            &format!("sqrt {x} {d}"),
        );
        let top = 1.0 / low.sqrt();
        let want = top - 1.0 / x.sqrt() + 4.0 * U * top;
        same(
            unary(UnaryKind::Rsqrt, (x, d)),
            want,
            &format!("rsqrt {x} {d}"),
        );
    }
    // Zero has a root but no reciprocal one; below it there is neither.
    assert!(unary(UnaryKind::Sqrt, (1.0, 1.0)).is_finite());
    assert_eq!(unary(UnaryKind::Rsqrt, (1.0, 1.0)), f64::INFINITY);
    assert_eq!(unary(UnaryKind::Sqrt, (1.0, 1.5)), f64::INFINITY);
    assert_eq!(unary(UnaryKind::Rsqrt, (1.0, 1.5)), f64::INFINITY);
}

#[test]
fn bounded_functions_move_by_no_more_than_their_range() {
    for (x, d) in both_signs() {
        let tanh = 1e-5 + d.min(2.0);
        same(unary(UnaryKind::Tanh, (x, d)), tanh, "tanh");
        let erf = 0.5f64.powi(20) + (1.13 * d).min(2.0);
        same(unary(UnaryKind::Erf, (x, d)), erf, "erf");
        // Reducing the argument costs three roundings of it.
        let turn = d + 3.0 * U * (x.abs() + d) + 0.5f64.powi(11);
        same(unary(UnaryKind::Sin, (x, d)), turn.min(2.0), "sin");
        same(unary(UnaryKind::Cos, (x, d)), turn.min(2.0), "cos");
        assert_eq!(unary(UnaryKind::Neg, (x, d)), d);
        assert_eq!(unary(UnaryKind::Abs, (x, d)), d);
    }
    same(unary(UnaryKind::Tanh, (0.5, 9.0)), 2.0 + 1e-5, "tanh");
    same(
        unary(UnaryKind::Erf, (0.5, 9.0)),
        2.0 + 0.5f64.powi(20),
        "erf",
    );
    assert_eq!(unary(UnaryKind::Sin, (0.5, 9.0)), 2.0);
}

#[test]
fn steps_move_by_the_jumps_inside_the_interval() {
    // Argument, its bound, and what floor and ceil may be off by, counted by hand.
    for (x, d, floor, ceil) in [
        (2.5, 0.25, 0.0, 0.0),
        (2.0, 0.0, 0.0, 0.0),
        (2.0, 0.25, 1.0, 1.0),
        (2.75, 0.5, 1.0, 1.0),
        (2.75, 2.5, 3.0, 3.0),
        (4.25, 1.5, 2.0, 2.0),
        (-2.25, 1.5, 2.0, 2.0),
        (-2.25, 0.5, 1.0, 1.0),
    ] {
        // A result that may be 0 may be flushed too.
        let got = unary(UnaryKind::Floor, (x, d));
        assert!(got == floor || got == floor + TINY, "floor {x} {d}: {got}");
        let got = unary(UnaryKind::Ceil, (x, d));
        assert!(got == ceil || got == ceil + TINY, "ceil {x} {d}: {got}");
    }
}

#[test]
fn an_infinite_argument_is_exact_or_unknown() {
    let at = |kind, d| one(&[(f64::NEG_INFINITY, d)], Op::Unary { x: X, kind });
    assert_eq!(at(UnaryKind::Exp, 0.0), (0.0, 0.0));
    assert_eq!(at(UnaryKind::Exp, 1.0), (0.0, f64::INFINITY));
    assert_eq!(at(UnaryKind::Tanh, 0.0), (-1.0, 0.0));
}

/// Without a device the unit is 1e-12 and a function's own error eight of them.
#[test]
fn without_a_device_only_another_order_is_allowed() {
    let unit = 1e-12;
    for (x, d) in [(1.75, 0.0), (0.375, 0.125), (5.5, 1.25)] {
        let f = |kind| one_as(Rounding::None, &[(x, d)], Op::Unary { x: X, kind }).1;
        same(f(UnaryKind::Tanh), d + 8.0 * unit, "tanh");
        same(f(UnaryKind::Erf), 1.13 * d + 8.0 * unit, "erf");
        same(
            f(UnaryKind::Sin),
            d + 3.0 * unit * (x + d) + 8.0 * unit,
            "sin",
        );
        let moved = x.ln() - (x - d).ln();
        let want = moved + 8.0 * unit * (1.0 + x.ln().abs());
        let got = f(UnaryKind::Log);
        assert!((got - want).abs() < 1e-15, "log: {got:e} {want:e}");
        let high = (x + d).exp();
        let want = high - x.exp() + high * 2.0 * unit * (3.0 + 2.0 * (x + d));
        let got = f(UnaryKind::Exp);
        assert!((got - want).abs() < 1e-15 * high, "exp: {got:e} {want:e}");
    }
}
