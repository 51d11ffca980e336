//! What a device must have: from `kforge.device` to the limits of a translation,
//! and from a translated kernel to the requirements in the manifest.

use kforge_dialect::{attributes, device::Device, ir};
use kforge_runtime::{
    Dtype,
    manifest::{self, RequiredLimits, Requires},
};
use melior::ir::{
    OperationRef, ValueLike,
    operation::{OperationLike, WalkOrder, WalkResult},
};

use crate::translate::{
    Features, ImmediateSpace, Kernel, MatrixShape, ScalarType, TranslateOptions,
};

/// Names of the features that kernels may need, as devices list them.
const F16: &str = "shader-f16";
const SUBGROUPS: &str = "subgroup";
const INT64: &str = "shader-int64";
const MATRICES: &str = "cooperative-matrix";
const IMMEDIATES: &str = "immediates";

/// The limits of the device attached to `module`. Without one WebGPU's base
/// limits hold, features are allowed, and the package says which it needs.
pub fn translate_options(module: OperationRef) -> TranslateOptions {
    let default = TranslateOptions::default();
    if !module.has_attribute(attributes::DEVICE) {
        return default;
    }
    let device = Device::of(module);
    let limit = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let invocations = limit(device.invocations);
    TranslateOptions {
        workgroup_bytes: limit(device.workgroup_memory),
        invocations,
        // z is 64 on every device.
        workgroup_size: [invocations, invocations, invocations.min(64)],
        storage_buffers: limit(device.storage_buffers).min(default.storage_buffers),
        immediate_bytes: default.immediate_bytes,
        allowed: Features {
            f16: device.has(F16),
            subgroups: device.has(SUBGROUPS),
            int64: device.has(INT64),
            cooperative_matrix: device.has(MATRICES),
        },
        subgroup_size: Some(limit(device.subgroup_size)).filter(|size| *size > 0),
        matrix_shapes: device
            .matrix_shapes
            .iter()
            .filter_map(|text| matrix_shape(text))
            .collect(),
    }
}

/// Reads `16x16x16:f16:f32`.
fn matrix_shape(text: &str) -> Option<MatrixShape> {
    let mut parts = text.split(':');
    let mut sizes = parts.next()?.split('x').map(|size| size.parse().ok());
    let scalar = |text: &str| match text {
        "f16" => Some(ScalarType::F16),
        "f32" => Some(ScalarType::F32),
        _ => None,
    };
    Some(MatrixShape {
        m: sizes.next()??,
        n: sizes.next()??,
        k: sizes.next()??,
        input: scalar(parts.next()?)?,
        accumulator: scalar(parts.next()?)?,
    })
}

/// The requirements of a kernel, from its code.
pub(super) fn requires(func: OperationRef, kernel: &Kernel) -> Requires {
    let Features {
        f16,
        subgroups,
        int64,
        cooperative_matrix,
    } = kernel.features();
    let immediates =
        !kernel.immediates().is_empty() && kernel.immediate_space() == ImmediateSpace::Immediate;
    let features = [
        (cooperative_matrix, MATRICES),
        (immediates, IMMEDIATES),
        (f16, F16),
        (int64, INT64),
        (subgroups, SUBGROUPS),
    ];
    Requires {
        features: features
            .into_iter()
            .filter(|(needed, _)| *needed)
            .map(|(_, name)| name.to_owned())
            .collect(),
        limits: RequiredLimits {
            workgroup_memory: u64::from(kernel.memory()),
            subgroup_size: kernel.subgroup_size().unwrap_or(0),
            storage_binding_bytes: largest_binding(kernel),
            loop_trips: super::trips::most(func).unwrap_or(RequiredLimits::UNKNOWN_TRIPS),
        },
        matrix_shapes: matrix_shapes(func),
    }
}

fn largest_binding(kernel: &Kernel) -> u64 {
    let bytes = |binding: &crate::translate::Binding| {
        let scalars = binding.elements?.checked_mul(u64::from(binding.lanes))?;
        scalars.checked_mul(u64::from(binding.scalar.bytes()))
    };
    kernel
        .bindings()
        .iter()
        .filter_map(bytes)
        .max()
        .unwrap_or(0)
}

/// The shapes of all matrix products of a kernel.
fn matrix_shapes(func: OperationRef) -> Vec<manifest::MatrixShape> {
    let mut shapes = Vec::new();
    func.walk(WalkOrder::PreOrder, |op| {
        if ir::name(op) == "gpu.subgroup_mma_compute"
            && let Some(shape) = product(op)
        {
            shapes.push(shape);
        }
        WalkResult::Advance
    });
    shapes.sort();
    shapes.dedup();
    shapes
}

fn product(op: OperationRef) -> Option<manifest::MatrixShape> {
    let matrix = |index: usize| matrix(&op.operand(index).ok()?.r#type().to_string());
    let ((m, k, ab), (_, n, _), (_, _, cr)) = (matrix(0)?, matrix(1)?, matrix(2)?);
    Some(manifest::MatrixShape { m, n, k, ab, cr })
}

/// Rows, columns and element of `!gpu.mma_matrix<16x8xf16, "AOp">`.
fn matrix(text: &str) -> Option<(u32, u32, Dtype)> {
    let (shape, _) = text.strip_prefix("!gpu.mma_matrix<")?.split_once(',')?;
    let mut parts = shape.split('x');
    let (rows, columns) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let dtype = match parts.next()? {
        "f16" => Dtype::F16,
        "f32" => Dtype::F32,
        _ => return None,
    };
    Some((rows, columns, dtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrix_texts() {
        let shape = matrix_shape("16x8x4:f16:f32").unwrap();
        assert_eq!((shape.m, shape.n, shape.k), (16, 8, 4));
        assert_eq!(
            (shape.input, shape.accumulator),
            (ScalarType::F16, ScalarType::F32)
        );
        assert!(matrix_shape("16x8:f16:f32").is_none());
        assert_eq!(
            matrix(r#"!gpu.mma_matrix<16x8xf16, "AOp">"#),
            Some((16, 8, Dtype::F16))
        );
    }
}
