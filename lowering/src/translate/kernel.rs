//! The finished kernel: a validated module and what a host needs to launch it.

use super::types::ScalarType;
use naga::{
    AddressSpace, Module, ResourceBinding, ShaderStage,
    back::{msl, spv, wgsl},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};

/// How a kernel uses a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Never stored to.
    Read,
    /// Stored to, and perhaps read.
    ReadWrite,
}

/// One memref argument: `@group(0) @binding(i)`, `i` its place in
/// [`Kernel::bindings`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Index among the arguments of the `gpu.func`.
    pub argument: usize,
    /// Whether the kernel stores to it.
    pub access: Access,
    /// Scalar type of an element.
    pub scalar: ScalarType,
    /// Lanes of an element: 1, 2 or 4.
    pub lanes: u32,
    /// Elements (of `lanes` scalars each) the argument spans from the start of
    /// its buffer, where the type is static.
    pub elements: Option<u64>,
}

/// Where the value of an immediate comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ImmediateSource {
    /// A scalar argument.
    Argument(usize),
    /// Size of a dimension of a memref argument.
    Size {
        /// Index of the argument.
        argument: usize,
        /// Dimension.
        dimension: usize,
    },
    /// Stride of a dimension of a memref argument, in elements.
    Stride {
        /// Index of the argument.
        argument: usize,
        /// Dimension.
        dimension: usize,
    },
    /// Offset of a memref argument from the start of its buffer, in elements.
    Offset(usize),
    /// A constant that cannot be a literal: an infinity or a NaN.
    Constant(f32),
}

/// One member of the struct of immediates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Immediate {
    /// What to pass.
    pub source: ImmediateSource,
    /// As what to pass it: `i32`, `i64` or `f32`. An `f16` argument is passed as
    /// `f32`, an `i1` argument as `i32`.
    pub scalar: ScalarType,
    /// Byte offset in the struct.
    pub offset: u32,
}

/// Where the struct of immediates is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImmediateSpace {
    /// `var<immediate>`.
    Immediate,
    /// A uniform buffer at `@group(0)` and this binding.
    Uniform(u32),
}

/// Device features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// 16-bit floats.
    pub f16: bool,
    /// Subgroup builtins and operations.
    pub subgroups: bool,
    /// 64-bit integers.
    pub int64: bool,
    /// Cooperative matrices.
    pub cooperative_matrix: bool,
}

/// Which run-time checks the written code carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// Clamp indices to the bounds of their array.
    pub bounds: bool,
    /// Let no compiler assume that a loop ends.
    pub loops: bool,
    /// Define integer division by zero and overflow.
    pub division: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            bounds: true,
            loops: true,
            division: true,
        }
    }
}

/// A back end of naga failed on a valid module.
#[derive(Debug, Clone, thiserror::Error)]
#[error("naga could not write {format} for kernel '{kernel}': {reason}")]
pub struct WriteError {
    /// `MSL` or `SPIR-V`.
    pub format: &'static str,
    /// Name of the kernel.
    pub kernel: String,
    /// naga's message.
    pub reason: String,
}

/// A translated kernel. It exists only after naga's validator and the checks of
/// [`translate_kernel`](super::translate_kernel).
#[derive(Debug, Clone)]
pub struct Kernel {
    module: Module,
    info: ModuleInfo,
    wgsl: String,
    facts: Facts,
}

/// All of a kernel but its code.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) workgroup_size: [u32; 3],
    pub(super) bindings: Vec<Binding>,
    pub(super) immediates: Vec<Immediate>,
    pub(super) immediate_space: ImmediateSpace,
    pub(super) memory: u32,
    pub(super) features: Features,
    pub(super) subgroup_size: Option<u32>,
}

impl Kernel {
    /// Validates `module`, writes it as WGSL and validates what that text says; on
    /// refusal returns naga's message. The entry point is renamed to what WGSL
    /// calls it: `f_0` becomes `f_0_`, because naga keeps a final digit to itself.
    pub(super) fn validate(mut module: Module, facts: Facts) -> Result<Self, String> {
        let capabilities = capabilities(&facts);
        let validate = |module: &Module, source: &str| {
            Validator::new(ValidationFlags::all(), capabilities)
                .validate(module)
                .map_err(|error| error.emit_to_string(source))
        };
        let info = validate(&module, "")?;
        let wgsl = wgsl::write_string(&module, &info, wgsl::WriterFlags::empty())
            .map_err(|error| error.to_string())?;
        let again =
            naga::front::wgsl::parse_str(&wgsl).map_err(|error| error.emit_to_string(&wgsl))?;
        validate(&again, &wgsl)?;
        for (entry, written) in module.entry_points.iter_mut().zip(&again.entry_points) {
            entry.name.clone_from(&written.name);
        }
        Ok(Self {
            module,
            info,
            wgsl,
            facts,
        })
    }

    /// Name of the `gpu.func`.
    pub fn name(&self) -> &str {
        &self.facts.name
    }

    /// Name of the entry point in the module and in everything written from it,
    /// but for MSL, which renames `main`.
    pub fn entry_point(&self) -> &str {
        self.module
            .entry_points
            .first()
            .map_or(self.name(), |entry| &entry.name)
    }

    /// The validated module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// naga's analysis of [`Kernel::module`].
    pub fn info(&self) -> &ModuleInfo {
        &self.info
    }

    /// Invocations of a workgroup in x, y, z.
    pub fn workgroup_size(&self) -> [u32; 3] {
        self.facts.workgroup_size
    }

    /// Storage buffers, in the order of their bindings.
    pub fn bindings(&self) -> &[Binding] {
        &self.facts.bindings
    }

    /// Members of the struct of immediates.
    pub fn immediates(&self) -> &[Immediate] {
        &self.facts.immediates
    }

    /// Where the struct of immediates is bound. Means nothing if there are none.
    pub fn immediate_space(&self) -> ImmediateSpace {
        self.facts.immediate_space
    }

    /// Size of the struct of immediates in bytes.
    pub fn immediate_bytes(&self) -> u32 {
        immediate_bytes(&self.facts.immediates)
    }

    /// Bytes of workgroup memory.
    pub fn memory(&self) -> u32 {
        self.facts.memory
    }

    /// Features the kernel needs.
    pub fn features(&self) -> Features {
        self.facts.features
    }

    /// Subgroup size the kernel was written for, where it relies on one.
    pub fn subgroup_size(&self) -> Option<u32> {
        self.facts.subgroup_size
    }

    /// Validator capabilities the kernel needs, for parsing its WGSL again.
    pub fn capabilities(&self) -> Capabilities {
        capabilities(&self.facts)
    }

    /// The kernel as WGSL, which has been parsed and validated again. The run-time
    /// checks are up to whoever compiles it.
    pub fn wgsl(&self) -> &str {
        &self.wgsl
    }

    /// The kernel as MSL 3.0 (3.1 for matrices). Buffer slots: the bindings in
    /// order, then the immediates, then the sizes of all buffers that bounds
    /// checks need.
    ///
    /// # Errors
    /// When naga's writer fails.
    pub fn msl(&self, checks: Checks) -> Result<String, WriteError> {
        let count = self.facts.bindings.len() as u8;
        let mut resources = msl::BindingMap::default();
        for (binding, slot) in (0..count + 1).map(|index| (u32::from(index), index)) {
            resources.insert(
                ResourceBinding { group: 0, binding },
                msl::BindTarget {
                    buffer: Some(slot),
                    mutable: true,
                    ..Default::default()
                },
            );
        }
        let entry = msl::EntryPointResources {
            resources,
            immediates_buffer: Some(count),
            sizes_buffer: Some(count + 1),
        };
        let options = msl::Options {
            lang_version: if self.facts.features.cooperative_matrix {
                (3, 1)
            } else {
                (3, 0)
            },
            per_entry_point_map: [(self.entry_point().to_owned(), entry)]
                .into_iter()
                .collect(),
            fake_missing_bindings: false,
            bounds_check_policies: policies(checks),
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: checks.loops,
            emit_int_div_checks: checks.division,
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, self.entry_point().to_owned())),
            ..Default::default()
        };
        msl::write_string(&self.module, &self.info, &options, &pipeline)
            .map(|(text, _)| text)
            .map_err(|error| self.error("MSL", &error))
    }

    /// The kernel as SPIR-V 1.3 (1.4 for matrices).
    ///
    /// # Errors
    /// When naga's writer fails.
    pub fn spirv(&self, checks: Checks) -> Result<Vec<u32>, WriteError> {
        let options = spv::Options {
            lang_version: if self.facts.features.cooperative_matrix {
                (1, 4)
            } else {
                (1, 3)
            },
            flags: spv::WriterFlags::empty(),
            fake_missing_bindings: true,
            bounds_check_policies: policies(checks),
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: checks.loops,
            emit_int_div_checks: checks.division,
            ..Default::default()
        };
        spv::write_vec(&self.module, &self.info, &options, None)
            .map_err(|error| self.error("SPIR-V", &error))
    }

    fn error(&self, format: &'static str, reason: &dyn std::fmt::Display) -> WriteError {
        WriteError {
            format,
            kernel: self.facts.name.clone(),
            reason: reason.to_string(),
        }
    }
}

/// Size of the struct that ends with the last of `immediates`.
pub(super) fn immediate_bytes(immediates: &[Immediate]) -> u32 {
    let align = immediates
        .iter()
        .map(|i| i.scalar.bytes())
        .max()
        .unwrap_or(4);
    immediates
        .last()
        .map_or(0, |last| last.offset + last.scalar.bytes())
        .next_multiple_of(align)
}

pub(super) fn address_space(space: ImmediateSpace) -> (AddressSpace, Option<ResourceBinding>) {
    match space {
        ImmediateSpace::Immediate => (AddressSpace::Immediate, None),
        ImmediateSpace::Uniform(binding) => (
            AddressSpace::Uniform,
            Some(ResourceBinding { group: 0, binding }),
        ),
    }
}

fn capabilities(facts: &Facts) -> Capabilities {
    let Features {
        f16,
        subgroups,
        int64,
        cooperative_matrix,
    } = facts.features;
    let immediates =
        !facts.immediates.is_empty() && facts.immediate_space == ImmediateSpace::Immediate;
    [
        (immediates, Capabilities::IMMEDIATES),
        (f16, Capabilities::SHADER_FLOAT16),
        (subgroups, Capabilities::SUBGROUP),
        (int64, Capabilities::SHADER_INT64),
        (cooperative_matrix, Capabilities::COOPERATIVE_MATRIX),
    ]
    .into_iter()
    .filter(|(needed, _)| *needed)
    .fold(Capabilities::empty(), |all, (_, one)| all | one)
}

fn policies(checks: Checks) -> BoundsCheckPolicies {
    let policy = if checks.bounds {
        BoundsCheckPolicy::Restrict
    } else {
        BoundsCheckPolicy::Unchecked
    };
    BoundsCheckPolicies {
        index: policy,
        buffer: policy,
        image_load: policy,
        binding_array: policy,
    }
}
