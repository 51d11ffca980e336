//! Typed views and conversions of [`HostTensor`].

use std::borrow::Cow;

use bytemuck::{Pod, cast_slice, pod_collect_to_vec, try_cast_slice};
use half::{bf16, f16};

use super::{Dtype, HostTensor, TensorError};

macro_rules! typed {
    ($from:ident, $view:ident, $type:ty, $dtype:ident) => {
        #[doc = concat!("A tensor of ", stringify!($type), " values, row-major.")]
        pub fn $from(shape: &[usize], values: &[$type]) -> Result<Self, TensorError> {
            Self::new(Dtype::$dtype, shape.to_vec(), cast_slice(values).to_vec())
        }

        #[doc = concat!("The elements as ", stringify!($type), "; copied only if misaligned.")]
        pub fn $view(&self) -> Result<Cow<'_, [$type]>, TensorError> {
            self.view(Dtype::$dtype)
        }
    };
}

impl HostTensor {
    typed!(from_f32, as_f32, f32, F32);
    typed!(from_f16, as_f16, f16, F16);
    typed!(from_bf16, as_bf16, bf16, Bf16);
    typed!(from_i32, as_i32, i32, I32);
    typed!(from_i64, as_i64, i64, I64);
    typed!(from_i8, as_i8, i8, I8);
    typed!(from_u8, as_u8, u8, U8);

    /// A tensor of booleans, row-major.
    pub fn from_bool(shape: &[usize], values: &[bool]) -> Result<Self, TensorError> {
        let bytes = values.iter().map(|&value| u8::from(value)).collect();
        Self::new(Dtype::Bool, shape.to_vec(), bytes)
    }

    /// A tensor of another dtype from f64 values, rounded to nearest even.
    ///
    /// Integers are truncated and saturate; a boolean is `value != 0`.
    pub fn from_f64(dtype: Dtype, shape: &[usize], values: &[f64]) -> Result<Self, TensorError> {
        let bytes = match dtype {
            Dtype::F32 => collect(values, |v| (v as f32).to_le_bytes()),
            Dtype::F16 => collect(values, |v| f16::from_f64(v).to_le_bytes()),
            Dtype::Bf16 => collect(values, |v| bf16::from_f64(v).to_le_bytes()),
            Dtype::I32 => collect(values, |v| (v as i32).to_le_bytes()),
            Dtype::I64 => collect(values, |v| (v as i64).to_le_bytes()),
            Dtype::I8 => collect(values, |v| (v as i8).to_le_bytes()),
            Dtype::U8 => collect(values, |v| [v as u8]),
            Dtype::Bool => collect(values, |v| [u8::from(v != 0.0)]),
        };
        Self::new(dtype, shape.to_vec(), bytes)
    }

    /// The elements as f64; exact except for i64 beyond 2^53.
    pub fn to_f64_vec(&self) -> Vec<f64> {
        match self.dtype {
            Dtype::F32 => convert(&self.bytes, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F16 => convert(&self.bytes, |b| f16::from_le_bytes(b).to_f64()),
            Dtype::Bf16 => convert(&self.bytes, |b| bf16::from_le_bytes(b).to_f64()),
            Dtype::I32 => convert(&self.bytes, |b| f64::from(i32::from_le_bytes(b))),
            Dtype::I64 => convert(&self.bytes, |b| i64::from_le_bytes(b) as f64),
            Dtype::I8 => convert(&self.bytes, |b| f64::from(i8::from_le_bytes(b))),
            Dtype::U8 | Dtype::Bool => convert(&self.bytes, |[b]| f64::from(b)),
        }
    }

    fn view<T: Pod>(&self, wanted: Dtype) -> Result<Cow<'_, [T]>, TensorError> {
        if self.dtype != wanted {
            return Err(TensorError::Dtype {
                found: self.dtype,
                wanted,
            });
        }
        Ok(match try_cast_slice(&self.bytes) {
            Ok(values) => Cow::Borrowed(values),
            Err(_) => Cow::Owned(pod_collect_to_vec(&self.bytes)),
        })
    }
}

fn collect<const N: usize>(values: &[f64], encode: impl Fn(f64) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| encode(value)).collect()
}

fn convert<const N: usize>(bytes: &[u8], decode: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&chunk| decode(chunk))
        .collect()
}
