//! Activations alone and behind a product: slope times the argument's error, and their own.

use kforge_oracle::*;

use crate::{Pair, U, X, one, one_as, same};

pub const KINDS: [ActivationKind; 5] = [
    ActivationKind::Relu,
    ActivationKind::Tanh,
    ActivationKind::Gelu,
    ActivationKind::GeluTanh,
    ActivationKind::Silu,
];

/// Value and bound of an activation of `x` that is `e` off.
pub fn expected(kind: ActivationKind, x: f64, e: f64) -> Pair {
    let reach = x.abs() + e;
    match kind {
        ActivationKind::Relu => (x.max(0.0), if x + e > 0.0 { e } else { 0.0 }),
        ActivationKind::Tanh => (x.tanh(), e.min(2.0) + 1e-5),
        ActivationKind::Gelu => {
            let y = x * (1.0 + libm_erf(x / 2f64.sqrt())) / 2.0;
            let slope = 1.13 * e;
            let erf = reach / 2.0 * 0.5f64.powi(20);
            (y, slope + erf + 4.0 * U * (y.abs() + slope))
        }
        ActivationKind::GeluTanh => {
            let z = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            let y = x * (1.0 + z.tanh()) / 2.0;
            let slope = 1.13 * e;
            let tanh = reach / 2.0 * (1e-5 + 3.0 * U);
            (y, slope + tanh + 4.0 * U * (y.abs() + slope))
        }
        ActivationKind::Silu => {
            let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
            let y = x * sigma(x);
            let slope = 1.1 * e;
            // What is left of 1 is largest at the low end, exp's argument at the far one.
            let left = 1.0 - sigma(x - e);
            let relative = left * (6.0 + 4.0 * reach) * U + (1.0 + 5.0 + 1.0) * U;
            (y, slope + (y.abs() + slope) * relative + 0.5f64.powi(118))
        }
    }
}

/// erf by its series: enough for arguments up to 4.
fn libm_erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn bounds_of_every_activation() {
    for kind in KINDS {
        for x in [-2.75, -1.0, -0.375, 0.0, 0.625, 1.5, 3.25] {
            for e in [0.0, 0.125, 0.75, 2.5] {
                let (value, bound) = expected(kind, x, e);
                let (y, got) = one(&[(x, e)], Op::Activation { x: X, kind });
                assert!((y - value).abs() < 1e-13, "{kind:?} {x}: {y} {value}");
                // The value's own cancellation in f64 is far below what is compared here.
                let near = (got - bound).abs() <= 1e-10 * bound + 1e-20;
                assert!(near, "{kind:?} {x} {e}: {got:e} {bound:e}");
            }
        }
    }
}

#[test]
fn relu_is_exact_up_to_its_kink() {
    let relu = |x, e| {
        let kind = ActivationKind::Relu;
        one(&[(x, e)], Op::Activation { x: X, kind })
    };
    assert_eq!(relu(-0.5, 0.5), (0.0, 0.0));
    assert_eq!(relu(0.0, 0.0), (0.0, 0.0));
    assert_eq!(relu(-0.5, 0.625).0, 0.0);
    same(relu(-0.5, 0.625).1, 0.625, "across the kink");
}

#[test]
fn without_a_device_the_functions_are_eight_units_off() {
    let unit = 1e-12;
    let of = |kind| one_as(Rounding::None, &[(2.0, 0.0)], Op::Activation { x: X, kind });
    let (_, tanh) = of(ActivationKind::Tanh);
    same(tanh, 8.0 * unit, "tanh");
    let (y, gelu) = of(ActivationKind::Gelu);
    same(gelu, 8.0 * unit + 4.0 * unit * y, "gelu");
    let (y, gelu) = of(ActivationKind::GeluTanh);
    same(gelu, 8.0 * unit + 3.0 * unit + 4.0 * unit * y, "gelu_tanh");
    let (y, silu) = of(ActivationKind::Silu);
    let left = 1.0 - y / 2.0;
    let want = y * (left * (6.0 + 4.0 * 2.0) + 7.0) * unit;
    assert!((silu - want).abs() < 1e-9 * want, "silu: {silu:e} {want:e}");
}
