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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn rope(x: &[u64], positions: &[u64]) -> RopeSignature {
        RopeSignature {
            x: TensorType::fixed(x, Element::F32),
            positions: TensorType::fixed(positions, Element::I32),
            inv_freq: None,
            theta: 10000.0,
            interleaved: false,
        }
    }

    fn rule(op: &RopeSignature) -> &'static str {
        infer(op).unwrap_err().rule
    }

    #[test]
    fn rank_three_c1() {
        assert_eq!(rule(&rope(&[4, 5, 8], &[5])), "C1");
    }

    #[test]
    fn odd_or_empty_head_c2() {
        assert_eq!(rule(&rope(&[2, 4, 5, 7], &[5])), "C2");
        assert_eq!(rule(&rope(&[2, 4, 5, 0], &[5])), "C2");
    }

    #[test]
    fn positions_shape_c3() {
        assert!(infer(&rope(&[2, 4, 5, 8], &[2, 5])).is_ok());
        for dims in [&[4][..], &[5, 2], &[], &[2, 4, 5]] {
            assert_eq!(rule(&rope(&[2, 4, 5, 8], dims)), "C3", "{dims:?}");
        }
    }

    #[test]
    fn inv_freq_shape_c4() {
        for (dims, fits) in [
            (&[4][..], true),
            (&[1], true),
            (&[5], false),
            (&[0], false),
            (&[2, 2], false),
        ] {
            let mut op = rope(&[2, 4, 5, 8], &[5]);
            op.inv_freq = Some(TensorType::fixed(dims, Element::F32));
            let broken = infer(&op).err().map(|violation| violation.rule);
            assert_eq!(broken, (!fits).then_some("C4"), "{dims:?}");
        }
    }

    #[test]
    fn theta_not_positive_c5() {
        for theta in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let mut op = rope(&[2, 4, 5, 8], &[5]);
            op.theta = theta;
            assert_eq!(rule(&op), "C5");
        }
    }
}
