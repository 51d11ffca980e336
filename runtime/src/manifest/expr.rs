//! Integer expressions over the symbols of a package.
//!
//! Every shape, byte size, dispatch count and integer kernel argument is one.
//! JSON: an integer, a symbol's name, or `{"ceildiv": ["M", 64]}`. Arithmetic
//! is 64-bit and checked; `floordiv`, `ceildiv` and `mod` round as MLIR's
//! affine expressions do and need a positive divisor.
//! Limits: depth 32, 256 nodes per expression.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use thiserror::Error;

/// Values of a package's symbols for one instantiation.
pub type Symbols = BTreeMap<String, i64>;

/// Deepest nesting accepted.
pub const MAX_DEPTH: usize = 32;
/// Most nodes accepted in one expression.
pub const MAX_NODES: usize = 256;

/// An integer expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Expr {
    /// A literal.
    Constant(i64),
    /// The value of a named symbol.
    Symbol(String),
    /// An operation on two expressions.
    Op(Box<ExprOp>),
}

/// A binary operation of an [`Expr`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExprOp {
    /// Sum.
    Add(Expr, Expr),
    /// Difference.
    Sub(Expr, Expr),
    /// Product.
    Mul(Expr, Expr),
    /// Quotient rounded towards minus infinity.
    FloorDiv(Expr, Expr),
    /// Quotient rounded towards plus infinity.
    CeilDiv(Expr, Expr),
    /// Remainder of `floordiv`, never negative.
    Mod(Expr, Expr),
    /// The smaller one.
    Min(Expr, Expr),
    /// The larger one.
    Max(Expr, Expr),
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExprError {
    /// The result does not fit 64 bits.
    #[error("'{expr}' overflows 64-bit integers; use smaller sizes")]
    Overflow {
        /// The failing subexpression.
        expr: String,
    },
    /// A name that is not among the symbols.
    #[error("unknown symbol '{symbol}'; known symbols: {known}")]
    UnknownSymbol {
        /// The name used.
        symbol: String,
        /// The names there are.
        known: String,
    },
    /// Division by zero or a negative number.
    #[error("divisor of '{expr}' is {divisor}; it must be positive")]
    Divisor {
        /// The failing subexpression.
        expr: String,
        /// Its divisor.
        divisor: i64,
    },
    /// Too deep or too large to evaluate.
    #[error("expression exceeds depth {MAX_DEPTH} or {MAX_NODES} nodes; simplify it")]
    TooLarge,
}

impl Expr {
    /// The value of a named symbol.
    pub fn symbol(name: impl Into<String>) -> Self {
        Self::Symbol(name.into())
    }

    /// `floor(self / divisor)`.
    #[must_use]
    pub fn floor_div(self, divisor: impl Into<Self>) -> Self {
        op(ExprOp::FloorDiv(self, divisor.into()))
    }

    /// `ceil(self / divisor)`.
    #[must_use]
    pub fn ceil_div(self, divisor: impl Into<Self>) -> Self {
        op(ExprOp::CeilDiv(self, divisor.into()))
    }

    /// The remainder of [`Expr::floor_div`].
    #[must_use]
    pub fn modulo(self, divisor: impl Into<Self>) -> Self {
        op(ExprOp::Mod(self, divisor.into()))
    }

    /// The smaller of the two.
    #[must_use]
    pub fn min(self, other: impl Into<Self>) -> Self {
        op(ExprOp::Min(self, other.into()))
    }

    /// The larger of the two.
    #[must_use]
    pub fn max(self, other: impl Into<Self>) -> Self {
        op(ExprOp::Max(self, other.into()))
    }

    /// The literal, if the expression is one.
    pub fn as_constant(&self) -> Option<i64> {
        match self {
            Self::Constant(value) => Some(*value),
            _ => None,
        }
    }

    /// The value for given symbols.
    pub fn evaluate(&self, symbols: &Symbols) -> Result<i64, ExprError> {
        self.check_size()?;
        self.value(symbols)
    }

    /// Refuses expressions deeper than 32 or of more than 256 nodes.
    pub fn check_size(&self) -> Result<(), ExprError> {
        let mut nodes = 0;
        if self.fits(MAX_DEPTH, &mut nodes) {
            Ok(())
        } else {
            Err(ExprError::TooLarge)
        }
    }

    /// Calls `visit` with every symbol used.
    pub fn for_each_symbol(&self, visit: &mut impl FnMut(&str)) {
        match self {
            Self::Constant(_) => {}
            Self::Symbol(name) => visit(name),
            Self::Op(op) => {
                let (a, b) = op.operands();
                a.for_each_symbol(visit);
                b.for_each_symbol(visit);
            }
        }
    }

    fn fits(&self, depth: usize, nodes: &mut usize) -> bool {
        *nodes += 1;
        if depth == 0 || *nodes > MAX_NODES {
            return false;
        }
        let Self::Op(op) = self else { return true };
        let (a, b) = op.operands();
        a.fits(depth - 1, nodes) && b.fits(depth - 1, nodes)
    }

    fn value(&self, symbols: &Symbols) -> Result<i64, ExprError> {
        match self {
            Self::Constant(value) => Ok(*value),
            Self::Symbol(name) => symbols.get(name).copied().ok_or_else(|| {
                let known = symbols
                    .keys()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ");
                ExprError::UnknownSymbol {
                    symbol: name.escape_default().to_string(),
                    known,
                }
            }),
            Self::Op(op) => {
                let (a, b) = op.operands();
                op.apply(a.value(symbols)?, b.value(symbols)?)
            }
        }
    }
}

impl ExprOp {
    fn operands(&self) -> (&Expr, &Expr) {
        match self {
            Self::Add(a, b)
            | Self::Sub(a, b)
            | Self::Mul(a, b)
            | Self::FloorDiv(a, b)
            | Self::CeilDiv(a, b)
            | Self::Mod(a, b)
            | Self::Min(a, b)
            | Self::Max(a, b) => (a, b),
        }
    }

    fn apply(&self, a: i64, b: i64) -> Result<i64, ExprError> {
        if matches!(self, Self::FloorDiv(..) | Self::CeilDiv(..) | Self::Mod(..)) && b <= 0 {
            return Err(ExprError::Divisor {
                expr: self.to_string(),
                divisor: b,
            });
        }
        let value = match self {
            Self::Add(..) => a.checked_add(b),
            Self::Sub(..) => a.checked_sub(b),
            Self::Mul(..) => a.checked_mul(b),
            // With a positive divisor the Euclidean quotient is the floor.
            Self::FloorDiv(..) => a.checked_div_euclid(b),
            Self::CeilDiv(..) => a
                .checked_div_euclid(b)
                .map(|q| q + i64::from(a.rem_euclid(b) != 0)),
            Self::Mod(..) => a.checked_rem_euclid(b),
            Self::Min(..) => Some(a.min(b)),
            Self::Max(..) => Some(a.max(b)),
        };
        value.ok_or_else(|| ExprError::Overflow {
            expr: self.to_string(),
        })
    }
}

/// Wraps an operation; folds it when both sides are literals and it succeeds.
fn op(operation: ExprOp) -> Expr {
    if let (Expr::Constant(a), Expr::Constant(b)) = operation.operands()
        && let Ok(value) = operation.apply(*a, *b)
    {
        return Expr::Constant(value);
    }
    Expr::Op(Box::new(operation))
}

macro_rules! operator {
    ($trait:ident, $method:ident, $variant:ident) => {
        impl<T: Into<Expr>> std::ops::$trait<T> for Expr {
            type Output = Expr;
            fn $method(self, other: T) -> Expr {
                op(ExprOp::$variant(self, other.into()))
            }
        }
    };
}
operator!(Add, add, Add);
operator!(Sub, sub, Sub);
operator!(Mul, mul, Mul);

impl From<i64> for Expr {
    fn from(value: i64) -> Self {
        Self::Constant(value)
    }
}

impl From<&str> for Expr {
    fn from(symbol: &str) -> Self {
        Self::symbol(symbol)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{value}"),
            // Packages are untrusted: no control bytes in messages.
            Self::Symbol(name) => write!(f, "{}", name.escape_default()),
            Self::Op(op) => write!(f, "{op}"),
        }
    }
}

impl fmt::Display for ExprOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = self.operands();
        match self {
            Self::Add(..) => write!(f, "({a} + {b})"),
            Self::Sub(..) => write!(f, "({a} - {b})"),
            Self::Mul(..) => write!(f, "({a} * {b})"),
            Self::FloorDiv(..) => write!(f, "({a} floordiv {b})"),
            Self::CeilDiv(..) => write!(f, "({a} ceildiv {b})"),
            Self::Mod(..) => write!(f, "({a} mod {b})"),
            Self::Min(..) => write!(f, "min({a}, {b})"),
            Self::Max(..) => write!(f, "max({a}, {b})"),
        }
    }
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExprVisitor;
        impl<'de> Visitor<'de> for ExprVisitor {
            type Value = Expr;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer, a symbol's name or {\"op\": [expression, expression]}")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Expr, E> {
                Ok(Expr::Constant(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Expr, E> {
                i64::try_from(value)
                    .map(Expr::Constant)
                    .map_err(|_| E::custom("integer exceeds 2^63 - 1"))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Expr, E> {
                Ok(Expr::symbol(value))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expr, A::Error> {
                let operation = ExprOp::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Expr::Op(Box::new(operation)))
            }
        }
        deserializer.deserialize_any(ExprVisitor)
    }
}

impl JsonSchema for Expr {
    fn schema_name() -> Cow<'static, str> {
        "Expr".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let operation = generator.subschema_for::<ExprOp>();
        json_schema!({
            "description": "integer, symbol name, or one operation on two expressions",
            "anyOf": [{"type": "integer"}, {"type": "string"}, operation],
        })
    }
}
