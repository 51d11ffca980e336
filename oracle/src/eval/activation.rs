//! Activation functions: value and error of one element.
//!
//! # Bounds, for an argument x with error e
//! - relu: exact; e, and 0 where x + e <= 0.
//! - tanh: Lipschitz 1, so e + 1e-5.
//! - gelu: the derivative is at most 1.129 in magnitude; own error |x|/2·2^-20 for erf (which
//!   also covers the rounding of x/√2: it moves erf by at most 0.5u) and 4u|y| for the rest.
//! - gelu_tanh: derivative at most 1.13; the argument z of tanh carries 6u relative error
//!   (three products, a sum, two constants), which moves tanh by at most 6u·max z·sech²z < 3u;
//!   own error |x|/2·(1e-5 + 3u) + 4u|y|.
//! - silu: derivative at most 1.1. σ = 1/(1 + exp(-x)) has relative error
//!   (1-σ)·(6 + 4|x|)u from exp, u from the sum, 5u from the division; x·σ or x/(1+...) one
//!   more. Where exp(-x) overflows the result is 0 and y is below 2^-119 in magnitude.

use crate::model::{ERF_ABSOLUTE, Model, TANH_ABSOLUTE};
use crate::op::ActivationKind;

const GELU_SLOPE: f64 = 1.13;
const SILU_SLOPE: f64 = 1.1;

pub(crate) fn activation(kind: ActivationKind, x: f64, e: f64, model: &Model) -> (f64, f64) {
    let u = model.unit;
    let reach = x.abs() + e;
    match kind {
        ActivationKind::Relu => {
            // Not f64::max, which would turn NaN into 0.
            let y = if x < 0.0 { 0.0 } else { x };
            (y, if x + e <= 0.0 { 0.0 } else { e })
        }
        ActivationKind::Tanh => (x.tanh(), e.min(2.0) + model.absolute(TANH_ABSOLUTE)),
        ActivationKind::Gelu => {
            // erfc keeps the digits that 1 + erf loses for negative x.
            let y = 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
            let moved = GELU_SLOPE * e;
            let own = 0.5 * reach * model.absolute(ERF_ABSOLUTE) + 4.0 * u * (y.abs() + moved);
            (y, moved + own)
        }
        ActivationKind::GeluTanh => {
            let z = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            // 1 + tanh z = 2 / (1 + exp(-2z)), without its cancellation.
            let y = x / (1.0 + (-2.0 * z).exp());
            let moved = GELU_SLOPE * e;
            let own = 0.5 * reach * (model.absolute(TANH_ABSOLUTE) + 3.0 * u)
                + 4.0 * u * (y.abs() + moved);
            (y, moved + own)
        }
        ActivationKind::Silu => {
            let y = x / (1.0 + (-x).exp());
            let complement = 1.0 / (1.0 + (x - e).exp());
            let moved = SILU_SLOPE * e;
            let relative = complement * model.exp_relative(reach) + 7.0 * u;
            let underflow = if model.device { 2f64.powi(-118) } else { 0.0 };
            (y, moved + (y.abs() + moved) * relative + underflow)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rounding;

    #[test]
    fn values_match_published_ones() {
        let m = Model::new(Rounding::Device);
        let close = |kind, x: f64, want: f64| {
            let (y, _) = activation(kind, x, 0.0, &m);
            assert!((y - want).abs() < 1e-12, "{kind:?}({x}) = {y}, want {want}");
        };
        close(ActivationKind::Gelu, 1.0, 0.841344746068543);
        close(ActivationKind::Gelu, -1.0, -0.158655253931457);
        close(ActivationKind::GeluTanh, 1.0, 0.841191990608307);
        close(ActivationKind::Silu, 1.0, 0.731058578630005);
        close(ActivationKind::Silu, -2.0, -0.238405844044235);
        close(ActivationKind::Relu, -3.0, 0.0);
        close(ActivationKind::Tanh, 0.5, 0.462117157260010);
    }

    #[test]
    fn slopes_bound_the_derivatives() {
        let m = Model::new(Rounding::None);
        for (kind, slope) in [
            (ActivationKind::Gelu, GELU_SLOPE),
            (ActivationKind::GeluTanh, GELU_SLOPE),
            (ActivationKind::Silu, SILU_SLOPE),
        ] {
            for i in -80_000..80_000 {
                let x = i as f64 * 1e-4;
                let at = |x| activation(kind, x, 0.0, &m).0;
                let derivative = (at(x + 1e-6) - at(x - 1e-6)) / 2e-6;
                assert!(derivative.abs() < slope, "{kind:?}' ({x}) = {derivative}");
            }
        }
    }

    #[test]
    fn relu_keeps_nan_and_zeroes_the_bound_left_of_zero() {
        let m = Model::new(Rounding::Device);
        assert!(
            activation(ActivationKind::Relu, f64::NAN, 0.0, &m)
                .0
                .is_nan()
        );
        assert_eq!(activation(ActivationKind::Relu, -2.0, 1.0, &m), (0.0, 0.0));
    }
}
