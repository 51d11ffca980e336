//! The comparison at its edges: what is inside, what is reported, what is no tolerance.

use kforge_oracle::*;

/// A reference of f32 values, each with its bound.
fn reference(values: &[(f64, f64)]) -> Array {
    let mut array = Array::exact(
        TensorType::new(DType::F32, &[values.len()]),
        values.iter().map(|it| it.0).collect(),
    );
    array.bound = values.iter().map(|it| it.1).collect();
    array
}

fn compared(got: &[f64], reference: &Array) -> Comparison {
    compare(got, reference, &CompareOptions::default()).expect("compares")
}

#[test]
fn the_largest_share_of_a_bound_is_reported() {
    let of = |got: f64, bound: f64| compared(&[got], &reference(&[(1.0, bound)])).max_ratio;
    assert_eq!(of(1.0, 0.0), 0.0);
    assert_eq!(of(1.0, 0.5), 0.0);
    assert_eq!(of(1.25, 0.5), 0.5);
    assert_eq!(of(1.5, 0.5), 1.0);
    assert_eq!(of(2.0, 0.5), 2.0);
    assert_eq!(of(2.0, 0.0), f64::INFINITY);
}

#[test]
fn the_largest_number_of_a_type_is_no_overflow() {
    let most = f64::from(f32::MAX);
    assert!(compared(&[most], &reference(&[(most, 0.0)])).passed);
    assert!(!compared(&[0.75 * most], &reference(&[(most, 0.0)])).passed);
    // Beyond it there is no distance to measure.
    assert!(compared(&[f64::INFINITY], &reference(&[(2.0 * most, 0.0)])).passed);
    assert!(!compared(&[-f64::INFINITY], &reference(&[(2.0 * most, 0.0)])).passed);
}

#[test]
fn a_tolerance_is_finite_and_not_negative() {
    let array = reference(&[(1.0, 0.1)]);
    for wrong in [f64::NAN, f64::INFINITY, -1e-3] {
        let options = [
            CompareOptions {
                atol: Some(wrong),
                ..CompareOptions::default()
            },
            CompareOptions {
                rtol: Some(wrong),
                ..CompareOptions::default()
            },
        ];
        for options in options {
            assert!(compare(&[1.0], &array, &options).is_err(), "{options:?}");
        }
    }
}

#[test]
fn either_tolerance_alone_says_that_only_it_is_held() {
    // Outside the bound, inside what the user takes.
    let array = reference(&[(1.0, 1e-3)]);
    for (atol, rtol) in [(Some(0.5), None), (None, Some(0.5))] {
        let options = CompareOptions { atol, rtol };
        let comparison = compare(&[1.25], &array, &options).expect("compares");
        assert_eq!(comparison.outcome, Outcome::OnlyWithinUser);
        assert!(!comparison.passed);
    }
    assert_eq!(compared(&[1.25], &array).outcome, Outcome::Outside);
}

#[test]
fn untypical_errors_are_counted_inside_the_bound_alone() {
    let of = |got: f64, bound: f64, typical: f64| {
        let mut array = reference(&[(1.0, bound)]);
        array.typical = Some(vec![typical]);
        let comparison = compared(&[got], &array);
        (comparison.atypical, comparison.typical_ratio)
    };
    assert_eq!(of(1.0, 0.5, 0.0), (0, 0.0));
    assert_eq!(of(1.0625, 0.5, 0.125), (0, 0.5));
    assert_eq!(of(1.125, 0.5, 0.125), (0, 1.0));
    assert_eq!(of(1.25, 0.5, 0.125), (1, 2.0));
    assert_eq!(of(2.0, 0.5, 0.125), (0, 0.0));
    // A typical size that is the bound says nothing more than the bound.
    assert_eq!(of(1.25, 0.5, 0.5), (0, 0.0));
    assert_eq!(of(f64::INFINITY, 0.5, 0.125), (0, 0.0));
    // Nor is an overflow that both have an untypical error.
    let mut beyond = reference(&[(1e39, f64::INFINITY)]);
    beyond.typical = Some(vec![1.0]);
    let comparison = compared(&[f64::INFINITY], &beyond);
    assert_eq!((comparison.passed, comparison.atypical), (true, 0));
}

#[test]
fn rounding_at_the_end_of_the_range_may_carry_into_infinity() {
    let passed = |got: f64, value: f64, bound: f64| {
        let mut array = reference(&[(value, bound)]);
        array.ty.dtype = DType::F16;
        let comparison = compared(&[got], &array);
        assert_eq!(comparison.nan_or_inf, usize::from(!comparison.passed));
        comparison.passed
    };
    let infinity = f64::INFINITY;
    assert!(passed(infinity, 65500.0, 5.0));
    assert!(passed(-infinity, -65500.0, 5.0));
    // Not the other infinity, not from within the range, not from its very end.
    assert!(!passed(-infinity, 65500.0, 5.0));
    assert!(!passed(infinity, -65500.0, 5.0));
    assert!(!passed(infinity, 65500.0, 3.0));
    assert!(!passed(infinity, 65500.0, 4.0));
    assert!(!passed(infinity, 500.0, 400.0));
    assert!(!passed(f64::NAN, 65500.0, 5.0));
}

#[test]
fn a_relative_tolerance_grows_with_the_value() {
    let array = reference(&[(4.0, 10.0)]);
    let with = |got: f64| {
        let options = CompareOptions {
            atol: Some(0.25),
            rtol: Some(0.5),
        };
        compare(&[got], &array, &options).expect("compares").outcome
    };
    assert_eq!(with(6.25), Outcome::Passed);
    assert_eq!(with(6.5), Outcome::OutsideUser);
    assert_eq!(with(1.75), Outcome::Passed);
    assert_eq!(with(1.5), Outcome::OutsideUser);
}

#[test]
fn the_worst_element_is_the_first_of_equals_and_has_its_place() {
    let mut array = reference(&[(1.0, 1.0); 24]);
    array.ty.shape = vec![2, 3, 4];
    let worst = |off: &[(usize, f64)]| {
        let mut got = [1.0; 24];
        for (at, error) in off {
            got[*at] += error;
        }
        compared(&got, &array).worst.expect("elements").index
    };
    assert_eq!(worst(&[(17, 0.5), (23, 0.5)]), [1, 1, 1]);
    assert_eq!(worst(&[(17, 0.5), (23, 0.75)]), [1, 2, 3]);
    assert_eq!(worst(&[(6, 0.5)]), [0, 1, 2]);
    assert_eq!(worst(&[]), [0, 0, 0]);
}
