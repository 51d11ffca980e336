//! What real numbers decide: comparisons, steps, and where another rounding might differ.

use kforge_oracle::*;

use crate::{drawn, functions::pair, plain_field};

#[test]
fn real_numbers_decide_and_ties_are_noticed() {
    let decided = |a: f64, b: f64| {
        let field = plain_field(8);
        let [x, y] = pair(&field, [a, b]);
        let (most, least) = (field.max(x, y), field.min(x, y));
        let first = most.equals(&x) && least.equals(&y);
        if a.is_nan() || b.is_nan() {
            return (first, field.is_tied());
        }
        if a.is_nan() || b.is_nan() {
            return (first, field.is_tied());
        }
        assert!(first || most.equals(&y) && least.equals(&x) || a == b);
        (first, field.is_tied())
    };
    assert_eq!(decided(2.0, 1.0), (true, false));
    assert_eq!(decided(1.0, 2.0), (false, false));
    assert_eq!(decided(-1.0, -2.0), (true, false));
    assert!(!decided(2.0, 2.0).1 && decided(f64::NAN, 1.0).1 && decided(1.0, f64::NAN).1);
    // Close means relative to the size.
    assert!(decided(1.0, 1.0 + 1e-13).1 && !decided(1.0, 1.0 + 1e-11).1);
    assert!(decided(1e9, 1e9 + 1e-4).1 && !decided(1e9, 1e9 + 1e-2).1);
    assert!(!decided(1e-20, 2e-20).1 && !decided(-1.0, 1.0).1);
    let field = plain_field(8);
    let [x, _] = pair(&field, [-0.5, 0.0]);
    assert!(
        field.apply(Function::Abs, x).equals(&-x) && field.apply(Function::Abs, -x).equals(&-x)
    );
    let same = field.max(x, x);
    assert!(same.equals(&x) && field.compare(&x, &-x) == Some(std::cmp::Ordering::Less));
}

#[test]
fn whole_numbers_are_integers_unless_another_rounding_might_differ() {
    let whole = |function, x: f64| {
        let field = plain_field(9);
        let number = field.apply(function, drawn(&field, 1, &[x])[0]);
        (number, field.is_tied())
    };
    for (function, x, want) in [
        (Function::Floor, 2.75, 2),
        (Function::Floor, -2.25, -3),
        (Function::Ceil, 2.25, 3),
        (Function::Round, 2.75, 3),
        (Function::Trunc, -2.75, -2),
        (Function::Floor, 3.0, 3),
        (Function::Ceil, 3.0, 3),
    ] {
        let (number, tied) = whole(function, x);
        assert!(
            number.equals(&Number::integer(want)) && !tied,
            "{function:?} {x}"
        );
    }
    // Just below or above the jump, relative to the size.
    assert!(whole(Function::Floor, 3.0 - 1e-13).1 && !whole(Function::Floor, 3.0 - 1e-11).1);
    assert!(whole(Function::Floor, 3e3 + 1e-9).1 && !whole(Function::Floor, 3e3 + 1e-7).1);
    assert!(whole(Function::Round, 2.5).1 && !whole(Function::Round, 2.25).1);
    assert!(whole(Function::Floor, 1e-13).1);
    // Beyond 53 bits there are no integers to tell apart.
    let (number, tied) = whole(Function::Floor, 1e16);
    assert!(tied && number.real == 1e16);
    assert!(!whole(Function::Floor, 8e15).1 && whole(Function::Floor, 9e15).1);
    let field = plain_field(9);
    let integer = |x: f64| field.to_integer(&drawn(&field, 1, &[x])[0]);
    assert_eq!(
        (integer(2.75), integer(-2.75), integer(8e15)),
        (Some(2), Some(-2), Some(8e15 as i64))
    );
    assert_eq!(
        (integer(1e16), integer(-1e16), integer(f64::INFINITY)),
        (None, None, None)
    );
    assert_eq!(integer(9e15), None);
}
