//! What a device can do, as plain data that can be recorded and replayed.
//!
//! The default is WebGPU's base limits: what every conforming device has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::MatrixShape;

/// Limits and features of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceDescription {
    /// GPU or CPU.
    pub target: Target,
    /// The driver's name for it.
    pub name: String,
    /// Vendor, as PCI id or name.
    pub vendor: String,
    /// API (`vulkan`, `metal`, `dx12`, `gl`), or `native` for a CPU.
    pub backend: String,
    /// Driver name.
    pub driver: String,
    /// Driver version and whatever else it tells.
    pub driver_info: String,
    /// Discrete, integrated, software, ...
    pub kind: DeviceKind,
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Most invocations per workgroup.
    pub invocations: u32,
    /// Largest workgroup per dimension.
    pub workgroup_size: [u32; 3],
    /// Most workgroups per dispatch dimension.
    pub workgroups_per_dimension: u32,
    /// Most storage buffers per kernel.
    pub storage_buffers: u32,
    /// Largest storage binding in bytes.
    pub storage_binding_bytes: u64,
    /// Alignment of a binding's offset in bytes.
    pub storage_offset_alignment: u32,
    /// Largest buffer in bytes.
    pub buffer_bytes: u64,
    /// Bytes of immediates (push constants); 0 = none.
    pub immediate_bytes: u32,
    /// Smallest subgroup; 0 = no subgroups.
    pub subgroup_min: u32,
    /// Largest subgroup; 0 = no subgroups.
    pub subgroup_max: u32,
    /// Features, sorted: `cooperative-matrix`, `immediates`, `shader-f16`,
    /// `shader-int64`, `subgroup`, `subgroup-barrier`, `timestamp-query`; for a
    /// CPU its instruction sets in LLVM's names.
    pub features: Vec<String>,
    /// Shapes of the matrix unit.
    pub matrix_shapes: Vec<MatrixShape>,
    /// Whether dispatches can be timed on the device.
    pub timestamps: bool,
    /// Loop iterations per invocation after which the driver silently stops;
    /// lavapipe has such a limit.
    pub loop_trip_limit: Option<u64>,
    /// CPU: widest SIMD register in bits.
    pub simd_bits: u32,
    /// CPU: caches of one core.
    pub caches: Vec<Cache>,
    /// Compute units that run workgroups side by side: a GPU's multiprocessors or
    /// cores, a CPU's threads; 0 where it is not known.
    pub cores: u32,
}

/// What kind of machine code a device runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Kernels in WGSL.
    #[default]
    Gpu,
    /// Native kernels.
    Cpu,
}

/// How a device is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A card with memory of its own.
    Discrete,
    /// Shares memory with the processor.
    Integrated,
    /// Passed through by a virtual machine.
    Virtual,
    /// A GPU emulated by the processor.
    Software,
    /// A processor running native code.
    Processor,
    /// Not known.
    #[default]
    Other,
}

impl DeviceKind {
    /// The word of JSON and of `kforge-attach-device`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
            Self::Processor => "processor",
            Self::Other => "other",
        }
    }
}

/// One cache of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Level, from 1.
    pub level: u32,
    /// Size in bytes.
    pub bytes: u64,
}

impl Default for DeviceDescription {
    fn default() -> Self {
        Self {
            target: Target::Gpu,
            name: "WebGPU base limits".into(),
            vendor: String::new(),
            backend: String::new(),
            driver: String::new(),
            driver_info: String::new(),
            kind: DeviceKind::Other,
            workgroup_memory: 16 << 10,
            invocations: 256,
            workgroup_size: [256, 256, 64],
            workgroups_per_dimension: 65_535,
            storage_buffers: 8,
            storage_binding_bytes: 128 << 20,
            storage_offset_alignment: 256,
            buffer_bytes: 256 << 20,
            immediate_bytes: 0,
            subgroup_min: 0,
            subgroup_max: 0,
            features: Vec::new(),
            matrix_shapes: Vec::new(),
            timestamps: false,
            loop_trip_limit: None,
            simd_bits: 0,
            caches: Vec::new(),
            cores: 0,
        }
    }
}

impl DeviceDescription {
    /// Whether the device has a feature, by name.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|name| name == feature)
    }
}
