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
    assert_eq!(of(1.25, 0.5, 0.125), (1, 2.0));
    assert_eq!(of(2.0, 0.5, 0.125), (0, 0.0));
    // A typical size that is the bound says nothing more than the bound.
    assert_eq!(of(1.25, 0.5, 0.5), (0, 0.0));
    assert_eq!(of(f64::INFINITY, 0.5, 0.125), (0, 0.0));
}
