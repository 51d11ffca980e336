//! `kforge.layer_norm`: rules C1-C5.

use super::rules;
use crate::{LayerNormSignature, TensorType, Violation};

pub(crate) fn infer(op: &LayerNormSignature) -> Result<TensorType, Violation> {
    let axis = rules::axis("C1", op.axis, op.x.rank())?;
    rules::not_empty("C2", axis, &op.x)?;
    let parameters = [("gamma", op.gamma.as_ref()), ("beta", op.beta.as_ref())];
    rules::same_elements("C3", ("x", &op.x), &parameters)?;
    for (name, ty) in parameters {
        if let Some(ty) = ty {
            rules::shape("C4", name, ty, &[op.x.dims[axis]])?;
        }
    }
    rules::epsilon("C5", op.epsilon)?;
    Ok(op.x.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn norm(dims: &[u64]) -> LayerNormSignature {
        LayerNormSignature {
            x: TensorType::fixed(dims, Element::F32),
            gamma: None,
            beta: None,
            axis: -1,
            epsilon: 1e-5,
        }
    }

    fn rule(op: &LayerNormSignature) -> &'static str {
        infer(op).unwrap_err().rule
    }

    #[test]
    fn axis_out_of_range_c1() {
        let mut op = norm(&[3, 4]);
        op.axis = -3;
        assert_eq!(rule(&op), "C1");
        assert_eq!(rule(&norm(&[])), "C1");
    }

    #[test]
    fn empty_axis_c2() {
        assert_eq!(rule(&norm(&[3, 0])), "C2");
        assert!(infer(&norm(&[0, 3])).is_ok());
    }

    #[test]
    fn mixed_elements_c3() {
        let mut op = norm(&[3, 4]);
        op.beta = Some(TensorType::fixed(&[4], Element::F16));
        assert_eq!(rule(&op), "C3");
    }

    #[test]
    fn parameter_shape_c4() {
        let mut op = norm(&[3, 4]);
        op.gamma = Some(TensorType::fixed(&[3], Element::F32));
        assert_eq!(rule(&op), "C4");
        op.axis = 0;
        assert!(infer(&op).is_ok());
        op.beta = Some(TensorType::fixed(&[3, 1], Element::F32));
        assert_eq!(rule(&op), "C4");
    }

    #[test]
    fn epsilon_negative_or_nan_c5() {
        for epsilon in [-1e-9, f32::NAN, f32::INFINITY] {
            let mut op = norm(&[3, 4]);
            op.epsilon = epsilon;
            assert_eq!(rule(&op), "C5");
        }
    }
}
