//! `Model`: what one correct device operation may lose.
//!
//! # The device model
//! A correct kernel computes in f32 with the accuracy WGSL demands ("Floating Point
//! Accuracy", WGSL section 15.7.4), in any order, with or without fused multiply-add, and
//! stores each op's result once in its element type. u = 2^-24 is the f32 unit roundoff:
//! every desktop and mobile driver rounds f32 arithmetic to nearest. 1 ULP <= 2u relative.
//! gamma_n = n·u / (1 - n·u) bounds n roundings in any order (Higham, *Accuracy and
//! Stability of Numerical Algorithms*, 2nd ed., lemma 3.1).
//!
//! Storing to f16 or bf16 may round in either direction (WGSL 15.7.4 leaves the rounding
//! mode open, and some drivers truncate), so it costs up to one spacing, not half of one.
//! A result the type holds exactly costs nothing. Anything below the normal range may be
//! flushed to zero.
//!
//! # Function errors (f32)
//! | function | bound | source |
//! |---|---|---|
//! | + - · fma | u | WGSL: correctly rounded |
//! | / | 2.5 ULP = 5u | WGSL |
//! | exp, exp2 | (3 + 2·abs(x)) ULP | WGSL |
//! | log, log2 | 2^-21 on [0.5, 2], else 3 ULP | WGSL |
//! | inverseSqrt | 2 ULP = 4u | WGSL |
//! | sqrt | 1/inverseSqrt: 9u | WGSL |
//! | tanh | 1e-5 absolute | WGSL |
//! | sin, cos | 2^-11 absolute, plus 3u·abs(x) for the reduction of the argument to [-π, π], where WGSL's guarantee ends | WGSL, or what a device was measured to do: [`EvalOptions::sin_cos`](crate::EvalOptions::sin_cos) |
//! | erf | 2^-20 absolute | not in WGSL: 1.5e-7 method error of Abramowitz-Stegun 7.1.26 plus f32 rounding of its polynomial and exp(-x²), at most 8e-7 |
//!
//! # `Rounding::None`
//! The same machinery with unit 1e-12 and no storage: the bound is then what another order
//! of f64 operations may move (f64's own unit is 1.1e-16, the rest is room), so that two
//! programs of the same meaning can be told from two of different meaning.

use crate::dtype::DType;

/// Absolute error allowed for erf.
pub const ERF_ABSOLUTE: f64 = 9.5367431640625e-7;
/// Absolute error allowed for tanh.
pub const TANH_ABSOLUTE: f64 = 1e-5;
/// Absolute error allowed for sin and cos of a reduced argument: 2^-11.
pub const SIN_COS_ABSOLUTE: f64 = 4.8828125e-4;
/// Absolute error of log and log2 on [0.5, 2]: 2^-21.
pub const LOG_ABSOLUTE: f64 = 4.76837158203125e-7;
/// Unit of `Rounding::None`.
pub const EXACT_UNIT: f64 = 1e-12;

const F32_UNIT: f64 = 5.960464477539063e-8;

/// Whose rounding the bounds describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// A correct device kernel per op, one storage rounding per op result.
    Device,
    /// No device: only what the order of f64 operations may move (see the module docs).
    None,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub unit: f64,
    pub device: bool,
    /// Absolute error of a device's sine and cosine.
    pub sin_cos: f64,
}

impl Model {
    pub fn new(rounding: Rounding) -> Self {
        match rounding {
            Rounding::Device => Model {
                unit: F32_UNIT,
                device: true,
                sin_cos: SIN_COS_ABSOLUTE,
            },
            Rounding::None => Model {
                unit: EXACT_UNIT,
                device: false,
                sin_cos: SIN_COS_ABSOLUTE,
            },
        }
    }

    /// Relative bound of n roundings; infinite (vacuous) once n·u reaches 1.
    pub fn gamma(&self, n: usize) -> f64 {
        let nu = n as f64 * self.unit;
        if nu >= 1.0 {
            f64::INFINITY
        } else {
            nu / (1.0 - nu)
        }
    }

    /// An absolute function error of the device; in f64 a few units of order one.
    pub fn absolute(&self, device: f64) -> f64 {
        if self.device { device } else { 8.0 * self.unit }
    }

    /// Relative error of exp or exp2 whose argument is at most `x` in magnitude:
    /// (3 + 2x) ULP.
    pub fn exp_relative(&self, x: f64) -> f64 {
        2.0 * (3.0 + 2.0 * x) * self.unit
    }

    /// Error of one correctly rounded f32 operation with exact result `value`, whose
    /// operands' errors can move it by `propagated`. Zero when nothing is rounded.
    pub fn rounded(&self, value: f64, propagated: f64) -> f64 {
        if propagated == 0.0 && DType::F32.holds(value) {
            0.0
        } else {
            propagated + self.unit * (value.abs() + propagated)
        }
    }

    /// Value and bound after storing in `dtype` a result that is `error` away from `value`.
    /// An out-of-range value of unknown error becomes NaN, which is undecided; with a known
    /// error it stays, and the infinite bound tells later ops that the device may hold Inf.
    pub fn store(&self, dtype: DType, value: f64, error: f64) -> (f64, f64) {
        if error.is_nan() || value.is_nan() {
            return (value, f64::INFINITY);
        }
        // An infinity that came in as one (a mask) is a value like another.
        if !self.device || !dtype.is_float() || value.is_infinite() && error == 0.0 {
            return (value, error);
        }
        if value.abs() > dtype.max_finite() {
            let known = error < value.abs() - dtype.max_finite() || error == 0.0;
            return (if known { value } else { f64::NAN }, f64::INFINITY);
        }
        let reach = value.abs() + error;
        let stored = match dtype {
            _ if error == 0.0 && dtype.holds(value) => 0.0,
            // An f32 result has been rounded by its last operation already.
            DType::F32 if error > 0.0 => error,
            _ => error + dtype.spacing(reach),
        };
        let may_flush = reach > 0.0 && value.abs() - error < dtype.min_normal();
        (
            value,
            if may_flush {
                stored + dtype.min_normal()
            } else {
                stored
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_results_cost_nothing() {
        let m = Model::new(Rounding::Device);
        assert_eq!(m.store(DType::F16, 2048.0, m.rounded(2048.0, 0.0)).1, 0.0);
        assert_eq!(m.store(DType::F32, 0.0, 0.0).1, 0.0);
        assert!(m.store(DType::F16, 2049.0, m.rounded(2049.0, 0.0)).1 >= 1.0);
        assert!(m.store(DType::F32, 0.1, m.rounded(0.1, 0.0)).1 > 0.0);
    }

    #[test]
    fn overflow_and_nan_become_infinite_bounds_never_nan() {
        let m = Model::new(Rounding::Device);
        assert_eq!(m.store(DType::F16, 7e4, 0.0), (7e4, f64::INFINITY));
        assert_eq!(m.store(DType::F32, f64::NAN, 0.0).1, f64::INFINITY);
        assert_eq!(m.store(DType::F32, 1.0, f64::NAN).1, f64::INFINITY);
        let mask = m.store(DType::F32, f64::NEG_INFINITY, 0.0);
        assert_eq!(mask, (f64::NEG_INFINITY, 0.0));
        assert!(m.store(DType::F16, 7e4, f64::INFINITY).0.is_nan());
        assert_eq!(m.gamma(1 << 24), f64::INFINITY);
    }
}
