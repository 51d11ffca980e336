//! Named tensors in one safetensors file, which is untrusted.
//!
//! Limits: 65,536 tensors where all are read; header size is capped by the safetensors
//! crate (100 MB).

use std::collections::BTreeMap;

use safetensors::{Dtype as FileDtype, SafeTensors, tensor::TensorView};

use super::{Dtype, HostTensor, TensorError, describe};

const MAX_TENSORS: usize = 1 << 16;

/// Reads all tensors of a safetensors file.
pub fn read_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, HostTensor>, TensorError> {
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
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

/// The tensors called as `wanted`, each of exactly that dtype and shape. Nothing else is
/// copied out.
pub fn bind_safetensors(
    bytes: &[u8],
    wanted: &BTreeMap<String, (Dtype, Vec<usize>)>,
) -> Result<BTreeMap<String, HostTensor>, TensorError> {
    let file = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let bind = |(name, (dtype, shape)): (&String, &(Dtype, Vec<usize>))| {
        let view = file.tensor(name).map_err(|_| TensorError::Missing {
            name: name.clone(),
            others: file.len(),
        })?;
        if from_file(view.dtype()).ok() != Some(*dtype) || view.shape() != shape {
            return Err(TensorError::Other {
                name: name.clone(),
                wanted: describe(*dtype, shape),
                found: format!("{:?}{:?}", view.dtype(), view.shape()),
            });
        }
        let tensor = HostTensor::new(*dtype, shape.clone(), view.data().to_vec())?;
        Ok((name.clone(), tensor))
    };
    wanted.iter().map(bind).collect()
}

/// The bytes of a safetensors file; the same tensors give the same bytes.
pub fn write_safetensors(tensors: &BTreeMap<String, HostTensor>) -> Result<Vec<u8>, TensorError> {
    let views = tensors
        .iter()
        .map(|(name, tensor)| {
            let view = TensorView::new(to_file(tensor.dtype), tensor.shape.clone(), &tensor.bytes)
                .map_err(malformed)?;
            Ok((name, view))
        })
        .collect::<Result<Vec<_>, TensorError>>()?;
    safetensors::serialize(views, None).map_err(malformed)
}

fn malformed(error: safetensors::SafeTensorError) -> TensorError {
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
