//! Half precision where a derived bound says nothing: errors against those of a plain kernel.
//!
//! Bounds composed over many ops outgrow the values, or turn infinite where an
//! intermediate might overflow. An element is *vacuous* when its bound is larger than the root
//! mean square of the output's values, so that zero would do as well. Over the vacuous elements the
//! largest and the root mean square error against f64 may be at most 3 times those of
//! [`crate::plain`], the same program in its own types.
//!
//! Says nothing (`None`) for fewer than 64 vacuous elements, too few for statistics; for
//! programs without half precision; and for programs that jump (comparisons, floor, casts to
//! integers), where a correct kernel may take the other side.

use crate::array::Array;
use crate::eval::{Plain, is_half};
use crate::op::{Op, UnaryKind};
use crate::program::Program;

/// How much larger than a plain kernel's error a device's may be.
pub const ALLOWANCE: f64 = 3.0;

/// Vacuous elements below which nothing is said.
const FEWEST: usize = 64;

/// Errors over the vacuous elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlainComparison {
    /// Both errors are within the allowance.
    pub passed: bool,
    /// Elements compared.
    pub elements: usize,
    /// Those of them whose bound was infinite, which nothing else decides.
    pub decided: usize,
    /// Elements that are NaN or infinite where the plain kernel stays far from the end of
    /// the range.
    pub nan_or_inf: usize,
    /// The device's largest error, and what it may be.
    pub max: (f64, f64),
    /// The device's root mean square error, and what it may be.
    pub rms: (f64, f64),
}

/// Whether errors of half precision may be judged by statistics: half-precision values, and no op
/// that jumps.
pub fn is_smooth_half(program: &Program) -> bool {
    let half = |ty: &crate::program::TensorType| is_half(ty.dtype);
    let inputs = program.inputs.iter().any(|input| half(&input.ty));
    let jumps = program.nodes.iter().any(|node| match &node.op {
        Op::Compare { a, .. } => program.type_of(*a).is_some_and(|ty| ty.dtype.is_float()),
        Op::Unary { kind, .. } => matches!(kind, UnaryKind::Floor | UnaryKind::Ceil),
        Op::Cast { x } => {
            !node.ty.dtype.is_float() && program.type_of(*x).is_some_and(|ty| ty.dtype.is_float())
        }
        _ => false,
    });
    !jumps && (inputs || program.nodes.iter().any(|node| half(&node.ty)))
}

/// True when enough elements of `reference` are vacuous to be held against a plain kernel.
pub fn is_vacuous(reference: &Array) -> bool {
    let limit = root_mean_square(reference);
    let vacuous = (0..reference.value.len()).filter(|&i| is_vacuous_at(reference, i, limit));
    vacuous.take(FEWEST).count() == FEWEST
}

/// Compares output `output` of `plain` and the device's `got` by their errors.
pub fn compare_plain(
    got: &[f64],
    reference: &Array,
    plain: &Plain,
    output: usize,
) -> Option<PlainComparison> {
    let plain_values = plain.outputs.get(output)?;
    if got.len() != reference.value.len() || plain_values.len() != got.len() {
        return None;
    }
    let limit = root_mean_square(reference);
    let (mut elements, mut decided, mut nan_or_inf) = (0, 0, 0);
    let (mut max, mut square, mut largest) = ([0.0f64; 2], [0.0; 2], 0.0f64);
    for (i, &value) in reference.value.iter().enumerate() {
        if !is_vacuous_at(reference, i, limit) || !plain_values[i].is_finite() {
            continue;
        }
        if !got[i].is_finite() {
            nan_or_inf += usize::from(plain.roomy);
            continue;
        }
        elements += 1;
        decided += usize::from(reference.bound[i].is_infinite());
        largest = largest.max(value.abs());
        for (side, x) in [got[i], plain_values[i]].into_iter().enumerate() {
            let error = (x - value).abs();
            max[side] = max[side].max(error);
            square[side] += error * error;
        }
    }
    if elements + nan_or_inf < FEWEST {
        return None;
    }
    let rms = square.map(|square| (square / elements.max(1) as f64).sqrt());
    // A plain kernel may be right by luck; one rounding of the result is always allowed.
    let allowed = |plain: f64, size: f64| ALLOWANCE * plain.max(reference.ty.dtype.spacing(size));
    let max = (max[0], allowed(max[1], largest));
    let rms = (rms[0], allowed(rms[1], limit));
    Some(PlainComparison {
        passed: nan_or_inf == 0 && max.0 <= max.1 && rms.0 <= rms.1,
        elements,
        decided,
        nan_or_inf,
        max,
        rms,
    })
}

fn in_range(reference: &Array, value: f64) -> bool {
    value.abs() <= reference.ty.dtype.max_finite()
}

fn is_vacuous_at(reference: &Array, i: usize, limit: f64) -> bool {
    in_range(reference, reference.value[i]) && reference.bound[i] > limit
}

/// Of the values in range; 0 without any.
fn root_mean_square(reference: &Array) -> f64 {
    let values = reference.value.iter().filter(|x| in_range(reference, **x));
    let (count, sum) = values.fold((0usize, 0.0), |(count, sum), x| (count + 1, sum + x * x));
    (sum / count.max(1) as f64).sqrt()
}
