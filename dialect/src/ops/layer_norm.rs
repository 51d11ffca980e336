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
