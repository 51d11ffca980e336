//! Types of 32 bits, intervals of integers, and operations on bits.

/// A 32-bit type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Int {
    /// `i32`
    Signed,
    /// `u32`
    Unsigned,
}

impl Int {
    /// Its values.
    pub(super) const fn range(self) -> Range {
        match self {
            Self::Signed => Range::new(i32::MIN as i64, i32::MAX as i64),
            Self::Unsigned => Range::new(0, u32::MAX as i64),
        }
    }

    /// What 32 bits keep of `value`.
    pub(super) const fn wrap(self, value: i64) -> i64 {
        match self {
            Self::Signed => value as i32 as i64,
            Self::Unsigned => value as u32 as i64,
        }
    }
}

/// An interval, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) lo: i64,
    pub(super) hi: i64,
}

impl Range {
    pub(super) const fn new(lo: i64, hi: i64) -> Self {
        Self { lo, hi }
    }

    pub(super) const fn within(self, outer: Self) -> bool {
        self.lo >= outer.lo && self.hi <= outer.hi
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self::new(self.lo.max(other.lo), self.hi.min(other.hi))
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self::new(self.lo.min(other.lo), self.hi.max(other.hi))
    }

    pub(super) const fn width(self) -> i64 {
        self.hi.saturating_sub(self.lo)
    }

    /// The multiples by `factor`, saturating far beyond 32 bits.
    pub(super) const fn times(self, factor: i64) -> Self {
        let (a, b) = (
            self.lo.saturating_mul(factor),
            self.hi.saturating_mul(factor),
        );
        if a <= b {
            Self::new(a, b)
        } else {
            Self::new(b, a)
        }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self::new(
            self.lo.saturating_add(other.lo),
            self.hi.saturating_add(other.hi),
        )
    }
}

/// Operations on bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Bits {
    And,
    Or,
    Xor,
    Left,
    Right,
}

impl Bits {
    /// The operation on 32-bit patterns; shifts take the amount modulo 32, as WGSL does.
    pub(super) const fn apply(self, int: Int, a: i64, b: i64) -> i64 {
        let value = match self {
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::Left => a << (b & 31),
            Self::Right => a >> (b & 31),
        };
        int.wrap(value)
    }
}
