//! Devices: which there are, what they can do, and how one is opened.

mod choice;
mod describe_cpu;
mod describe_gpu;
mod description;
mod open;
mod units;

use thiserror::Error;

pub use choice::DeviceChoice;
pub use description::{Cache, DeviceDescription, DeviceKind, Target};
pub use open::Device;

/// Why a device cannot be opened.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// A name that is no choice.
    #[error("unknown device '{name}'; use auto, vulkan, metal, dx12, gl or cpu")]
    UnknownChoice {
        /// The name given.
        name: String,
    },
    /// A maker's own API, which is not used.
    #[error("NVIDIA GPUs are reached through Vulkan: use device 'vulkan' instead of 'cuda'")]
    Cuda,
    /// The system offers no usable adapter.
    #[error(
        "no GPU adapter for device '{choice}'; install a driver (on Debian without a GPU: \
         mesa-vulkan-drivers), or use device 'cpu', which needs none"
    )]
    NoAdapter {
        /// The choice made.
        choice: DeviceChoice,
    },
    /// The adapter is there but refuses.
    #[error("adapter '{adapter}' ({backend}) refused a device: {detail}")]
    Refused {
        /// Adapter name.
        adapter: String,
        /// API behind it.
        backend: String,
        /// The driver's words.
        detail: String,
    },
}
