//! `kforge.rope`: rules C1-C5; at position 0 every angle is 0, so `x` stays.

use melior::ir::{Attribute, attribute::DenseElementsAttribute};

use super::{
    Folded,
    rules::{self, ensure},
};
use crate::{
    Rope, RopeSignature, TensorType, Violation,
    types::{size_text, sizes_agree},
};

pub(crate) fn infer(op: &RopeSignature) -> Result<TensorType, Violation> {
    let x = &op.x;
    ensure(x.rank() == 4, "C1", || {
        format!("operand 'x' is {x}, expected rank 4: [batch, heads, sequence, size]")
    })?;
    let size = x.dims[3];
    ensure(
        size.is_none_or(|size| size % 2 == 0 && size > 0),
        "C2",
        || format!("head size {} is not even", size_text(size)),
    )?;
    let positions = &op.positions;
    match positions.rank() {
        1 => rules::shape("C3", "positions", positions, &[x.dims[2]])?,
        _ => rules::shape("C3", "positions", positions, &[x.dims[0], x.dims[2]])?,
    }
    if let Some(inv_freq) = &op.inv_freq {
        let fits = inv_freq.rank() == 1
            && match (inv_freq.dims[0], size) {
                (Some(pairs), Some(size)) => pairs >= 1 && 2 * pairs <= size,
                (pairs, _) => sizes_agree(pairs, None),
            };
        ensure(fits, "C4", || {
            format!(
                "operand 'inv_freq' is {inv_freq}, expected 1 to {}/2 elements",
                size_text(size)
            )
        })?;
    }
    ensure(op.theta.is_finite() && op.theta > 0.0, "C5", || {
        format!("theta {} must be finite and positive", op.theta)
    })?;
    Ok(x.clone())
}

pub(crate) fn fold<'c, 'a>(
    op: Rope<'c, 'a>,
    operands: &[Option<Attribute<'c>>],
) -> Option<Folded<'c, 'a>> {
    // An infinite inverse frequency times 0 would be NaN.
    if op.inv_freq().is_some() {
        return None;
    }
    let positions = DenseElementsAttribute::try_from((*operands.get(1)?)?).ok()?;
    if !positions.is_splat() || positions.i32_splat_value() != 0 {
        return None;
    }
    op.x().ok().map(Folded::Value)
}
