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
