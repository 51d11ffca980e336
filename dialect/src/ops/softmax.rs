//! `kforge.softmax`: rules C1-C2; folds a splat to 1/n.

use melior::{
    Context,
    ir::{Attribute, attribute::DenseElementsAttribute},
};

use super::{Folded, rounded, rules};
use crate::{Softmax, SoftmaxSignature, TensorType, Violation, ir};

pub(crate) fn infer(op: &SoftmaxSignature) -> Result<TensorType, Violation> {
    let axis = rules::axis("C1", op.axis, op.x.rank())?;
    rules::not_empty("C2", axis, &op.x)?;
    Ok(op.x.clone())
}

/// All elements equal and finite: every result element is 1/n, correctly
/// rounded. NaN and infinities stay, since inf - inf is NaN.
pub(crate) fn fold<'c, 'a>(
    context: &'c Context,
    op: Softmax<'c, 'a>,
    operands: &[Option<Attribute<'c>>],
) -> Option<Folded<'c, 'a>> {
    let signature = op.signature()?;
    let constant = DenseElementsAttribute::try_from((*operands.first()?)?).ok()?;
    if !constant.is_splat() || !ir::splat_f64(&constant)?.is_finite() {
        return None;
    }
    let axis = rules::axis("C1", signature.axis, signature.x.rank()).ok()?;
    signature.x.sizes()?;
    let n = signature.x.dims[axis]?;
    let value = rounded(1.0 / n as f64, signature.x.element);
    Some(Folded::Attribute(ir::splat_attribute(
        context,
        &signature.x,
        value,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn signature(axis: i64, dims: &[u64]) -> SoftmaxSignature {
        SoftmaxSignature {
            x: TensorType::fixed(dims, Element::F32),
            axis,
        }
    }

    #[test]
    fn axis_out_of_range_c1() {
        assert_eq!(infer(&signature(2, &[3, 4])).unwrap_err().rule, "C1");
        assert!(infer(&signature(-2, &[3, 4])).is_ok());
    }

    #[test]
    fn empty_axis_c2() {
        assert_eq!(infer(&signature(1, &[3, 0])).unwrap_err().rule, "C2");
        assert!(infer(&signature(0, &[3, 0])).is_ok());
    }
}
