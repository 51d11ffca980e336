//! Tensors between the oracle and the runtime, which do not know each other.

use kforge_oracle::{Array, DType, TensorType};
use kforge_runtime::{Dtype, HostTensor, TensorError};

/// The runtime's element type.
pub fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::Bf16 => Dtype::Bf16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::Bool => Dtype::Bool,
    }
}

/// An input as the device gets it. Its values are representable: generated so.
pub fn tensor(array: &Array) -> Result<HostTensor, TensorError> {
    HostTensor::from_f64(dtype(array.ty.dtype), &array.ty.shape, &array.value)
}

/// A tensor as the oracle takes it, under a shape of as many elements; `None`
/// for element types the oracle does not have.
pub fn array(tensor: &HostTensor, shape: &[usize]) -> Option<Array> {
    let dtype = match tensor.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::Bf16 => DType::Bf16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::Bool => DType::Bool,
        Dtype::I8 | Dtype::U8 => return None,
    };
    let ty = TensorType::new(dtype, shape);
    let values = tensor.to_f64_vec();
    (ty.checked_elements() == Some(values.len())).then(|| Array::exact(ty, values))
}
