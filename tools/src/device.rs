//! The device that plans are for: one of this machine, or one that a file describes.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use kforge_runtime::{Device, DeviceChoice, DeviceDescription, DeviceError};
use serde_json::Value;

/// Bytes of a device description; one has 2 KiB.
const MAX_BYTES: u64 = 1 << 20;

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// A file that describes none.
    #[error(
        "'{path}' is no device description: {source}; make one with `kforge diagnose-gpu --json`"
    )]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This machine has none.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A device by its `--device` choice or from `FILE.json`; WebGPU's limits without either.
pub(crate) fn described(choice: Option<&str>) -> Result<DeviceDescription, DescribeError> {
    match choice {
        None => Ok(DeviceDescription {
            name: "webgpu".into(),
            ..DeviceDescription::default()
        }),
        Some(path) if path.ends_with(".json") => from_file(path.as_ref()),
        Some(choice) => {
            let choice: DeviceChoice = choice.parse()?;
            Ok(Device::open(choice)?.description().clone())
        }
    }
}

/// A bare description, or the report of diagnose-gpu around it.
pub(crate) fn from_file(path: &Path) -> Result<DeviceDescription, DescribeError> {
    read(path).map_err(|source| DescribeError::File {
        path: path.into(),
        source,
    })
}

fn read(path: &Path) -> io::Result<DeviceDescription> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("more than {MAX_BYTES} bytes")));
    }
    let value: Value = serde_json::from_str(&text)?;
    let device = value.get("device").cloned().unwrap_or(value);
    // Every field has a default, so that nothing at all would be a device, too.
    if device.get("name").is_none() {
        return Err(io::Error::other("it has no 'name'"));
    }
    Ok(serde_json::from_value(device)?)
}
