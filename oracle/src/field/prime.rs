//! Arithmetic modulo the two primes, in Montgomery's form.
//!
//! q = 2^61 - 196,353 and p = 2q + 1 are the largest such pair for which 2, 3, 5, 7, 11 and 13
//! are squares modulo both: every root of a number made of them exists, and √2 is a number
//! like any other. Both are 3 modulo 4, so x^((p+1)/4) is a root of x or of -x. With p = 2q + 1
//! every square but 0 and 1 has order q.

/// The larger prime, modulo which values are compared.
pub const P: u64 = 0x3fff_ffff_fffa_01ff;
/// The smaller prime: exponents are taken modulo it.
pub const Q: u64 = 0x1fff_ffff_fffd_00ff;

/// A prime below 2^63, and what Montgomery's reduction needs of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prime {
    modulus: u64,
    /// -1/modulus modulo 2^64.
    inverse: u64,
    /// 2^128 modulo the prime.
    square: u64,
}

pub(super) const FIELD_P: Prime = Prime::new(P);
pub(super) const FIELD_Q: Prime = Prime::new(Q);

impl Prime {
    const fn new(modulus: u64) -> Self {
        // Newton's iteration doubles the correct bits, of which there are three at first.
        let mut inverse = modulus;
        let mut round = 0;
        while round < 5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(modulus.wrapping_mul(inverse)));
            round += 1;
        }
        let radix = (1u128 << 64) % modulus as u128;
        Self {
            modulus,
            inverse: inverse.wrapping_neg(),
            square: (radix * radix % modulus as u128) as u64,
        }
    }

    pub fn add(self, a: u64, b: u64) -> u64 {
        let sum = a + b;
        if sum >= self.modulus {
            sum - self.modulus
        } else {
            sum
        }
    }

    pub fn sub(self, a: u64, b: u64) -> u64 {
        if a >= b { a - b } else { a + self.modulus - b }
    }

    pub fn neg(self, a: u64) -> u64 {
        self.sub(0, a)
    }

    /// The product of two numbers in Montgomery's form, in that form.
    pub fn mul(self, a: u64, b: u64) -> u64 {
        self.reduce(u128::from(a) * u128::from(b))
    }

    fn reduce(self, x: u128) -> u64 {
        let m = (x as u64).wrapping_mul(self.inverse);
        let t = ((x + u128::from(m) * u128::from(self.modulus)) >> 64) as u64;
        if t >= self.modulus {
            t - self.modulus
        } else {
            t
        }
    }

    pub fn pow(self, base: u64, mut exponent: u64) -> u64 {
        let (mut power, mut result) = (base, self.one());
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.mul(result, power);
            }
            power = self.mul(power, power);
            exponent >>= 1;
        }
        result
    }

    /// 1/a; 0 for 0.
    pub fn invert(self, a: u64) -> u64 {
        self.pow(a, self.modulus - 2)
    }

    /// A root of a or of -a. Roots of products are the products of the roots.
    pub fn root(self, a: u64) -> u64 {
        self.pow(a, self.modulus / 4 + 1)
    }

    pub fn one(self) -> u64 {
        self.reduce(u128::from(self.square))
    }

    /// Any 64 bits as a residue.
    pub fn number(self, x: u64) -> u64 {
        self.mul(x % self.modulus, self.square)
    }

    /// The residue below the prime.
    pub fn residue(self, a: u64) -> u64 {
        self.reduce(u128::from(a))
    }

    pub fn integer(self, x: i128) -> u64 {
        let magnitude = (x.unsigned_abs() % u128::from(self.modulus)) as u64;
        let number = self.number(magnitude);
        if x < 0 { self.neg(number) } else { number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modular(a: u64, b: u64, modulus: u64) -> u64 {
        (u128::from(a) * u128::from(b) % u128::from(modulus)) as u64
    }

    #[test]
    fn montgomery_products_are_those_of_the_integers() {
        for field in [FIELD_P, FIELD_Q] {
            let mut x = 0x9e37_79b9_7f4a_7c15u64;
            for _ in 0..1000 {
                x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let (a, b) = (x % field.modulus, x.rotate_left(31) % field.modulus);
                let product = field.mul(field.number(a), field.number(b));
                assert_eq!(field.residue(product), modular(a, b, field.modulus));
                let sum = field.add(field.number(a), field.number(b));
                assert_eq!(
                    u128::from(field.residue(sum)),
                    (u128::from(a) + u128::from(b)) % u128::from(field.modulus)
                );
            }
            assert_eq!(field.residue(field.one()), 1);
            assert_eq!(field.residue(field.integer(-1)), field.modulus - 1);
            for wide in [1i128 << 100, -(1 << 100), i128::MAX, i128::MIN, 0] {
                let wanted = wide.rem_euclid(field.modulus.into());
                assert_eq!(i128::from(field.residue(field.integer(wide))), wanted);
            }
        }
    }

    #[test]
    fn both_are_primes_and_small_primes_are_squares() {
        assert_eq!(P, 2 * Q + 1);
        for field in [FIELD_P, FIELD_Q] {
            assert_eq!(field.modulus % 4, 3);
            // Fermat's test to several bases; for numbers of this size these are a proof
            // together with Pocklington's theorem for p, whose p - 1 = 2q.
            for base in [2u64, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37] {
                let base = field.number(base);
                assert_eq!(field.pow(base, field.modulus - 1), field.one());
                assert_eq!(field.mul(base, field.invert(base)), field.one());
            }
            for square in [2u64, 3, 5, 7, 11, 13] {
                let square = field.number(square);
                let root = field.root(square);
                assert_eq!(field.mul(root, root), square);
            }
        }
        let square = FIELD_P.number(4);
        assert_eq!(FIELD_P.pow(square, Q), FIELD_P.one());
    }
}
