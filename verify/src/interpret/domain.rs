//! What floats are while a kernel is interpreted.

use std::cmp::Ordering;

use kforge_oracle::{Field, Function, Number};

/// Operations on two floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient.
    Div,
    /// The larger one.
    Max,
    /// The smaller one.
    Min,
    /// The first to the power of the second.
    Power,
}

/// A kind of floats.
pub trait Domain {
    /// One float.
    type Value: Copy + std::fmt::Debug;

    /// A literal of the kernel.
    fn literal(&self, value: f64) -> Self::Value;
    /// An integer.
    fn integer(&self, value: i64) -> Self::Value;
    /// What is in memory that nothing has written.
    fn unwritten(&self) -> Self::Value;
    /// An operation on two floats.
    fn binary(&self, operation: Arithmetic, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The negative.
    fn negate(&self, x: Self::Value) -> Self::Value;
    /// A function of one float.
    fn apply(&self, function: Function, x: Self::Value) -> Self::Value;
    /// How two compare; `None` where one is no number.
    fn compare(&self, a: &Self::Value, b: &Self::Value) -> Option<Ordering>;
    /// Towards 0; `None` where it is no integer of 53 bits.
    fn to_integer(&self, x: &Self::Value) -> Option<i64>;
    /// Whether both are the same value.
    fn same(&self, a: &Self::Value, b: &Self::Value) -> bool;
}

impl Domain for Field {
    type Value = Number;

    fn literal(&self, value: f64) -> Number {
        Field::literal(self, value)
    }

    fn integer(&self, value: i64) -> Number {
        Number::integer(value)
    }

    fn unwritten(&self) -> Number {
        Number::unwritten()
    }

    fn binary(&self, operation: Arithmetic, a: Number, b: Number) -> Number {
        match operation {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
            Arithmetic::Max => self.max(a, b),
            Arithmetic::Min => self.min(a, b),
            Arithmetic::Power => self.power(a, b),
        }
    }

    fn negate(&self, x: Number) -> Number {
        -x
    }

    fn apply(&self, function: Function, x: Number) -> Number {
        Field::apply(self, function, x)
    }

    fn compare(&self, a: &Number, b: &Number) -> Option<Ordering> {
        Field::compare(self, a, b)
    }

    fn to_integer(&self, x: &Number) -> Option<i64> {
        Field::to_integer(self, x)
    }

    fn same(&self, a: &Number, b: &Number) -> bool {
        a.equals(b)
    }
}
