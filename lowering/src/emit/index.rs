//! Index expressions: offsets and tile coordinates as Rust arithmetic, folded
//! where they are constant, so that kernels hold only what varies.

use std::{ops, rc::Rc};

use melior::ir::Value;

/// A non-negative index.
#[derive(Clone, Debug)]
pub enum Ix<'c, 'a> {
    /// Known when the kernel is generated.
    Const(i64),
    /// A value of type `index`.
    Value(Value<'c, 'a>),
    /// An operation on two indices.
    Op(IxOp, Rc<Ix<'c, 'a>>, Rc<Ix<'c, 'a>>),
}

/// What an [`Ix::Op`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IxOp {
    /// Sum.
    Add,
    /// Product.
    Mul,
    /// Quotient, rounded down.
    Div,
    /// Remainder.
    Rem,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
    /// Difference; never negative where kernels use it.
    Sub,
}

impl IxOp {
    /// The upstream op.
    pub fn name(self) -> &'static str {
        match self {
            IxOp::Add => "arith.addi",
            IxOp::Mul => "arith.muli",
            IxOp::Div => "arith.divui",
            IxOp::Rem => "arith.remui",
            IxOp::Min => "arith.minui",
            IxOp::Max => "arith.maxui",
            IxOp::Sub => "arith.subi",
        }
    }

    fn fold(self, a: i64, b: i64) -> i64 {
        match self {
            IxOp::Add => a + b,
            IxOp::Mul => a * b,
            IxOp::Div => a / b,
            IxOp::Rem => a % b,
            IxOp::Min => a.min(b),
            IxOp::Max => a.max(b),
            IxOp::Sub => a - b,
        }
    }
}

impl<'c, 'a> Ix<'c, 'a> {
    /// The value, when it is known.
    pub fn known(&self) -> Option<i64> {
        match self {
            Ix::Const(value) => Some(*value),
            _ => None,
        }
    }

    /// The smaller of the two.
    pub fn min(self, other: impl Into<Self>) -> Self {
        Self::apply(IxOp::Min, self, other.into())
    }

    /// The larger of the two.
    pub fn max(self, other: impl Into<Self>) -> Self {
        Self::apply(IxOp::Max, self, other.into())
    }

    fn apply(op: IxOp, a: Self, b: Self) -> Self {
        match (op, a.known(), b.known()) {
            (_, Some(a), Some(b)) => Ix::Const(op.fold(a, b)),
            (IxOp::Add | IxOp::Sub, _, Some(0)) => a,
            (IxOp::Add, Some(0), _) => b,
            (IxOp::Mul | IxOp::Div, _, Some(1)) => a,
            (IxOp::Mul, Some(1), _) => b,
            (IxOp::Mul, _, Some(0)) | (IxOp::Mul, Some(0), _) => Ix::Const(0),
            (IxOp::Rem, _, Some(1)) | (IxOp::Div | IxOp::Rem, Some(0), _) => Ix::Const(0),
            _ => Ix::Op(op, Rc::new(a), Rc::new(b)),
        }
    }
}

impl From<i64> for Ix<'_, '_> {
    fn from(value: i64) -> Self {
        Ix::Const(value)
    }
}

impl<'c, 'a> From<Value<'c, 'a>> for Ix<'c, 'a> {
    fn from(value: Value<'c, 'a>) -> Self {
        Ix::Value(value)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:expr) => {
        impl<'c, 'a, T: Into<Ix<'c, 'a>>> ops::$trait<T> for Ix<'c, 'a> {
            type Output = Ix<'c, 'a>;
            fn $method(self, other: T) -> Self {
                Self::apply($op, self, other.into())
            }
        }
        impl<'c, 'a, T: Into<Ix<'c, 'a>>> ops::$trait<T> for &Ix<'c, 'a> {
            type Output = Ix<'c, 'a>;
            fn $method(self, other: T) -> Ix<'c, 'a> {
                Ix::apply($op, self.clone(), other.into())
            }
        }
    };
}
operator!(Add, add, IxOp::Add);
operator!(Mul, mul, IxOp::Mul);
operator!(Div, div, IxOp::Div);
operator!(Rem, rem, IxOp::Rem);
operator!(Sub, sub, IxOp::Sub);

#[cfg(test)]
mod tests {
    use super::Ix;

    #[test]
    fn constants_fold() {
        let x = (Ix::Const(7) * 3 + 1) / 2 % 4;
        assert_eq!(x.known(), Some(3));
    }
}
