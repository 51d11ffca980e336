//! Tensor files.

use std::collections::BTreeMap;

use kforge_runtime::{
    HostTensor,
    tensor::{MAX_TENSOR_BYTES, bind_safetensors, read_safetensors, write_safetensors},
};

/// A `.npy` file: what is read is dense, and is written and read again as the same.
pub fn npy(data: &[u8]) {
    let Ok(tensor) = HostTensor::from_npy_bytes(data) else {
        return;
    };
    dense(&tensor);
    let again = HostTensor::from_npy_bytes(&tensor.to_npy_bytes());
    assert_eq!(again.ok().as_ref(), Some(&tensor));
}

/// A safetensors file: what is read binds by name and type and by no other, and is written
/// and read again as the same.
pub fn safetensors(data: &[u8]) {
    let Ok(tensors) = read_safetensors(data) else {
        return;
    };
    tensors.values().for_each(dense);
    let written = write_safetensors(&tensors);
    let again = written.ok().and_then(|it| read_safetensors(&it).ok());
    assert_eq!(again.as_ref(), Some(&tensors));
    let mut wanted: BTreeMap<_, _> = tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), (tensor.dtype(), tensor.shape().to_vec())))
        .collect();
    assert_eq!(bind_safetensors(data, &wanted).ok(), Some(tensors));
    if let Some((_, shape)) = wanted.values_mut().next() {
        shape.push(1);
        assert!(bind_safetensors(data, &wanted).is_err());
    }
}

fn dense(tensor: &HostTensor) {
    let elements: Option<usize> = tensor
        .shape()
        .iter()
        .try_fold(1, |product: usize, size| product.checked_mul(*size));
    // A size of 0 lets the others be what they will.
    let elements = match tensor.shape().contains(&0) {
        true => Some(0),
        false => elements,
    };
    assert_eq!(elements, Some(tensor.len()));
    assert_eq!(tensor.to_f64_vec().len(), tensor.len());
    assert!(tensor.bytes().len() as u64 <= MAX_TENSOR_BYTES);
}
