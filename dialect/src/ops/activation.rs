//! `kforge.activation`: no rule beyond its operand; `none` folds to `x`.

use super::Folded;
use crate::{Activation, ActivationKind, ActivationSignature, TensorType, Violation};

pub(crate) fn infer(op: &ActivationSignature) -> Result<TensorType, Violation> {
    Ok(op.x.clone())
}

pub(crate) fn fold<'c, 'a>(op: Activation<'c, 'a>) -> Option<Folded<'c, 'a>> {
    (op.kind() == ActivationKind::None)
        .then(|| op.x().ok())
        .flatten()
        .map(Folded::Value)
}
