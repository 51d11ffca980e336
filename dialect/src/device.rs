//! The device a module is compiled for: the attribute `kforge.device`.
//!
//! Passes read limits and target from here alone. Without the attribute
//! WebGPU's base limits hold, so that what was compiled runs everywhere.

use melior::{
    Context,
    ir::{
        Attribute, Identifier, OperationRef,
        attribute::{DictionaryAttribute, IntegerAttribute, StringAttribute},
        operation::OperationLike,
        r#type::IntegerType,
    },
};

use crate::attributes;

/// What kernels are generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// WGSL through wgpu.
    Gpu,
    /// Object code through LLVM.
    Cpu,
}

impl Target {
    /// The spelling in options and attributes.
    pub const NAMES: &'static [&'static str] = &["gpu", "cpu"];

    /// The target called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "gpu" => Some(Target::Gpu),
            "cpu" => Some(Target::Cpu),
            _ => None,
        }
    }

    /// Its spelling.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Limits and features of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which kind of code.
    pub target: Target,
    /// Its name, for reports.
    pub name: String,
    /// How it is built, one of [`Device::KINDS`].
    pub kind: String,
    /// Workgroup memory, in bytes.
    pub workgroup_memory: u64,
    /// Invocations of one workgroup.
    pub invocations: u64,
    /// Storage buffers of one kernel.
    pub storage_buffers: u64,
    /// Bytes of one storage binding.
    pub storage_binding: u64,
    /// Invocations of one subgroup; 0 where subgroup operations do not exist or
    /// their size varies.
    pub subgroup_size: u64,
    /// Features by their wgpu names in kebab-case, such as `shader-f16`.
    pub features: Vec<String>,
    /// Matrix unit shapes as `MxNxK:ab:cr`, such as `16x16x16:f16:f32`.
    pub matrix_shapes: Vec<String>,
    /// Width of a vector register of a CPU, in bits.
    pub simd_bits: u64,
    /// Bytes of a CPU's L1 data cache.
    pub l1: u64,
    /// Bytes of a CPU's L2 cache.
    pub l2: u64,
    /// Compute units that run workgroups side by side: a GPU's multiprocessors or
    /// cores, a CPU's threads; 0 where it is not known.
    pub cores: u64,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            target: Target::Gpu,
            name: "webgpu".into(),
            kind: Self::KINDS[0].into(),
            workgroup_memory: 16384,
            invocations: 256,
            storage_buffers: 8,
            storage_binding: 128 << 20,
            subgroup_size: 0,
            features: Vec::new(),
            matrix_shapes: Vec::new(),
            simd_bits: 128,
            l1: 32 << 10,
            l2: 256 << 10,
            cores: 0,
        }
    }
}

impl Device {
    /// How devices are built, in the words of device descriptions.
    pub const KINDS: &'static [&'static str] = &[
        "other",
        "discrete",
        "integrated",
        "virtual",
        "software",
        "processor",
    ];

    /// The device attached to `module`, or the default.
    pub fn of(module: OperationRef) -> Self {
        let attached = module
            .attribute(attributes::DEVICE)
            .ok()
            .and_then(|value| DictionaryAttribute::try_from(value).ok());
        let mut device = Self::default();
        let Some(attached) = attached else {
            return device;
        };
        let text = |key: &str| attached.element_by_name(key).and_then(attributes::text);
        let list = |key: &str| -> Vec<String> {
            text(key)
                .unwrap_or("")
                .split('+')
                .filter(|item| !item.is_empty())
                .map(Into::into)
                .collect()
        };
        if let Some(target) = text("target").and_then(Target::parse) {
            device.target = target;
        }
        if let Some(name) = text("name") {
            device.name = name.into();
        }
        if let Some(kind) = text("kind") {
            device.kind = kind.into();
        }
        device.features = list("features");
        device.matrix_shapes = list("matrix-shapes");
        for (key, field) in device.integers_mut() {
            let value = attached
                .element_by_name(key)
                .and_then(|value| IntegerAttribute::try_from(value).ok())
                .and_then(|value| u64::try_from(value.value()).ok());
            if let Some(value) = value {
                *field = value;
            }
        }
        device
    }

    /// The attribute that says this device.
    pub fn to_attribute<'c>(&self, context: &'c Context) -> Attribute<'c> {
        let text = |text: &str| Attribute::from(StringAttribute::new(context, text));
        let mut entries = vec![
            ("target", text(self.target.as_str())),
            ("name", text(&self.name)),
            ("kind", text(&self.kind)),
            ("features", text(&self.features.join("+"))),
            ("matrix-shapes", text(&self.matrix_shapes.join("+"))),
        ];
        let mut copy = self.clone();
        for (key, value) in copy.integers_mut() {
            let integer =
                IntegerAttribute::new(IntegerType::new(context, 64).into(), *value as i64);
            entries.push((key, integer.into()));
        }
        let entries: Vec<(Identifier, Attribute)> = entries
            .into_iter()
            .map(|(key, value)| (Identifier::new(context, key), value))
            .collect();
        DictionaryAttribute::new(context, &entries).into()
    }

    /// Invocations a workgroup may have. A CPU runs a workgroup as one: it has
    /// no others to share memory with.
    pub fn max_invocations(&self) -> i64 {
        match self.target {
            Target::Gpu => self.invocations as i64,
            Target::Cpu => 1,
        }
    }

    /// Bytes a workgroup's tiles may take: workgroup memory, or what stays in
    /// half of a CPU's L2 cache and, as a local buffer, on a thread's stack.
    pub fn tile_memory(&self) -> i64 {
        match self.target {
            Target::Gpu => self.workgroup_memory as i64,
            Target::Cpu => (self.l2 / 2).min(256 << 10) as i64,
        }
    }

    /// Widest memory access in f32 elements: a vec4, or a CPU's register.
    pub fn max_vector(&self) -> i64 {
        match self.target {
            Target::Gpu => 4,
            Target::Cpu => (self.simd_bits / 32).clamp(1, 16) as i64,
        }
    }

    /// Whether it is a GPU that a processor emulates.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// Whether the device has `feature`.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|present| present == feature)
    }

    /// The least value of the integer limit called `name`: 0 where it may be unknown.
    pub fn least(name: &str) -> i64 {
        i64::from(!["subgroup-size", "cores"].contains(&name))
    }

    /// The integer limits with the names that options and the attribute use.
    pub fn integers_mut(&mut self) -> [(&'static str, &mut u64); 9] {
        [
            ("workgroup-memory", &mut self.workgroup_memory),
            ("invocations", &mut self.invocations),
            ("storage-buffers", &mut self.storage_buffers),
            ("storage-binding", &mut self.storage_binding),
            ("subgroup-size", &mut self.subgroup_size),
            ("simd-bits", &mut self.simd_bits),
            ("l1", &mut self.l1),
            ("l2", &mut self.l2),
            ("cores", &mut self.cores),
        ]
    }
}
