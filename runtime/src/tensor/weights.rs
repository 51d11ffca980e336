//! Named tensors in one safetensors file.
//!
//! Limits: 65,536 tensors; header size is capped by the safetensors crate.

use std::collections::BTreeMap;

use safetensors::{Dtype as FileDtype, SafeTensors, tensor::TensorView};

use super::{Dtype, HostTensor, TensorError};

const MAX_TENSORS: usize = 1 << 16;

/// Reads all tensors of a safetensors file.
pub(crate) fn read_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, HostTensor>, TensorError> {
    let file = SafeTensors::deserialize(bytes).map_err(format)?;
    if file.len() > MAX_TENSORS {
        let problem = format!("{} tensors exceed the limit of {MAX_TENSORS}", file.len());
        return Err(TensorError::Format { problem });
    }
    file.iter()
        .map(|(name, view)| {
            let dtype = from_file(view.dtype())?;
            let tensor = HostTensor::new(dtype, view.shape().to_vec(), view.data().to_vec())?;
            Ok((name.to_owned(), tensor))
        })
        .collect()
}

/// The bytes of a safetensors file; the same tensors give the same bytes.
pub(crate) fn write_safetensors(
    tensors: &BTreeMap<String, HostTensor>,
) -> Result<Vec<u8>, TensorError> {
    let views = tensors
        .iter()
        .map(|(name, tensor)| {
            let view = TensorView::new(to_file(tensor.dtype), tensor.shape.clone(), &tensor.bytes)
                .map_err(format)?;
            Ok((name, view))
        })
        .collect::<Result<Vec<_>, TensorError>>()?;
    safetensors::serialize(views, None).map_err(format)
}

fn format(error: safetensors::SafeTensorError) -> TensorError {
    TensorError::Format {
        problem: error.to_string(),
    }
}

fn to_file(dtype: Dtype) -> FileDtype {
    match dtype {
        Dtype::F32 => FileDtype::F32,
        Dtype::F16 => FileDtype::F16,
        Dtype::Bf16 => FileDtype::BF16,
        Dtype::I32 => FileDtype::I32,
        Dtype::I64 => FileDtype::I64,
        Dtype::I8 => FileDtype::I8,
        Dtype::U8 => FileDtype::U8,
        Dtype::Bool => FileDtype::BOOL,
    }
}

fn from_file(dtype: FileDtype) -> Result<Dtype, TensorError> {
    Ok(match dtype {
        FileDtype::F32 => Dtype::F32,
        FileDtype::F16 => Dtype::F16,
        FileDtype::BF16 => Dtype::Bf16,
        FileDtype::I32 => Dtype::I32,
        FileDtype::I64 => Dtype::I64,
        FileDtype::I8 => Dtype::I8,
        FileDtype::U8 => Dtype::U8,
        FileDtype::BOOL => Dtype::Bool,
        other => {
            let problem = format!("dtype {other:?} is not supported");
            return Err(TensorError::Format { problem });
        }
    })
}
