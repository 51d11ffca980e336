//! Reads a description off a wgpu adapter.

use wgpu::{Adapter, CooperativeScalarType, DeviceType, Features};

use super::{DeviceDescription, DeviceKind, Target, units};
use crate::manifest::{Dtype, MatrixShape};

/// Features this crate asks for where they exist, and their names.
pub(super) const FEATURES: [(Features, &str); 7] = [
    (
        Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
        "cooperative-matrix",
    ),
    (Features::IMMEDIATES, "immediates"),
    (Features::SHADER_F16, "shader-f16"),
    (Features::SHADER_INT64, "shader-int64"),
    (Features::SUBGROUP, "subgroup"),
    (Features::SUBGROUP_BARRIER, "subgroup-barrier"),
    (Features::TIMESTAMP_QUERY, "timestamp-query"),
];

/// Mesa's software rasteriser ends loops after 65,535 iterations of an invocation,
/// and counts in its own way; this keeps a distance.
const LAVAPIPE_LOOP_TRIPS: u64 = 60_000;

/// The adapter's limits and features.
pub(super) fn describe(adapter: &Adapter) -> DeviceDescription {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let features = adapter.features();
    let has = |feature| features.contains(feature);
    let subgroups = has(Features::SUBGROUP);
    DeviceDescription {
        target: Target::Gpu,
        vendor: format!("{:#06x}", info.vendor),
        backend: info.backend.to_string(),
        kind: kind(info.device_type),
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        invocations: limits.max_compute_invocations_per_workgroup,
        workgroup_size: [
            limits.max_compute_workgroup_size_x,
            limits.max_compute_workgroup_size_y,
            limits.max_compute_workgroup_size_z,
        ],
        workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        storage_binding_bytes: limits.max_storage_buffer_binding_size,
        storage_offset_alignment: limits.min_storage_buffer_offset_alignment,
        buffer_bytes: limits.max_buffer_size,
        immediate_bytes: if has(Features::IMMEDIATES) {
            limits.max_immediate_size
        } else {
            0
        },
        subgroup_min: if subgroups { info.subgroup_min_size } else { 0 },
        subgroup_max: if subgroups { info.subgroup_max_size } else { 0 },
        features: FEATURES
            .iter()
            .filter(|(feature, _)| features.contains(*feature))
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        matrix_shapes: if has(Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
            matrix_shapes(adapter)
        } else {
            Vec::new()
        },
        timestamps: has(Features::TIMESTAMP_QUERY),
        loop_trip_limit: info
            .driver
            .contains("llvmpipe")
            .then_some(LAVAPIPE_LOOP_TRIPS),
        cores: units::of(&info.name),
        name: info.name,
        driver: info.driver,
        driver_info: info.driver_info,
        ..DeviceDescription::default()
    }
}

const fn kind(device_type: DeviceType) -> DeviceKind {
    match device_type {
        DeviceType::DiscreteGpu => DeviceKind::Discrete,
        DeviceType::IntegratedGpu => DeviceKind::Integrated,
        DeviceType::VirtualGpu => DeviceKind::Virtual,
        DeviceType::Cpu => DeviceKind::Software,
        DeviceType::Other => DeviceKind::Other,
    }
}

/// Matrix shapes without saturation in the dtypes kernels can name, sorted.
fn matrix_shapes(adapter: &Adapter) -> Vec<MatrixShape> {
    let scalar = |scalar| match scalar {
        CooperativeScalarType::F32 => Some(Dtype::F32),
        CooperativeScalarType::F16 => Some(Dtype::F16),
        CooperativeScalarType::I32 => Some(Dtype::I32),
        CooperativeScalarType::U32 => None,
    };
    let mut shapes: Vec<_> = adapter
        .cooperative_matrix_properties()
        .into_iter()
        .filter(|shape| !shape.saturating_accumulation)
        .filter_map(|shape| {
            let (ab, cr) = (scalar(shape.ab_type)?, scalar(shape.cr_type)?);
            Some(MatrixShape {
                m: shape.m_size,
                n: shape.n_size,
                k: shape.k_size,
                ab,
                cr,
            })
        })
        .collect();
    shapes.sort_unstable();
    shapes.dedup();
    shapes
}
