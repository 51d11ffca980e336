//! Weights by name from a safetensors file. The file is untrusted: its size is bounded by
//! 32 GiB, and only the tensors a program asks for are copied out.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use kforge_runtime::{HostTensor, tensor::bind_safetensors};

use super::{Failure, bind::Type};

const MAX_BYTES: u64 = 32 << 30;

/// The tensors called as `wanted`, each of exactly that type.
pub(super) fn read(
    path: &Path,
    wanted: &BTreeMap<String, Type>,
) -> Result<BTreeMap<String, HostTensor>, Failure> {
    bind_safetensors(&contents(path)?, wanted).map_err(|source| Failure::Tensor {
        path: path.display().to_string(),
        source,
    })
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
