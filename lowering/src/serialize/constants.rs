//! Constant `memref.global`s as tensors.

use kforge_dialect::ir;
use kforge_runtime::HostTensor;
use melior::ir::{
    OperationRef,
    attribute::{DenseElementsAttribute, FlatSymbolRefAttribute},
    operation::OperationLike,
};

use super::{SerializeError, read, view::Shape};

/// Name and value of the global that `get_global` gets, whose type is `shape`.
pub(super) fn value<'c>(
    module: OperationRef<'c, '_>,
    get_global: OperationRef<'c, '_>,
    shape: &Shape,
) -> Result<(&'c str, HostTensor), SerializeError> {
    let refused = |message: String| SerializeError::at(get_global, message);
    let name = get_global
        .attribute("name")
        .ok()
        .and_then(|name| FlatSymbolRefAttribute::try_from(name).ok())
        .map(|name| name.value())
        .ok_or_else(|| refused("names no global".into()))?;
    let global = read::body(module)
        .into_iter()
        .find(|op| ir::name(*op) == "memref.global" && read::symbol(*op) == name)
        .ok_or_else(|| {
            refused(format!(
                "gets @{name}, which is no memref.global of the module"
            ))
        })?;
    if !global.has_attribute("constant") {
        let message = format!("gets @{name}, which is not constant; pass state as an argument");
        return Err(refused(message));
    }
    let dense = global
        .attribute("initial_value")
        .ok()
        .and_then(|value| DenseElementsAttribute::try_from(value).ok())
        .ok_or_else(|| refused(format!("gets @{name}, whose value is not dense<...>")))?;
    let size = shape.dtype.bytes();
    let raw = ir::dense_bytes(&dense, size);
    let bytes = match dense.is_splat() {
        true => raw.repeat(shape.scalars() as usize),
        false => raw.to_vec(),
    };
    let bytes = little_endian(bytes, size);
    let sizes = shape
        .scalar_sizes()
        .into_iter()
        .map(|size| size as usize)
        .collect();
    let tensor = HostTensor::new(shape.dtype, sizes, bytes)
        .map_err(|error| refused(format!("gets @{name}: {error}")))?;
    Ok((name, tensor))
}

/// MLIR keeps numbers in the host's byte order, packages in little-endian.
fn little_endian(mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    bytes
}
