//! Element types and their rounding: unit, spacing, range, representability.
//!
//! Values live in f64 everywhere; a `DType` says which of them a device buffer can hold.
//! i64 values are limited to |x| <= 2^53, beyond which f64 has gaps.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// Element type of a tensor.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// bfloat16: binary32 with 8 significand bits.
    Bf16,
    /// Signed 32-bit integer, wrapping arithmetic.
    I32,
    /// Signed 64-bit integer; the oracle holds |x| <= 2^53.
    I64,
    /// 0 or 1.
    Bool,
}

impl DType {
    /// True for f32, f16 and bf16.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F16 | DType::Bf16)
    }

    /// True for i32 and i64.
    pub fn is_integer(self) -> bool {
        matches!(self, DType::I32 | DType::I64)
    }

    /// Largest finite value.
    pub fn max_finite(self) -> f64 {
        match self {
            DType::F32 => f32::MAX as f64,
            DType::F16 => 65504.0,
            DType::Bf16 => bf16::MAX.to_f64(),
            DType::I32 => i32::MAX as f64,
            DType::I64 => 9007199254740992.0,
            DType::Bool => 1.0,
        }
    }

    /// Smallest positive normal value; WGSL lets a device flush anything smaller to zero.
    pub fn min_normal(self) -> f64 {
        match self {
            DType::F32 | DType::Bf16 => f32::MIN_POSITIVE as f64,
            DType::F16 => 6.103515625e-5,
            DType::I32 | DType::I64 | DType::Bool => 0.0,
        }
    }

    /// Unit roundoff u of round-to-nearest: f32 2^-24, f16 2^-11, bf16 2^-8; 0 for integers.
    pub fn unit(self) -> f64 {
        match self {
            DType::F32 => 5.960464477539063e-8,
            DType::F16 => 4.8828125e-4,
            DType::Bf16 => 3.90625e-3,
            DType::I32 | DType::I64 | DType::Bool => 0.0,
        }
    }

    /// The nearest value of this type (integers: truncated and clamped, bool: nonzero is 1).
    pub fn round(self, value: f64) -> f64 {
        match self {
            DType::F32 => value as f32 as f64,
            DType::F16 => round_f16(value),
            DType::Bf16 => bf16::from_f64(value).to_f64(),
            DType::I32 => value as i32 as f64,
            DType::I64 => value.trunc().clamp(-9007199254740992.0, 9007199254740992.0),
            DType::Bool => f64::from(value != 0.0),
        }
    }

    /// True when a buffer of this type can hold `value` exactly (any NaN counts for floats).
    pub fn holds(self, value: f64) -> bool {
        if value.is_nan() {
            return self.is_float();
        }
        self.round(value) == value
    }

    /// Distance between neighbours at `|value|`: the largest error of one rounding in any
    /// direction. Below the normal range this is the whole of it, because a device may flush.
    pub fn spacing(self, value: f64) -> f64 {
        if !self.is_float() {
            return 0.0;
        }
        let magnitude = value.abs();
        if magnitude < self.min_normal() {
            return self.min_normal();
        }
        // 2^floor(log2 |value|) read from the exponent bits, times 2u.
        let binade = f64::from_bits(magnitude.to_bits() & 0x7ff0_0000_0000_0000);
        binade * 2.0 * self.unit()
    }

    /// Name as written in `program.json`.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::Bf16 => "bf16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::Bool => "bool",
        }
    }
}

/// To nearest, ties to even. `f16::from_f64` drops 32 bits first and so takes what lies just
/// beside a tie for one; it is also slow, and the yardstick of half precision rounds every partial
/// sum. Left to it are subnormal numbers and the end of the range.
fn round_f16(value: f64) -> f64 {
    let magnitude = value.abs();
    if !(6.103515625e-5..65504.0).contains(&magnitude) {
        return f16::from_f64(value).to_f64();
    }
    // Of 52 fraction bits 10 stay: add half of the last one, less where a tie goes down to even.
    let bits = value.to_bits();
    let half = (1u64 << 41) - 1 + (bits >> 42 & 1);
    f64::from_bits((bits + half) & !((1 << 42) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_is_the_distance_to_the_next_value() {
        for bits in [0x3c00u16, 0x3fff, 0x5640, 0x0400, 0x7bfe] {
            let here = f16::from_bits(bits).to_f64();
            let next = f16::from_bits(bits + 1).to_f64();
            assert_eq!(DType::F16.spacing(here), next - here, "{here}");
        }
        for x in [1.0f32, 1.5, 3.1e-20, 7.7e30] {
            let next = f32::from_bits(x.to_bits() + 1);
            assert_eq!(DType::F32.spacing(x as f64), next as f64 - x as f64);
        }
        assert_eq!(DType::F16.spacing(1e-6), DType::F16.min_normal());
    }

    #[test]
    fn f16_rounding_goes_to_the_nearest_and_ties_to_even() {
        for at in 0..1_000_000u64 {
            // Every binade of the normal numbers; fractions with ties and near ties among them.
            let fraction = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12;
            let fraction = match at % 4 {
                0 => fraction >> 41 << 41,
                1 => (fraction >> 41 << 41) | 1,
                _ => fraction,
            };
            let value = f64::from_bits((at & 1) << 63 | (1009 + at % 29) << 52 | fraction);
            let got = DType::F16.round(value);
            let bits = f16::from_f64(got);
            assert_eq!(bits.to_f64(), got, "{value:e}");
            let off = (got - value).abs();
            for neighbour in [bits.to_bits() - 1, bits.to_bits() + 1] {
                let other = (f16::from_bits(neighbour).to_f64() - value).abs();
                let even = bits.to_bits() & 1 == 0;
                assert!(off < other || off == other && even, "{value:e}");
            }
        }
        for value in [
            0.0, -0.0, 65503.0, 65504.0, 65519.9, 65520.0, 1e300, 1e-5, 1e-300,
        ] {
            assert_eq!(DType::F16.round(value), f16::from_f64(value).to_f64());
        }
        assert!(DType::F16.round(f64::NAN).is_nan());
    }

    #[test]
    fn holds_only_what_the_type_can_store() {
        assert!(DType::F16.holds(2048.0) && !DType::F16.holds(2049.0));
        assert!(DType::F16.holds(65504.0) && !DType::F16.holds(65521.0));
        assert!(DType::F32.holds(16777216.0) && !DType::F32.holds(16777217.0));
        assert!(DType::F32.holds(f64::NEG_INFINITY));
        assert!(!DType::I32.holds(0.5) && !DType::I32.holds(f64::NAN));
        assert!(DType::Bool.holds(1.0) && !DType::Bool.holds(2.0));
    }
}
