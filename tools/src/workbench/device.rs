//! Which device a subcommand works on: `--device` and the global `--target`.

use clap::Args;
use kforge_runtime::{Device, DeviceChoice, DeviceError, device::Target};

use super::Failure;

/// A device by its API.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct DeviceArgument {
    /// Device: auto, vulkan, metal, dx12, gl or cpu; --target says less
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
}

impl DeviceArgument {
    /// The device asked for, if one is.
    pub(super) fn choice(self, target: Option<Target>) -> Result<Option<DeviceChoice>, Failure> {
        let Some(device) = self.device else {
            return Ok(target.map(of_target));
        };
        let own = match device {
            DeviceChoice::Cpu => Target::Cpu,
            _ => Target::Gpu,
        };
        agree(&device.to_string(), own, target)?;
        Ok(Some(device))
    }
}

/// Opens a device.
pub(super) fn open(choice: DeviceChoice) -> Result<Device, Failure> {
    Device::open(choice).map_err(|error| match error {
        DeviceError::NoAdapter { choice } => Failure::NoDevice { choice },
        error => Failure::Device(error),
    })
}

/// A device that is only described.
#[cfg(feature = "mlir")]
#[derive(Debug, Args)]
pub(super) struct Described {
    /// Device: auto, vulkan, metal, dx12, gl, cpu or FILE.json with its description; without
    /// it, or --target, the limits that every WebGPU device has
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
}

#[cfg(feature = "mlir")]
impl Described {
    /// The device's description.
    pub(super) fn description(
        &self,
        target: Option<Target>,
    ) -> Result<kforge_runtime::DeviceDescription, Failure> {
        let implied = target.map(|target| of_target(target).to_string());
        let device = self.device.as_deref().or(implied.as_deref());
        let found = crate::device::described(device)?;
        agree(device.unwrap_or_default(), found.target, target)?;
        Ok(found)
    }
}

/// The device that a target alone means.
const fn of_target(target: Target) -> DeviceChoice {
    match target {
        Target::Cpu => DeviceChoice::Cpu,
        Target::Gpu => DeviceChoice::Auto,
    }
}

/// Refuses a device that is not of the target asked for.
pub(super) fn agree(device: &str, own: Target, target: Option<Target>) -> Result<(), Failure> {
    let name = |target| match target {
        Target::Cpu => "cpu",
        Target::Gpu => "gpu",
    };
    match target.filter(|target| *target != own) {
        None => Ok(()),
        Some(target) => Err(Failure::Usage(format!(
            "--target {} and --device {device}, which is a {}, contradict each other; leave one out",
            name(target),
            name(own),
        ))),
    }
}
