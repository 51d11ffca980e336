//! Weights by name from a safetensors file. The file is untrusted: its size is
//! bounded by 32 GiB, its header by the safetensors crate (100 MB), and only the
//! tensors a program asks for are copied out.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use kforge_runtime::{Dtype, HostTensor};
use safetensors::{Dtype as FileDtype, SafeTensors};

use super::{Failure, bind::Type};

const MAX_BYTES: u64 = 32 << 30;

/// The tensors called as `wanted`, each of exactly that type.
pub(super) fn read(
    path: &Path,
    wanted: &BTreeMap<String, Type>,
) -> Result<BTreeMap<String, HostTensor>, Failure> {
    let bytes = contents(path)?;
    let shown = path.display();
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| Failure::Input(format!("'{shown}' is no safetensors file: {error}")))?;
    let mut tensors = BTreeMap::new();
    for (name, (dtype, shape)) in wanted {
        let view = file.tensor(name).map_err(|_| {
            Failure::Input(format!(
                "'{shown}' has no tensor '{name}'; it has {} others",
                file.len()
            ))
        })?;
        if from_file(view.dtype()) != Some(*dtype) || view.shape() != shape {
            return Err(Failure::Input(format!(
                "weight '{name}' is {dtype}{shape:?}, '{shown}' has {:?}{:?}",
                view.dtype(),
                view.shape()
            )));
        }
        let tensor =
            HostTensor::new(*dtype, shape.clone(), view.data().to_vec()).map_err(|source| {
                Failure::Tensor {
                    path: name.clone(),
                    source,
                }
            })?;
        tensors.insert(name.clone(), tensor);
    }
    Ok(tensors)
}

fn contents(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        let path = path.display();
        return Err(Failure::Input(format!(
            "'{path}' has more than {MAX_BYTES} bytes, the limit"
        )));
    }
    Ok(bytes)
}

fn from_file(dtype: FileDtype) -> Option<Dtype> {
    Some(match dtype {
        FileDtype::F32 => Dtype::F32,
        FileDtype::F16 => Dtype::F16,
        FileDtype::BF16 => Dtype::Bf16,
        FileDtype::I32 => Dtype::I32,
        FileDtype::I64 => Dtype::I64,
        FileDtype::I8 => Dtype::I8,
        FileDtype::U8 => Dtype::U8,
        FileDtype::BOOL => Dtype::Bool,
        _ => return None,
    })
}
