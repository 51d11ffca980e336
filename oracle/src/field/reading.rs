//! Rules 2 to 4 of `literal.rs`: fractions and roots from their roundings.

use super::{
    functions::root,
    literal::single,
    number::Number,
    prime::{FIELD_P, FIELD_Q},
};

/// Largest a·b of a fraction that is plain, and largest n where it is 1/n.
const PLAIN: [i128; 2] = [4096, 16384];
/// Constants of activations, logarithms and angles, and what is often made of them.
const NAMED: [f64; 12] = [
    std::f64::consts::PI,
    std::f64::consts::TAU,
    std::f64::consts::E,
    std::f64::consts::LN_2,
    std::f64::consts::LN_10,
    std::f64::consts::LOG2_E,
    std::f64::consts::LOG10_E,
    std::f64::consts::FRAC_1_PI,
    std::f64::consts::FRAC_2_PI,
    // √(2/π), of gelu's approximation by tanh, and its cubic coefficient.
    0.797_884_560_802_865_4,
    0.044_715,
    // 1/√(2π)
    0.398_942_280_401_432_7,
];
/// Largest a·b below a root that is recognised.
const RADICAND: i128 = 4096;

pub(super) fn signed_reading(value: f64) -> Number {
    let (number, _) = plain_reading(single(value.abs()));
    if value < 0.0 { -number } else { number }
}

/// Rules 2 to 4 for a value that is not negative, and whether it is plain.
pub(super) fn plain_reading(value: f64) -> (Number, bool) {
    if !value.is_finite() {
        // Only its real value can matter: it stands for absence.
        return (
            Number {
                real: value,
                ..Number::integer(3)
            },
            true,
        );
    }
    let (mantissa, exponent) = decompose(value);
    let beyond = value != 0.0 && !(2f64.powi(-60)..=2f64.powi(60)).contains(&value);
    if value.fract() == 0.0 || beyond {
        let counts = value.fract() == 0.0 && value < 16_777_216.0;
        let plain = counts || value >= 1e30 || mantissa <= 4096;
        return (
            dyadic(mantissa, exponent, value),
            plain || is_decimal(value),
        );
    }
    // A unit of the last place in f32 is 2^(e - 23), e the exponent of the value.
    let ulp = value.log2().floor() as i32 - 23;
    let scale = 2f64.powi(-ulp);
    // Both ends are integers over 2^-ulp; f64 holds them exactly.
    let ends = [
        (value * scale) as i128 - 1,
        (value * scale).ceil() as i128 + 1,
    ];
    let (over, under) = match ulp {
        ..=0 => simplest([(ends[0], 1i128 << -ulp), (ends[1], 1i128 << -ulp)]),
        _ => simplest([(ends[0] << ulp, 1), (ends[1] << ulp, 1)]),
    };
    let fraction = Number::fraction(over, under, value);
    if over.saturating_mul(under) <= if over == 1 { PLAIN[1] } else { PLAIN[0] } {
        return (fraction, true);
    }
    if (2f64.powi(-20)..=2f64.powi(20)).contains(&value)
        && let Some(radicand) = radicand(ends, ulp)
    {
        let number = root(Number::fraction(radicand.0, radicand.1, value * value));
        return (
            Number {
                real: value,
                ..number
            },
            true,
        );
    }
    if mantissa <= 4096 || is_decimal(value) {
        return (fraction, true);
    }
    let (part, exponent) = normal(value);
    let named = NAMED.iter().any(|named| normal(single(*named)).0 == part);
    if exponent == 0 {
        return (fraction, named);
    }
    let (number, _) = plain_reading(part);
    let scaled = number * dyadic(1, exponent, 2f64.powi(exponent));
    (
        Number {
            real: value,
            ..scaled
        },
        named,
    )
}

/// a/b with √(a/b) between the ends, both over 2^-ulp.
fn radicand(ends: [i128; 2], ulp: i32) -> Option<(i128, i128)> {
    let [low, high] = ends.map(|end| end * end);
    let shift = -2 * ulp;
    let (over, under) = match shift {
        0.. => simplest([
            (low, 1i128.checked_shl(shift as u32)?),
            (high, 1i128 << shift),
        ]),
        _ => return None,
    };
    let smooth = |mut n: i128| {
        for prime in [2, 3, 5, 7, 11, 13] {
            while n % prime == 0 {
                n /= prime;
            }
        }
        n == 1
    };
    (over * under <= RADICAND && smooth(over) && smooth(under)).then_some((over, under))
}

/// The fraction of least denominator between two positive ones, the ends included.
fn simplest(ends: [(i128, i128); 2]) -> (i128, i128) {
    let [(a, b), (c, d)] = ends;
    let floor = a / b;
    if floor * b == a {
        return (floor, 1);
    }
    if (floor + 1) * d <= c {
        return (floor + 1, 1);
    }
    // Both lie between two integers: turn the rests over.
    let (over, under) = simplest([(d, c - floor * d), (b, a - floor * b)]);
    (floor * over + under, over)
}

/// value = part · 2^exponent, the part within [1, 2).
pub(super) fn normal(value: f64) -> (f64, i32) {
    let exponent = value.log2().floor() as i32;
    (value * 2f64.powi(-exponent), exponent)
}

/// value = mantissa · 2^exponent, the mantissa odd or 0.
fn decompose(value: f64) -> (u64, i32) {
    if value == 0.0 {
        return (0, 0);
    }
    let bits = value.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = match biased {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, biased - 1075),
    };
    let zeros = mantissa.trailing_zeros();
    (mantissa >> zeros, exponent + zeros as i32)
}

fn dyadic(mantissa: u64, exponent: i32, real: f64) -> Number {
    let scaled = |field: super::prime::Prime| {
        let power = field.pow(field.number(2), exponent.unsigned_abs().into());
        let power = if exponent < 0 {
            field.invert(power)
        } else {
            power
        };
        field.mul(field.number(mantissa), power)
    };
    Number::constant(scaled(FIELD_P), scaled(FIELD_Q), real)
}

/// Whether the value is the f32 nearest to a decimal of at most four digits.
fn is_decimal(value: f64) -> bool {
    let text = format!("{value:.3e}");
    text.parse::<f64>()
        .is_ok_and(|decimal| single(decimal) == single(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: f64) -> Number {
        plain_reading(single(value)).0
    }

    fn fraction(over: i128, under: i128) -> u64 {
        Number::fraction(over, under, 0.0).p
    }

    #[test]
    fn fractions_and_roots_are_what_was_meant() {
        for n in 1..3000 {
            assert_eq!(read(1.0 / f64::from(n)).p, fraction(1, n.into()), "1/{n}");
        }
        assert_eq!(read(0.999).p, fraction(999, 1000));
        assert_eq!(read(1e-5).p, fraction(1, 100_000));
        assert_eq!(read(0.125).p, fraction(1, 8));
        let half = read(std::f64::consts::FRAC_1_SQRT_2);
        assert_eq!((half * half).p, fraction(1, 2));
        assert_eq!((half * read(2f64.sqrt())).p, fraction(1, 1));
        assert_eq!(
            (read(1.0 / 32f64.sqrt()) * read(32f64.sqrt())).p,
            fraction(1, 1)
        );
        assert_eq!(read(0.0).p, 0);
        let two = Number::integer(2);
        assert_eq!((two * read(0.797_884_56)).p, read(1.595_769_12).p);
    }

    #[test]
    fn only_simple_literals_are_plain() {
        let plain = |value: f64| plain_reading(single(value)).1;
        for value in [
            0.5,
            1e-5,
            1e-12,
            1.0 / 48.0,
            0.999,
            3.4e38,
            -0.0,
            1.001,
            2f64.sqrt(),
        ] {
            assert!(plain(value), "{value}");
        }
        for value in [0.797_884_56, 0.044_715, std::f64::consts::LOG2_E] {
            assert!(plain(value), "{value}");
        }
        for value in [0.035_677_408, 0.127_516_4, 1.000_1] {
            assert!(!plain(value), "{value}");
        }
        // Integers that f32 counts, few digits, few bits, or as good as infinite.
        for value in [16_777_215.0, 1.5e9, 4095.0 * 2f64.powi(70), 1.234_567e30] {
            assert!(plain(value), "{value}");
        }
        for value in [16_777_220.0, 1.234_567e29, 4097.0 * 2f64.powi(40)] {
            assert!(!plain(value), "{value}");
        }
        for value in [1e-20, 2f64.powi(-70), 1.0 / 16_383.0] {
            assert!(plain(value), "{value}");
        }
        for value in [1.234_567e-20, 100.0 / 101.0, 1.0 / 16_400.0] {
            assert!(!plain(value), "{value}");
        }
    }

    #[test]
    fn every_reading_is_within_a_unit_of_the_last_place() {
        let mut x = 1u64;
        for _ in 0..2000 {
            x = x
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            let value = single(
                2f64.powi((x >> 58) as i32 - 32) * (1.0 + (x >> 20 & 0xffff) as f64 / 65521.0),
            );
            let ulp = 2f64.powi(value.log2().floor() as i32 - 23);
            let scale = 2f64.powi(-(value.log2().floor() as i32 - 23));
            let ends = [(value * scale) as i128 - 1, (value * scale) as i128 + 1];
            let shift = 23 - value.log2().floor() as i32;
            if shift <= 0 {
                continue;
            }
            let (a, b) = simplest([(ends[0], 1 << shift), (ends[1], 1 << shift)]);
            assert!(
                (a as f64 / b as f64 - value).abs() <= ulp * 1.000_001,
                "{value}: {a}/{b}"
            );
        }
    }
}
