//! Which device a user asks for.

use std::{fmt, str::FromStr};

use super::DeviceError;

/// A choice of device, by API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best GPU adapter of any API.
    #[default]
    Auto,
    /// Vulkan.
    Vulkan,
    /// Metal.
    Metal,
    /// Direct3D 12.
    Dx12,
    /// OpenGL (ES).
    Gl,
    /// This machine's processor; runs native packages.
    Cpu,
}

impl DeviceChoice {
    const NAMES: [(&'static str, Self); 6] = [
        ("auto", Self::Auto),
        ("vulkan", Self::Vulkan),
        ("metal", Self::Metal),
        ("dx12", Self::Dx12),
        ("gl", Self::Gl),
        ("cpu", Self::Cpu),
    ];

    /// wgpu's APIs for the choice.
    pub(super) const fn backends(self) -> wgpu::Backends {
        match self {
            Self::Auto => wgpu::Backends::all(),
            Self::Vulkan => wgpu::Backends::VULKAN,
            Self::Metal => wgpu::Backends::METAL,
            Self::Dx12 => wgpu::Backends::DX12,
            Self::Gl => wgpu::Backends::GL,
            Self::Cpu => wgpu::Backends::empty(),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        if name == "cuda" {
            return Err(DeviceError::Cuda);
        }
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, choice)| *choice)
            .ok_or_else(|| DeviceError::UnknownChoice {
                name: name
                    .chars()
                    .take(40)
                    .flat_map(char::escape_default)
                    .collect(),
            })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::NAMES.iter().find(|(_, choice)| choice == self);
        f.write_str(found.map_or("auto", |(name, _)| name))
    }
}
