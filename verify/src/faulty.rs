//! How a comparison goes wrong under each fault. Without one everything passes through
//! unchanged.

use std::borrow::Cow;

use kforge_oracle::{Array, Comparison, Outcome};

use crate::{Fault, Faults};

/// What was computed, as a faulty comparison sees it.
pub fn outputs(mut got: Vec<f64>, reference: &Array, faults: Faults) -> Vec<f64> {
    if faults.has(Fault::NanPasses) {
        for (got, expected) in got.iter_mut().zip(&reference.value) {
            if got.is_nan() {
                *got = *expected;
            }
        }
    }
    if faults.has(Fault::LastRowSkipped) {
        let row = reference.ty.shape.last().copied().unwrap_or(1);
        let start = got.len().saturating_sub(row);
        for (got, expected) in got.iter_mut().zip(&reference.value).skip(start) {
            *got = *expected;
        }
    }
    got
}

/// What must be computed, with the bounds that a faulty gate derives.
pub fn reference(reference: &Array, faults: Faults) -> Cow<'_, Array> {
    let factor = match () {
        () if faults.has(Fault::BoundTimes1000) => 1e3,
        () if faults.has(Fault::BoundByAMillion) => 1e-6,
        () => return Cow::Borrowed(reference),
    };
    let mut scaled = reference.clone();
    for bound in &mut scaled.bound {
        *bound *= factor;
    }
    Cow::Owned(scaled)
}

/// What is made of a comparison: by its norm alone, errors of few elements vanish.
pub fn comparison(mut found: Comparison, reference: &Array, faults: Faults) -> Comparison {
    if faults.has(Fault::NormOnly) && found.outcome != Outcome::Passed {
        let squares: f64 = reference.value.iter().map(|value| value * value).sum();
        let norm = (squares / reference.value.len().max(1) as f64).sqrt();
        if found.rms_error <= 1e-2 * norm {
            found.outcome = Outcome::Passed;
            found.passed = true;
        }
    }
    found
}
