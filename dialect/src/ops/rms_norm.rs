//! `kforge.rms_norm`: rules C1-C5.

use super::rules;
use crate::{RmsNormSignature, TensorType, Violation};

pub(crate) fn infer(op: &RmsNormSignature) -> Result<TensorType, Violation> {
    let axis = rules::axis("C1", op.axis, op.x.rank())?;
    rules::not_empty("C2", axis, &op.x)?;
    rules::same_elements("C3", ("x", &op.x), &[("gamma", op.gamma.as_ref())])?;
    if let Some(gamma) = &op.gamma {
        rules::shape("C4", "gamma", gamma, &[op.x.dims[axis]])?;
    }
    rules::epsilon("C5", op.epsilon)?;
    Ok(op.x.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn norm(dims: &[u64]) -> RmsNormSignature {
        RmsNormSignature {
            x: TensorType::fixed(dims, Element::F32),
            gamma: None,
            axis: -1,
            epsilon: 1e-5,
        }
    }

    fn rule(op: &RmsNormSignature) -> &'static str {
        infer(op).unwrap_err().rule
    }

    #[test]
    fn axis_out_of_range_c1() {
        let mut op = norm(&[3, 4]);
        op.axis = 2;
        assert_eq!(rule(&op), "C1");
    }

    #[test]
    fn empty_axis_c2() {
        assert_eq!(rule(&norm(&[3, 0])), "C2");
    }

    #[test]
    fn mixed_elements_c3() {
        let mut op = norm(&[3, 4]);
        op.gamma = Some(TensorType::fixed(&[4], Element::F16));
        assert_eq!(rule(&op), "C3");
    }

    #[test]
    fn gamma_shape_c4() {
        let mut op = norm(&[3, 4]);
        op.gamma = Some(TensorType::fixed(&[3], Element::F32));
        assert_eq!(rule(&op), "C4");
        op.axis = -2;
        assert!(infer(&op).is_ok());
    }

    #[test]
    fn epsilon_negative_c5() {
        let mut op = norm(&[3, 4]);
        op.epsilon = -1.0;
        assert_eq!(rule(&op), "C5");
    }
}
