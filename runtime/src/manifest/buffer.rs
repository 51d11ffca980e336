//! Buffers and symbols of a package.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dtype, Expr, ExprError, Symbols};

/// Index into [`Manifest::buffers`](super::Manifest::buffers).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct BufferId(pub u32);

/// Values a symbol may take, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SymbolRange {
    /// Smallest value, not negative.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

/// Who fills a buffer and how long its contents live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Uploaded before every run.
    Input,
    /// Written by kernels, downloaded after every run.
    Output,
    /// Uploaded once, bound by the buffer's name.
    Weight,
    /// Uploaded once from the package's constants, by the buffer's name.
    Constant,
    /// Contents live only between the dispatches of one run; memory is reused.
    Scratch,
    /// Zero at first, then kept from run to run (key/value caches, packed weights).
    State,
}

impl Role {
    /// The name used in manifests and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Weight => "weight",
            Self::Constant => "constant",
            Self::Scratch => "scratch",
            Self::State => "state",
        }
    }
}

/// One block of device memory.
///
/// Reshaped tensors share a buffer: steps and ports name buffers, and a port
/// may give the same bytes another shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Buffer {
    /// Unique name; binds weights and constants, and appears in messages.
    pub name: String,
    /// Element type. Elements are stored as on the host, without widening.
    pub dtype: Dtype,
    /// Size of each dimension, at most 8.
    pub shape: Vec<Expr>,
    /// Elements between neighbours of each dimension; empty = row-major, dense.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strides: Vec<Expr>,
    /// Size in bytes if kernels may touch more than shape and strides span,
    /// e.g. a last row that is stored in whole 4-vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Expr>,
    /// Who fills it.
    pub role: Role,
}

impl Buffer {
    /// A dense row-major buffer.
    pub fn dense(
        name: impl Into<String>,
        dtype: Dtype,
        shape: impl IntoIterator<Item = impl Into<Expr>>,
        role: Role,
    ) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.into_iter().map(Into::into).collect(),
            strides: Vec::new(),
            bytes: None,
            role,
        }
    }

    /// Every expression of the buffer.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.shape.iter().chain(&self.strides).chain(&self.bytes)
    }

    /// Shape and strides in elements, and size in bytes, for given symbols.
    ///
    /// Dimensions and strides must not be negative, and an explicit byte size
    /// must hold what shape and strides span.
    pub fn instantiate(&self, symbols: &Symbols) -> Result<Extent, ExtentError> {
        let shape = sizes(&self.shape, symbols)?;
        let strides = if self.strides.is_empty() {
            row_major(&shape).ok_or(ExtentError::TooLarge)?
        } else {
            sizes(&self.strides, symbols)?
        };
        let span = span(&shape, &strides).ok_or(ExtentError::TooLarge)?;
        let spanned = span
            .checked_mul(self.dtype.bytes() as u64)
            .ok_or(ExtentError::TooLarge)?;
        let bytes = match &self.bytes {
            None => spanned,
            Some(expr) => {
                let bytes = size(expr, symbols)?;
                if bytes < spanned {
                    return Err(ExtentError::TooSmall { bytes, spanned });
                }
                bytes
            }
        };
        Ok(Extent {
            shape,
            strides,
            bytes,
        })
    }
}

/// A buffer's layout once symbols have values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Size of each dimension in elements.
    pub shape: Vec<u64>,
    /// Stride of each dimension in elements.
    pub strides: Vec<u64>,
    /// Size in bytes.
    pub bytes: u64,
}

/// Why a buffer has no layout for given symbols.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtentError {
    /// An expression failed.
    #[error(transparent)]
    Expression(#[from] ExprError),
    /// A negative dimension, stride or size.
    #[error("'{expr}' is {value}; sizes and strides must not be negative")]
    Negative {
        /// The expression.
        expr: String,
        /// Its value.
        value: i64,
    },
    /// More elements or bytes than 64 bits count.
    #[error("size overflows 64 bits; use smaller dimensions")]
    TooLarge,
    /// The explicit byte size is smaller than the data.
    #[error("declared size is {bytes} bytes but shape and strides span {spanned}")]
    TooSmall {
        /// Declared bytes.
        bytes: u64,
        /// Bytes needed.
        spanned: u64,
    },
}

/// The value of an expression that must not be negative.
pub(crate) fn size(expr: &Expr, symbols: &Symbols) -> Result<u64, ExtentError> {
    let value = expr.evaluate(symbols)?;
    u64::try_from(value).map_err(|_| ExtentError::Negative {
        expr: expr.to_string(),
        value,
    })
}

/// The values of a list of expressions that must not be negative.
pub(crate) fn sizes(exprs: &[Expr], symbols: &Symbols) -> Result<Vec<u64>, ExtentError> {
    exprs.iter().map(|expr| size(expr, symbols)).collect()
}

/// Dense row-major strides.
pub(crate) fn row_major(shape: &[u64]) -> Option<Vec<u64>> {
    let mut strides = vec![1_u64; shape.len()];
    for i in (0..shape.len().saturating_sub(1)).rev() {
        strides[i] = strides[i + 1].checked_mul(shape[i + 1].max(1))?;
    }
    Some(strides)
}

/// Elements between the first and the end of the last one, 0 if there are none.
fn span(shape: &[u64], strides: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .zip(strides)
        .try_fold(1_u64, |last, (&dim, &stride)| {
            last.checked_add((dim - 1).checked_mul(stride)?)
        })
}
