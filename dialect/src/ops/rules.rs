//! Rules that several ops share.

use crate::{
    Element, TensorType, Violation,
    types::{size_text, sizes_agree},
};

/// A broken rule.
pub fn broken<T>(rule: &'static str, message: String) -> Result<T, Violation> {
    Err(Violation { rule, message })
}

/// Holds when `condition` does.
pub fn ensure(
    condition: bool,
    rule: &'static str,
    message: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if condition {
        Ok(())
    } else {
        broken(rule, message())
    }
}

/// All given operands have the element type of the first.
pub fn same_elements(
    rule: &'static str,
    first: (&str, &TensorType),
    others: &[(&str, Option<&TensorType>)],
) -> Result<Element, Violation> {
    for (name, ty) in others
        .iter()
        .filter_map(|(name, ty)| ty.map(|ty| (name, ty)))
    {
        ensure(ty.element == first.1.element, rule, || {
            format!(
                "operand '{name}' has element type {}, but '{}' has {}",
                ty.element, first.0, first.1.element
            )
        })?;
    }
    Ok(first.1.element)
}

/// `axis` counted from the front, when it is in range.
pub fn axis(rule: &'static str, axis: i64, rank: usize) -> Result<usize, Violation> {
    let signed = rank as i64;
    ensure((-signed..signed).contains(&axis), rule, || {
        format!("axis {axis} is outside [-{rank}, {rank})")
    })?;
    Ok(axis.rem_euclid(signed) as usize)
}

/// The axis of a reduction is not empty.
pub fn not_empty(rule: &'static str, axis: usize, x: &TensorType) -> Result<(), Violation> {
    ensure(x.dims[axis] != Some(0), rule, || {
        format!("axis {axis} of {x} has no element to reduce")
    })
}

/// An operand has exactly the given shape.
pub fn shape(
    rule: &'static str,
    name: &str,
    ty: &TensorType,
    expected: &[Option<u64>],
) -> Result<(), Violation> {
    let fits = ty.rank() == expected.len()
        && ty
            .dims
            .iter()
            .zip(expected)
            .all(|(a, b)| sizes_agree(*a, *b));
    ensure(fits, rule, || {
        let dims: Vec<String> = expected.iter().map(|size| size_text(*size)).collect();
        format!(
            "operand '{name}' is {ty}, expected shape [{}]",
            dims.join(", ")
        )
    })
}

/// Two sizes agree.
pub fn equal(
    rule: &'static str,
    what: &str,
    a: Option<u64>,
    b: Option<u64>,
) -> Result<(), Violation> {
    ensure(sizes_agree(a, b), rule, || {
        format!("{what}: {} and {}", size_text(a), size_text(b))
    })
}

/// An epsilon is finite and not negative.
pub fn epsilon(rule: &'static str, value: f32) -> Result<(), Violation> {
    ensure(value.is_finite() && value >= 0.0, rule, || {
        format!("epsilon {value} must be finite and not negative")
    })
}
