//! Opens a device.

use std::sync::Arc;

use pollster::block_on;
use wgpu::{
    Adapter, Backend, DeviceType, DownlevelFlags, ExperimentalFeatures, Features, Instance,
    InstanceDescriptor, InstanceFlags,
};

use super::{DeviceChoice, DeviceDescription, DeviceError, describe_cpu, describe_gpu};
use crate::gpu::GpuContext;

/// An opened device; cheap to clone, clones share caches.
#[derive(Clone, Debug)]
pub struct Device {
    pub(crate) gpu: Option<Arc<GpuContext>>,
    description: Arc<DeviceDescription>,
}

impl Device {
    /// Opens the best device of a choice.
    ///
    /// Asks for all of the adapter's limits and for the features kernels may
    /// use. `auto` prefers real GPUs over software, and Vulkan, Metal and
    /// Direct3D over OpenGL.
    pub fn open(choice: DeviceChoice) -> Result<Self, DeviceError> {
        if choice == DeviceChoice::Cpu {
            return Ok(Self {
                gpu: None,
                description: Arc::new(describe_cpu::describe()),
            });
        }
        let adapter = find_adapters(choice).into_iter().max_by_key(preference);
        let adapter = adapter.ok_or(DeviceError::NoAdapter { choice })?;
        let description = describe_gpu::describe(&adapter);
        let (device, queue) = request_device(&adapter, &description)?;
        let context = GpuContext::new(device, queue);
        Ok(Self {
            gpu: Some(Arc::new(context)),
            description: Arc::new(description),
        })
    }

    /// Descriptions of every GPU of a choice that can compute, the best first. None is
    /// opened, so a driver may still refuse one.
    pub fn adapters(choice: DeviceChoice) -> Vec<DeviceDescription> {
        let mut adapters = find_adapters(choice);
        adapters.sort_by_key(|adapter| std::cmp::Reverse(preference(adapter)));
        adapters.iter().map(describe_gpu::describe).collect()
    }

    /// What the device can do.
    pub fn description(&self) -> &DeviceDescription {
        &self.description
    }
}

fn find_adapters(choice: DeviceChoice) -> Vec<Adapter> {
    let descriptor = InstanceDescriptor {
        backends: choice.backends(),
        // A debug build's default would put line numbers into shaders, which takes naga
        // seconds for long ones, and ask for validation layers. WGPU_DEBUG=1 does.
        flags: InstanceFlags::VALIDATION_INDIRECT_CALL.with_env(),
        ..InstanceDescriptor::new_without_display_handle()
    };
    let adapters = block_on(Instance::new(descriptor).enumerate_adapters(choice.backends()));
    let can_compute = |adapter: &Adapter| {
        let flags = adapter.get_downlevel_capabilities().flags;
        flags.contains(DownlevelFlags::COMPUTE_SHADERS)
    };
    adapters.into_iter().filter(can_compute).collect()
}

/// Greater is better. The first part keeps OpenGL as the last resort.
fn preference(adapter: &Adapter) -> (bool, u8) {
    let info = adapter.get_info();
    let speed = match info.device_type {
        DeviceType::DiscreteGpu => 4,
        DeviceType::IntegratedGpu => 3,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 1,
        DeviceType::Cpu => 0,
    };
    (info.backend != Backend::Gl, speed)
}

fn request_device(
    adapter: &Adapter,
    description: &DeviceDescription,
) -> Result<(wgpu::Device, wgpu::Queue), DeviceError> {
    let wanted = describe_gpu::FEATURES
        .iter()
        .fold(Features::empty(), |all, (feature, _)| all | *feature);
    let mut limits = adapter.limits();
    // Asking for immediates without the feature is an error.
    limits.max_immediate_size = description.immediate_bytes;
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("kforge"),
        required_features: adapter.features() & wanted,
        required_limits: limits,
        // SAFETY: cooperative matrices are the only experimental feature asked
        // for. wgpu warns that bugs in it may be reached from safe code; kernels
        // that use it are checked for shapes and extents before they get here.
        experimental_features: unsafe { ExperimentalFeatures::enabled() },
        memory_hints: wgpu::MemoryHints::Performance,
        trace: wgpu::Trace::Off,
    };
    block_on(adapter.request_device(&descriptor)).map_err(|error| DeviceError::Refused {
        adapter: description.name.clone(),
        backend: description.backend.clone(),
        detail: error.to_string(),
    })
}
