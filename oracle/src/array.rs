//! `Array`: f64 values of a tensor, each with an error bound.

use crate::program::TensorType;

/// A tensor as the oracle sees it.
///
/// For each element, a correct device result g satisfies |g - value| <= bound. Three
/// special readings, all decided per element in `compare.rs`:
/// - |value| beyond the type's largest finite value: the device overflows; it must give
///   the same-signed infinity or a value of at least half that maximum;
/// - value in range, bound infinite: nothing is known (an intermediate may have
///   overflowed, or the bound is vacuous); the element is counted as undecided;
/// - value NaN: undecided as well. Either the reference is NaN, which WGSL leaves open, or it
///   is out of range with an unknown error.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Element type and shape.
    pub ty: TensorType,
    /// Exact-arithmetic result, to f64 accuracy, row-major.
    pub value: Vec<f64>,
    /// Upper bound of |device - value|, never NaN.
    pub bound: Vec<f64>,
    /// At most the bound: what the error of a usual correct kernel stays below. Only where
    /// statistics give one (`eval/matmul.rs`); a larger error is odd, not wrong.
    pub typical: Option<Vec<f64>>,
}

impl Array {
    /// An array without error, as program inputs are.
    pub fn exact(ty: TensorType, value: Vec<f64>) -> Self {
        let bound = vec![0.0; value.len()];
        Array {
            ty,
            value,
            bound,
            typical: None,
        }
    }

    pub(crate) fn from_pairs(ty: TensorType, pairs: Vec<(f64, f64)>) -> Self {
        let (value, bound) = pairs.into_iter().unzip();
        Array {
            ty,
            value,
            bound,
            typical: None,
        }
    }

    /// True when no element carries an error.
    pub(crate) fn is_clean(&self) -> bool {
        self.bound.iter().all(|&b| b == 0.0)
    }
}
