//! Tensors in host memory: dtype, shape and row-major little-endian bytes.

mod npy;
mod values;
mod weights;

use thiserror::Error;

use crate::manifest::Dtype;

pub use weights::{bind_safetensors, read_safetensors, write_safetensors};

/// Largest tensor accepted, in bytes (16 GiB).
pub const MAX_TENSOR_BYTES: u64 = 16 << 30;

/// A dense row-major tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Why bytes are not a tensor, or not the tensor wanted.
#[derive(Debug, Error)]
pub enum TensorError {
    /// The file system refused.
    #[error("cannot read or write '{path}': {source}")]
    Io {
        /// Which file.
        path: std::path::PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Not a tensor file, or one this crate does not read.
    #[error("not a readable tensor file: {problem}")]
    Format {
        /// What is wrong.
        problem: String,
    },
    /// More bytes than accepted.
    #[error("tensor {shape:?} of {dtype} exceeds the limit of {limit} bytes")]
    TooLarge {
        /// Shape asked for.
        shape: Vec<u64>,
        /// Element type.
        dtype: Dtype,
        /// The limit.
        limit: u64,
    },
    /// Byte count and shape disagree.
    #[error("tensor {shape:?} of {dtype} needs {expected} bytes, found {found}")]
    ByteCount {
        /// Shape.
        shape: Vec<usize>,
        /// Element type.
        dtype: Dtype,
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
    /// A file of named tensors lacks one.
    #[error("there is no tensor '{name}'; there are {others} others")]
    Missing {
        /// The name.
        name: String,
        /// Tensors there.
        others: usize,
    },
    /// A named tensor is of another type.
    #[error("tensor '{name}' is {found}, not {wanted}")]
    Other {
        /// The name.
        name: String,
        /// Dtype and shape there.
        found: String,
        /// Dtype and shape wanted.
        wanted: String,
    },
    /// Another element type than asked for.
    #[error("tensor is {found}, not {wanted}")]
    Dtype {
        /// Type there.
        found: Dtype,
        /// Type wanted.
        wanted: Dtype,
    },
}

impl HostTensor {
    /// A tensor of given bytes, row-major and little-endian.
    pub fn new(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Result<Self, TensorError> {
        let expected = checked_bytes(dtype, &shape)?;
        if bytes.len() != expected {
            return Err(TensorError::ByteCount {
                shape,
                dtype,
                expected,
                found: bytes.len(),
            });
        }
        Ok(Self {
            dtype,
            shape,
            bytes,
        })
    }

    /// A tensor of zero bytes, which are 0 in every dtype.
    pub fn zeros(dtype: Dtype, shape: Vec<usize>) -> Result<Self, TensorError> {
        let bytes = vec![0; checked_bytes(dtype, &shape)?];
        Ok(Self {
            dtype,
            shape,
            bytes,
        })
    }

    /// Element type.
    pub const fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Size of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major and little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The elements, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Number of elements.
    pub const fn len(&self) -> usize {
        self.bytes.len() / self.dtype.bytes()
    }

    /// Whether there are no elements.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The same elements in another shape.
    pub fn reshape(self, shape: Vec<usize>) -> Result<Self, TensorError> {
        Self::new(self.dtype, shape, self.bytes)
    }

    /// Dtype and shape for messages: `f32[2x3]`.
    pub fn describe(&self) -> String {
        describe(self.dtype, &self.shape)
    }
}

/// Dtype and shape for messages: `f32[2x3]`.
pub(crate) fn describe(dtype: Dtype, shape: &[usize]) -> String {
    let dims: Vec<_> = shape.iter().map(usize::to_string).collect();
    format!("{dtype}[{}]", dims.join("x"))
}

/// Bytes of a dense tensor, refused beyond [`MAX_TENSOR_BYTES`].
fn checked_bytes(dtype: Dtype, shape: &[usize]) -> Result<usize, TensorError> {
    let product = if shape.contains(&0) {
        Some(0)
    } else {
        shape
            .iter()
            .try_fold(dtype.bytes(), |product, &dim| product.checked_mul(dim))
    };
    product
        .filter(|&bytes| bytes as u64 <= MAX_TENSOR_BYTES)
        .ok_or_else(|| TensorError::TooLarge {
            shape: shape.iter().map(|&dim| dim as u64).collect(),
            dtype,
            limit: MAX_TENSOR_BYTES,
        })
}
