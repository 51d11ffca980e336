//! What the translation is told: limits of the device and facts about launches.

use super::{kernel::Features, types::ScalarType};
use std::collections::BTreeMap;

/// A scalar known at translation time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// An integer, index or boolean (0 or 1).
    Int(i64),
    /// A finite float, already rounded to its type.
    Float(f64),
}

impl Scalar {
    /// Whether a value of this type holds it: `index` is 32 bits wide here.
    pub(super) fn fits(self, ty: ScalarType) -> bool {
        match (self, ty) {
            (Self::Int(value), ScalarType::I32) => i32::try_from(value).is_ok(),
            _ => true,
        }
    }
}

/// What the launches of a kernel have in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Launch {
    /// Workgroup size, where it is the same constant at every launch.
    pub block: Option<[u32; 3]>,
    /// Scalar arguments, by index, that are the same finite constant at every
    /// launch.
    pub constants: BTreeMap<usize, Scalar>,
}

/// A matrix multiplication one subgroup can do: `m`x`k` times `k`x`n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixShape {
    /// Rows of the result.
    pub m: u32,
    /// Columns of the result.
    pub n: u32,
    /// Inner dimension.
    pub k: u32,
    /// Element type of both factors.
    pub input: ScalarType,
    /// Element type of accumulator and result.
    pub accumulator: ScalarType,
}

/// Limits and features a kernel has to stay within.
///
/// The default is WebGPU's base limits with f16 and subgroups allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct TranslateOptions {
    /// Bytes of workgroup memory (16,384).
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup (256).
    pub invocations: u32,
    /// Largest workgroup size per dimension (256, 256, 64).
    pub workgroup_size: [u32; 3],
    /// Storage buffers, that is memref arguments (8).
    pub storage_buffers: u32,
    /// Bytes of `var<immediate>`; more goes into a uniform (128).
    pub immediate_bytes: u32,
    /// Features a kernel may need. Others are refused where they are used.
    pub allowed: Features,
    /// Subgroup size, where it is fixed. `gpu.shuffle` with another width is
    /// refused; if unknown, the width is recorded in
    /// [`Kernel::subgroup_size`](super::Kernel::subgroup_size).
    pub subgroup_size: Option<u32>,
    /// Matrix shapes of the device (none).
    pub matrix_shapes: Vec<MatrixShape>,
}

impl Default for TranslateOptions {
    fn default() -> Self {
        Self {
            workgroup_bytes: 16_384,
            invocations: 256,
            workgroup_size: [256, 256, 64],
            storage_buffers: 8,
            immediate_bytes: 128,
            allowed: Features {
                f16: true,
                subgroups: true,
                int64: false,
                cooperative_matrix: true,
            },
            subgroup_size: None,
            matrix_shapes: Vec::new(),
        }
    }
}
