//! `kforge.activation`: no rule beyond its operand; `none` folds to `x`, a finite
//! splat to the function's value.

use melior::{
    Context,
    ir::{Attribute, attribute::DenseElementsAttribute},
};

use super::{Folded, rounded};
use crate::{Activation, ActivationKind, ActivationSignature, TensorType, Violation, ir};

pub(crate) fn infer(op: &ActivationSignature) -> Result<TensorType, Violation> {
    Ok(op.x.clone())
}

/// NaN and infinities stay: gelu(-inf) is -inf·0.
pub(crate) fn fold<'c, 'a>(
    context: &'c Context,
    op: Activation<'c, 'a>,
    operands: &[Option<Attribute<'c>>],
) -> Option<Folded<'c, 'a>> {
    if op.kind() == ActivationKind::None {
        return op.x().ok().map(Folded::Value);
    }
    let ty = op.signature()?.x;
    ty.sizes()?;
    let constant = DenseElementsAttribute::try_from((*operands.first()?)?).ok()?;
    if !constant.is_splat() {
        return None;
    }
    let x = ir::splat_f64(&constant).filter(|x| x.is_finite())?;
    let y = rounded(value(op.kind(), x), ty.element);
    Some(Folded::Attribute(ir::splat_attribute(context, &ty, y)))
}

/// The function in f64: its error is far below half a unit of f32, so rounding
/// the value rounds the true one.
fn value(kind: ActivationKind, x: f64) -> f64 {
    use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};
    match kind {
        ActivationKind::None => x,
        ActivationKind::Relu => x.max(0.0),
        // 1 + erf(x/√2) = erfc(-x/√2), without the cancellation.
        ActivationKind::Gelu => 0.5 * x * libm::erfc(-x * FRAC_1_SQRT_2),
        // (1 + tanh z)/2 = 1/(1 + exp(-2z)), likewise.
        ActivationKind::GeluTanh => {
            let z = FRAC_2_PI.sqrt() * (x + 0.044715 * x * x * x);
            x / (1.0 + libm::exp(-2.0 * z))
        }
        ActivationKind::Silu => x / (1.0 + libm::exp(-x)),
        ActivationKind::Tanh => libm::tanh(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    #[test]
    fn values() {
        // Computed with 70 decimal digits.
        let cases = [
            (ActivationKind::Relu, -3.0, 0.0),
            (ActivationKind::Relu, 3.0, 3.0),
            (ActivationKind::Gelu, 1.0, 0.841_344_746_068_542_9),
            (ActivationKind::Gelu, -5.0, -1.433_257_859_395_969_5e-6),
            (ActivationKind::GeluTanh, 1.0, 0.841_191_990_608_276_7),
            (ActivationKind::Silu, 1.0, 0.731_058_578_630_004_9),
            (ActivationKind::Silu, -20.0, -4.122_307_236_380_407e-8),
            (ActivationKind::Tanh, 0.5, 0.462_117_157_260_009_74),
        ];
        for (kind, x, expected) in cases {
            let y = value(kind, x);
            assert!(
                (y - expected).abs() <= 1e-14 * expected.abs(),
                "{kind:?} {x}: {y} {expected}"
            );
        }
        assert_eq!(value(ActivationKind::Silu, -1000.0), 0.0);
    }

    #[test]
    fn rounded_once() {
        assert_eq!(rounded(1.0 / 3.0, Element::F32), f64::from(1.0f32 / 3.0));
        assert_eq!(rounded(1.0 / 3.0, Element::F16), 0.333_251_953_125);
    }
}
