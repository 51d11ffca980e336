//! Comparison of a device's output with the reference, element by element.
//!
//! An element is inside when |got - value| <= bound. NaN or Inf where the reference has none
//! is outside, whatever the bound. A reference beyond the type's range asks for the same
//! infinity or at least half the largest finite value (a device may saturate, and kforge
//! masks with finite identities). Where nothing is known (see `Array`) the element is
//! undecided; a comparison in which no element was decided never passes.
//!
//! Where the reference knows the typical size of a correct kernel's error, elements beyond it
//! are counted; the verdict warns of them.
//!
//! The user's atol and rtol can only tighten: looser ones give
//! [`Outcome::OnlyWithinUser`], which is not a pass.

use rayon::prelude::*;
use thiserror::Error;

use crate::array::Array;

/// The user's tolerances: |got - value| <= atol + rtol·|value|; a missing one counts as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompareOptions {
    /// Absolute part.
    pub atol: Option<f64>,
    /// Relative part.
    pub rtol: Option<f64>,
}

/// The element with the largest error in units of its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// Position in the tensor.
    pub index: Vec<usize>,
    /// The device's value.
    pub got: f64,
    /// The reference.
    pub expected: f64,
    /// Its bound.
    pub bound: f64,
}

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Inside the bound and, if given, the user's tolerance.
    Passed,
    /// Inside the bound, outside the user's tighter tolerance: refused.
    OutsideUser,
    /// Within the user's tolerance, outside the bound: refused.
    OnlyWithinUser,
    /// Outside both, or outside the bound with no tolerance given: refused.
    Outside,
    /// Not one element had a usable bound: refused, nothing was shown.
    Undecided,
}

/// Result of one comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// `outcome == Passed`.
    pub passed: bool,
    /// The verdict.
    pub outcome: Outcome,
    /// Every decided element is inside its derived bound.
    pub within_bound: bool,
    /// Every decided element is inside the user's tolerance; true when none was given.
    pub within_user: bool,
    /// Element with the largest error/bound; `None` for empty tensors.
    pub worst: Option<Worst>,
    /// Largest |got - value| over decided elements; infinite when one is NaN.
    pub max_abs_error: f64,
    /// Root of the mean square of |got - value| over decided elements; infinite when one is NaN.
    pub rms_error: f64,
    /// Largest error/bound; infinite for any error where the bound is 0, and for NaN.
    pub max_ratio: f64,
    /// Decided elements outside their bound.
    pub mismatches: usize,
    /// Elements that are NaN or infinite where the reference is neither.
    pub nan_or_inf: usize,
    /// Elements without a usable bound.
    pub undecided: usize,
    /// Elements inside their bound whose error is beyond its typical size: no refusal, but
    /// worth a look.
    pub atypical: usize,
    /// Largest error in units of its typical size; 0 where none is known.
    pub typical_ratio: f64,
    /// All elements.
    pub elements: usize,
}

/// Why no comparison was made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompareError {
    /// Output and reference have different lengths.
    #[error("output has {got} elements, reference {ty} has {expected}")]
    Length {
        /// Elements of the output.
        got: usize,
        /// Elements of the reference.
        expected: usize,
        /// Reference type.
        ty: String,
    },
    /// The reference's own buffers do not fit its type.
    #[error("reference of type {ty} holds {values} values and {bounds} bounds")]
    Reference {
        /// Reference type.
        ty: String,
        /// Its values.
        values: usize,
        /// Its bounds.
        bounds: usize,
    },
    /// A tolerance that is negative or not a number.
    #[error("tolerance {name} is not a finite number of at least 0")]
    Tolerance {
        /// atol or rtol.
        name: &'static str,
    },
}

#[derive(Clone, Copy)]
struct Tally {
    mismatches: usize,
    user_mismatches: usize,
    nan_or_inf: usize,
    undecided: usize,
    atypical: usize,
    typical_ratio: f64,
    max_abs_error: f64,
    squares: f64,
    /// Largest ratio and where; the first of equals.
    worst: Option<(f64, usize)>,
}

/// Compares `got` with `reference`.
pub fn compare(
    got: &[f64],
    reference: &Array,
    opts: &CompareOptions,
) -> Result<Comparison, CompareError> {
    check(got, reference, opts)?;
    let user = opts.atol.is_some() || opts.rtol.is_some();
    let (atol, rtol) = (opts.atol.unwrap_or(0.0), opts.rtol.unwrap_or(0.0));
    let user_tolerance = user.then_some((atol, rtol));
    // Added up in this order whatever the threads do: squares are rounded.
    let parts: Vec<Tally> = (0..got.len())
        .into_par_iter()
        .fold_chunks(
            4096,
            || Tally::EMPTY,
            |tally, i| Tally::merge(tally, element(i, got[i], reference, user_tolerance)),
        )
        .collect();
    let total = parts.into_iter().fold(Tally::EMPTY, Tally::merge);
    let decided = got.len() - total.undecided;
    let within_bound = total.mismatches == 0;
    let within_user = total.user_mismatches == 0;
    let outcome = match (within_bound, within_user) {
        (true, true) if decided == 0 && !got.is_empty() => Outcome::Undecided,
        (true, true) => Outcome::Passed,
        (true, false) => Outcome::OutsideUser,
        (false, true) if user => Outcome::OnlyWithinUser,
        (false, _) => Outcome::Outside,
    };
    Ok(Comparison {
        passed: outcome == Outcome::Passed,
        outcome,
        within_bound,
        within_user,
        worst: total.worst.map(|(_, i)| Worst {
            index: position(i, &reference.ty.shape),
            got: got[i],
            expected: reference.value[i],
            bound: reference.bound[i],
        }),
        max_abs_error: total.max_abs_error,
        rms_error: (total.squares / decided.max(1) as f64).sqrt(),
        max_ratio: total.worst.map_or(0.0, |(ratio, _)| ratio),
        mismatches: total.mismatches,
        nan_or_inf: total.nan_or_inf,
        undecided: total.undecided,
        atypical: total.atypical,
        typical_ratio: total.typical_ratio,
        elements: got.len(),
    })
}

fn check(got: &[f64], reference: &Array, opts: &CompareOptions) -> Result<(), CompareError> {
    let expected = reference.ty.elements();
    let typical = reference.typical.as_ref().map_or(expected, Vec::len);
    if [reference.value.len(), reference.bound.len(), typical] != [expected; 3] {
        return Err(CompareError::Reference {
            ty: reference.ty.to_string(),
            values: reference.value.len(),
            bounds: reference.bound.len(),
        });
    }
    // This refuses an empty output too, unless the reference really has no elements.
    if got.len() != expected {
        let ty = reference.ty.to_string();
        return Err(CompareError::Length {
            got: got.len(),
            expected,
            ty,
        });
    }
    for (name, tolerance) in [("atol", opts.atol), ("rtol", opts.rtol)] {
        if tolerance.is_some_and(|t| !(t.is_finite() && t >= 0.0)) {
            return Err(CompareError::Tolerance { name });
        }
    }
    Ok(())
}

fn element(i: usize, got: f64, reference: &Array, user: Option<(f64, f64)>) -> Tally {
    let (value, bound) = (reference.value[i], reference.bound[i]);
    let largest = reference.ty.dtype.max_finite();
    let error = (got - value).abs();
    let ratio = |inside: bool| match (inside, error) {
        (true, e) if e == 0.0 || !e.is_finite() => 0.0,
        (true, e) => e / bound,
        (false, e) if bound > 0.0 && e.is_finite() => e / bound,
        (false, _) => f64::INFINITY,
    };
    let odd = match reference.typical.as_ref().map(|typical| typical[i]) {
        Some(typical) if error > 0.0 && error.is_finite() && typical < bound => error / typical,
        _ => 0.0,
    };
    // An agreeing infinity has no distance; a disagreeing NaN has an infinite one.
    let distance = |inside: bool| match (inside, error.is_finite()) {
        (_, true) => error,
        (true, false) => 0.0,
        (false, false) => f64::INFINITY,
    };
    let tally = |inside: bool, stray: bool, within_user: bool| Tally {
        mismatches: usize::from(!inside),
        user_mismatches: usize::from(!within_user),
        nan_or_inf: usize::from(stray),
        // The typical size says something about errors inside the bound alone.
        atypical: usize::from(inside && odd > 1.0),
        typical_ratio: if inside { odd } else { 0.0 },
        undecided: 0,
        max_abs_error: distance(inside),
        squares: distance(inside).powi(2),
        worst: Some((ratio(inside), i)),
    };
    if value.is_nan() {
        return Tally {
            undecided: 1,
            ..Tally::EMPTY
        };
    }
    if value.abs() > largest {
        let inside = got.signum() == value.signum() && got.abs() >= largest / 2.0;
        return tally(inside, got.is_nan(), inside);
    }
    if bound.is_infinite() || bound.is_nan() {
        return Tally {
            undecided: 1,
            ..Tally::EMPTY
        };
    }
    if !got.is_finite() {
        // Rounding near the top of the range may carry over into infinity.
        let carried =
            got.is_infinite() && got.signum() == value.signum() && value.abs() + bound > largest;
        return tally(carried, !carried, carried);
    }
    let within_user = user.is_none_or(|(atol, rtol)| error <= atol + rtol * value.abs());
    tally(error <= bound, false, within_user)
}

impl Tally {
    const EMPTY: Tally = Tally {
        mismatches: 0,
        user_mismatches: 0,
        nan_or_inf: 0,
        undecided: 0,
        atypical: 0,
        typical_ratio: 0.0,
        max_abs_error: 0.0,
        squares: 0.0,
        worst: None,
    };

    fn merge(a: Tally, b: Tally) -> Tally {
        Tally {
            mismatches: a.mismatches + b.mismatches,
            user_mismatches: a.user_mismatches + b.user_mismatches,
            nan_or_inf: a.nan_or_inf + b.nan_or_inf,
            undecided: a.undecided + b.undecided,
            atypical: a.atypical + b.atypical,
            typical_ratio: a.typical_ratio.max(b.typical_ratio),
            // Neither operand is ever NaN.
            max_abs_error: a.max_abs_error.max(b.max_abs_error),
            squares: a.squares + b.squares,
            worst: match (a.worst, b.worst) {
                (Some(x), Some(y)) => Some(if y.0 > x.0 { y } else { x }),
                (x, y) => x.or(y),
            },
        }
    }
}

fn position(flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    let mut rest = flat;
    for d in (0..shape.len()).rev() {
        index[d] = rest % shape[d];
        rest /= shape[d];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::program::TensorType;

    fn reference(dtype: DType, value: &[f64], bound: &[f64]) -> Array {
        let ty = TensorType::new(dtype, &[value.len()]);
        Array {
            ty,
            value: value.to_vec(),
            bound: bound.to_vec(),
            typical: None,
        }
    }

    fn run(got: &[f64], value: &[f64], bound: &[f64]) -> Comparison {
        let reference = reference(DType::F32, value, bound);
        compare(got, &reference, &CompareOptions::default()).expect("lengths agree")
    }

    #[test]
    fn nan_and_inf_are_refused_whatever_the_others_do() {
        for stray in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for at in 0..3 {
                let mut got = [1.0, 2.0, 3.0];
                got[at] = stray;
                let c = run(&got, &[1.0, 2.0, 3.0], &[1e30; 3]);
                assert!(!c.passed && c.nan_or_inf == 1 && c.mismatches == 1);
                assert_eq!(c.worst.expect("one element").index, [at]);
                assert_eq!(c.max_abs_error, f64::INFINITY);
            }
        }
    }

    #[test]
    fn the_last_element_counts() {
        let n = 10_000;
        let mut got = vec![1.0; n];
        got[n - 1] = 1.1;
        let c = run(&got, &vec![1.0; n], &vec![0.01; n]);
        assert_eq!((c.passed, c.mismatches), (false, 1));
        assert!((c.max_ratio - 10.0).abs() < 1e-9);
    }

    #[test]
    fn norms_are_of_decided_elements_in_one_order() {
        let c = run(
            &[1.5, 2.0, 9.0],
            &[1.0, 1.0, 5.0],
            &[1.0, 1.0, f64::INFINITY],
        );
        assert_eq!(c.max_abs_error, 1.0);
        assert_eq!(c.rms_error, (1.25_f64 / 2.0).sqrt());
        let got: Vec<f64> = (0..100_000).map(|i| 1.0 / f64::from(i + 3)).collect();
        let zeros = vec![0.0; got.len()];
        let bounds = vec![1.0; got.len()];
        let first = run(&got, &zeros, &bounds).rms_error;
        assert!((0..8).all(|_| run(&got, &zeros, &bounds).rms_error == first));
    }

    #[test]
    fn a_zero_bound_means_equality() {
        assert!(run(&[2.0], &[2.0], &[0.0]).passed);
        let c = run(&[2.0 + 1e-12], &[2.0], &[0.0]);
        assert!(!c.passed && c.max_ratio == f64::INFINITY);
    }

    #[test]
    fn lengths_and_emptiness() {
        let one = reference(DType::F32, &[1.0], &[0.0]);
        let none = reference(DType::F32, &[], &[]);
        let opts = CompareOptions::default();
        assert!(matches!(
            compare(&[], &one, &opts),
            Err(CompareError::Length { got: 0, .. })
        ));
        assert!(compare(&[1.0, 1.0], &one, &opts).is_err());
        assert!(compare(&[], &none, &opts).expect("both empty").passed);
    }

    #[test]
    fn user_tolerances_only_tighten() {
        let r = reference(DType::F32, &[1.0], &[0.1]);
        let with = |got: f64, atol| {
            let opts = CompareOptions {
                atol: Some(atol),
                rtol: None,
            };
            compare(&[got], &r, &opts).expect("lengths agree").outcome
        };
        assert_eq!(with(1.05, 0.2), Outcome::Passed);
        assert_eq!(with(1.05, 0.01), Outcome::OutsideUser);
        assert_eq!(with(1.5, 1.0), Outcome::OnlyWithinUser);
        assert_eq!(with(1.5, 0.2), Outcome::Outside);
        assert_eq!(with(f64::NAN, 1e300), Outcome::Outside);
        let bad = CompareOptions {
            atol: Some(f64::NAN),
            rtol: None,
        };
        assert!(compare(&[1.0], &r, &bad).is_err());
    }

    #[test]
    fn overflow_wants_the_same_infinity_or_nearly_the_maximum() {
        let r = reference(DType::F16, &[7e4], &[f64::INFINITY]);
        let pass = |got| {
            compare(&[got], &r, &CompareOptions::default())
                .expect("length")
                .passed
        };
        assert!(pass(f64::INFINITY) && pass(65504.0));
        assert!(!pass(f64::NEG_INFINITY) && !pass(0.0) && !pass(f64::NAN));
        let absent = reference(DType::F32, &[f64::NEG_INFINITY], &[0.0]);
        let c = compare(&[-3.4e38], &absent, &CompareOptions::default()).expect("length");
        assert!(c.passed);
    }

    #[test]
    fn nothing_decided_is_not_a_pass() {
        let c = run(&[1.0, 2.0], &[5.0, f64::NAN], &[f64::INFINITY; 2]);
        assert_eq!((c.outcome, c.undecided), (Outcome::Undecided, 2));
        let c = run(&[1.0, 2.0], &[5.0, 2.0], &[f64::INFINITY, 0.0]);
        assert_eq!((c.outcome, c.undecided), (Outcome::Passed, 1));
    }
}
