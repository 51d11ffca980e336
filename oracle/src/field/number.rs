//! `Number`: a float as residues modulo p and q, a real number and what is known of it.
//!
//! Marks tell where an identity of real numbers may fail among the residues. A difference
//! between two marked values says nothing; equality does.

use super::prime::{FIELD_P, FIELD_Q};

/// A float of a program over the fields.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    pub(super) p: u64,
    pub(super) q: u64,
    /// The same computation on real numbers; it decides comparisons.
    pub real: f64,
    /// Degree of numerator and denominator as a rational function of what was drawn.
    pub(super) over: u32,
    pub(super) under: u32,
    /// Where identities may fail.
    pub marks: Marks,
}

/// A set of marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub(super) u8);

impl Marks {
    /// None.
    pub const NONE: Marks = Marks(0);
    /// Came through exp: there is no residue modulo q.
    pub(super) const NO_EXPONENT: Marks = Marks(1);
    /// A root of a number that has none modulo p: its square is the negative.
    pub(super) const TWISTED: Marks = Marks(2);
    /// The same modulo q; matters once exp is taken.
    pub(super) const TWISTED_EXPONENT: Marks = Marks(4);
    /// exp of a value that came through exp, a division by a residue that happens to be zero,
    /// or an underflow.
    pub(super) const DOUBTFUL: Marks = Marks(8);
    /// From memory that nothing has written.
    pub(super) const UNWRITTEN: Marks = Marks(16);
    /// Divided by a zero that is one in every field: infinite or no number.
    pub(super) const UNDEFINED: Marks = Marks(32);

    pub(super) const fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Marks) -> Marks {
        Marks(self.0 & !other.0)
    }

    pub(super) const fn has(self, other: Marks) -> bool {
        self.0 & other.0 != 0
    }
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number {
        p: 0,
        q: 0,
        real: 0.0,
        over: 0,
        under: 0,
        marks: Marks::NONE,
    };

    /// An integer.
    pub fn integer(value: i64) -> Self {
        Self::constant(
            FIELD_P.integer(value.into()),
            FIELD_Q.integer(value.into()),
            value as f64,
        )
    }

    /// What is in memory that nothing has written.
    pub fn unwritten() -> Self {
        Number {
            real: f64::NAN,
            marks: Marks::UNWRITTEN,
            ..Self::ZERO
        }
    }

    pub(super) fn constant(p: u64, q: u64, real: f64) -> Self {
        Number {
            p,
            q,
            real,
            ..Self::ZERO
        }
    }

    /// A fraction of integers, its real value given.
    pub(super) fn fraction(over: i128, under: i128, real: f64) -> Self {
        let divide = |field: super::prime::Prime| {
            field.mul(field.integer(over), field.invert(field.integer(under)))
        };
        Self::constant(divide(FIELD_P), divide(FIELD_Q), real)
    }

    /// Whether it depends on memory that nothing has written.
    pub fn is_unwritten(&self) -> bool {
        self.marks.has(Marks::UNWRITTEN)
    }

    /// Whether it is the quotient of a division by zero, or depends on one.
    pub fn is_undefined(&self) -> bool {
        self.marks.has(Marks::UNDEFINED)
    }

    /// Whether a difference from another value would say something.
    pub fn is_certain(&self) -> bool {
        !self.marks.has(Marks::TWISTED.with(Marks::DOUBTFUL))
    }

    /// Whether both are the same number modulo p, or both undefined.
    pub fn equals(&self, other: &Number) -> bool {
        match (self.is_undefined(), other.is_undefined()) {
            (false, false) => self.p == other.p && !self.is_unwritten() && !other.is_unwritten(),
            (one, both) => one == both,
        }
    }

    /// The residue modulo p, for reports.
    pub fn residue(&self) -> u64 {
        FIELD_P.residue(self.p)
    }

    /// Degree of numerator and denominator together.
    pub fn degree(&self) -> u64 {
        u64::from(self.over) + u64::from(self.under)
    }

    pub(super) fn has_exponent(&self) -> bool {
        !self.marks.has(Marks::NO_EXPONENT)
    }

    pub(super) fn marked(mut self, marks: Marks) -> Self {
        self.marks = self.marks.with(marks);
        self
    }

    fn added(self, other: Number, p: u64, q: u64, real: f64) -> Number {
        let (over, under) = if self.under | other.under == 0 {
            (self.over.max(other.over), 0)
        } else {
            let left = self.over.saturating_add(other.under);
            let right = other.over.saturating_add(self.under);
            (left.max(right), self.under.saturating_add(other.under))
        };
        Number {
            p,
            q,
            real,
            over,
            under,
            marks: self.marks.with(other.marks),
        }
    }

    /// 1/x; marked where x is zero, or one of its residues alone.
    pub fn reciprocal(self) -> Number {
        let zero_exponent = self.q == 0 && self.has_exponent();
        let doubt = match (self.p == 0, self.real == 0.0) {
            (true, true) => Marks::UNDEFINED,
            (true, false) => Marks::DOUBTFUL,
            _ if zero_exponent => Marks::DOUBTFUL,
            _ => Marks::NONE,
        };
        Number {
            p: FIELD_P.invert(self.p),
            q: if self.has_exponent() {
                FIELD_Q.invert(self.q)
            } else {
                0
            },
            real: 1.0 / self.real,
            over: self.under,
            under: self.over,
            marks: self.marks.with(doubt),
        }
    }
}

impl std::ops::Add for Number {
    type Output = Number;

    fn add(self, other: Number) -> Number {
        let (p, q) = (FIELD_P.add(self.p, other.p), FIELD_Q.add(self.q, other.q));
        self.added(other, p, q, self.real + other.real)
    }
}

impl std::ops::Sub for Number {
    type Output = Number;

    fn sub(self, other: Number) -> Number {
        let (p, q) = (FIELD_P.sub(self.p, other.p), FIELD_Q.sub(self.q, other.q));
        self.added(other, p, q, self.real - other.real)
    }
}

impl std::ops::Mul for Number {
    type Output = Number;

    fn mul(self, other: Number) -> Number {
        Number {
            p: FIELD_P.mul(self.p, other.p),
            q: FIELD_Q.mul(self.q, other.q),
            real: self.real * other.real,
            over: self.over.saturating_add(other.over),
            under: self.under.saturating_add(other.under),
            marks: self.marks.with(other.marks),
        }
    }
}

impl std::ops::Div for Number {
    type Output = Number;

    fn div(self, other: Number) -> Number {
        let quotient = self * other.reciprocal();
        Number {
            // A product of two roundings is no quotient.
            real: self.real / other.real,
            ..quotient
        }
    }
}

impl std::ops::Neg for Number {
    type Output = Number;

    fn neg(self) -> Number {
        Number {
            p: FIELD_P.neg(self.p),
            q: FIELD_Q.neg(self.q),
            real: -self.real,
            ..self
        }
    }
}
