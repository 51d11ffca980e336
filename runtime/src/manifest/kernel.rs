//! Kernels of a package: code, bindings, scalar arguments, requirements.
//!
//! The kernel ABI: bindings in order are `@group(0) @binding(i)`; immediates
//! in order are the fields of one struct in `var<immediate>`, 4 bytes each. WGSL that
//! others wrote may differ in an [`Abi`] of its own.
//! The native ABI is described in [`crate::cpu`].

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dtype, Expr, Immediate};

/// One entry point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Name of the entry point in the code.
    pub entry_point: String,
    /// Where the code is.
    pub code: Code,
    /// Invocations per workgroup; `[1, 1, 1]` for native code.
    pub workgroup_size: [u32; 3],
    /// Memory arguments, in order.
    pub bindings: Vec<Binding>,
    /// Scalar arguments, in order.
    #[serde(default)]
    pub immediates: Vec<ScalarType>,
    /// What the user calls this stage (`matmul`, `q`, `attention`), for reports.
    pub stage: String,
    /// The plan's knobs the kernel was made with, for messages.
    #[serde(default)]
    pub knobs: BTreeMap<String, Knob>,
    /// What a device must have.
    #[serde(default)]
    pub requires: Requires,
    /// Where the arguments are, if not where kforge's own kernels have them.
    #[serde(default, skip_serializing_if = "Abi::is_own")]
    pub abi: Abi,
}

/// Where a WGSL kernel finds its arguments. The default is kforge's own ABI.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Abi {
    /// Place of each binding; empty = `@group(0) @binding(i)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// Bindings, by number in the list, that end where their data ends, for kernels that
    /// ask for their `arrayLength`. Their guard zone lies outside of the binding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exact: Vec<usize>,
    /// The uniform buffer that holds the immediates; absent = `var<immediate>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uniform: Option<Place>,
    /// Values of pipeline-overridable constants, by name or by the number of their `@id`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, Immediate>,
}

impl Abi {
    /// Whether it is kforge's own.
    pub fn is_own(&self) -> bool {
        *self == Self::default()
    }

    /// Where a binding is.
    pub fn place(&self, binding: usize) -> Place {
        let own = Place {
            group: 0,
            binding: binding as u32,
        };
        self.places.get(binding).copied().unwrap_or(own)
    }
}

/// A resource of a shader: `@group(group) @binding(binding)`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The bind group.
    pub group: u32,
    /// The binding in it.
    pub binding: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@group({}) @binding({})", self.group, self.binding)
    }
}

impl Kernel {
    /// Whether the kernel is native code for a CPU.
    pub const fn is_native(&self) -> bool {
        matches!(self.code, Code::Native { .. })
    }

    /// Knobs as `name=value, ...`, or `none`.
    pub fn knob_text(&self) -> String {
        if self.knobs.is_empty() {
            return "none".into();
        }
        let texts: Vec<_> = self.knobs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        texts.join(", ")
    }
}

/// Where a kernel's code is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Code {
    /// WGSL text.
    Wgsl {
        /// File, relative to the package; several kernels may share one.
        file: String,
    },
    /// Native machine code.
    Native {
        /// Shared library, relative to the package. Absent when the host
        /// supplies the function itself (a JIT); such a package cannot be saved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// Target triple the code was made for, e.g. `x86_64-unknown-linux-gnu`.
        triple: String,
        /// CPU features the code uses, in LLVM's names without sign.
        #[serde(default)]
        cpu_features: Vec<String>,
        /// Exported symbol.
        symbol: String,
    },
}

impl Code {
    /// The file the code is in, if it is in one.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Wgsl { file } => Some(file),
            Self::Native { file, .. } => file.as_deref(),
        }
    }
}

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reads only; `var<storage, read>`.
    Read,
    /// Writes only; declared `var<storage, read_write>` since WGSL has no other.
    Write,
    /// Reads and writes.
    ReadWrite,
}

impl Access {
    /// Whether the kernel may change the buffer.
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }
    /// Whether the kernel depends on what is in the buffer.
    pub const fn reads(self) -> bool {
        !matches!(self, Self::Write)
    }
}

/// One memory argument of a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// How it is used.
    pub access: Access,
    /// Scalar element type.
    pub dtype: Dtype,
    /// Scalar elements the kernel may touch, counted from the argument's
    /// offset; checked against the buffer when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<Expr>,
}

/// Type of a scalar argument. Every one takes 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScalarType {
    /// Signed integer.
    I32,
    /// Unsigned integer.
    U32,
    /// Float.
    F32,
}

/// Value of a knob, as the plan has it. Never floating point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Knob {
    /// A switch.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// An enumerant or a name.
    Text(String),
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            // Packages are untrusted: no control bytes in messages.
            Self::Text(value) => write!(f, "{}", value.escape_default()),
        }
    }
}

/// What a device must have to run a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requires {
    /// Feature names as in
    /// [`DeviceDescription::features`](crate::device::DeviceDescription::features).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Least limits; 0 = no requirement.
    #[serde(default)]
    pub limits: RequiredLimits,
    /// Cooperative matrix shapes used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matrix_shapes: Vec<MatrixShape>,
}

/// Least limits of a device; 0 = no requirement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequiredLimits {
    /// Bytes of workgroup memory.
    pub workgroup_memory: u64,
    /// Exact subgroup size the kernel was made for.
    pub subgroup_size: u32,
    /// Bytes of the largest storage binding, where known at compile time.
    pub storage_binding_bytes: u64,
    /// Loop iterations that one invocation can make, or
    /// [`RequiredLimits::UNKNOWN_TRIPS`]. Only counts on a device that ends loops.
    #[serde(skip_serializing_if = "is_zero")]
    pub loop_trips: u64,
}

impl RequiredLimits {
    /// No bound on the iterations is known.
    pub const UNKNOWN_TRIPS: u64 = u64::MAX;
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// One shape of a matrix unit: `C[m,n] += A[m,k] * B[k,n]`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct MatrixShape {
    /// Rows of A and C.
    pub m: u32,
    /// Columns of B and C.
    pub n: u32,
    /// Columns of A, rows of B.
    pub k: u32,
    /// Element type of A and B.
    pub ab: Dtype,
    /// Element type of the accumulator and result.
    pub cr: Dtype,
}

impl fmt::Display for MatrixShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}x{}x{} {} -> {}",
            self.m, self.n, self.k, self.ab, self.cr
        )
    }
}
