//! Compute pipelines from WGSL, cached per device by what they are made of.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use wgpu::{
    BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, BufferBindingType,
    ComputePipelineDescriptor, PipelineCompilationOptions, PipelineLayoutDescriptor,
    ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource, ShaderStages,
};

use super::context::{GpuContext, lock};
use crate::{
    execute::{ExecOptions, FailureKind, Fault, ShaderChecks},
    manifest::{Kernel, Place},
};

/// Most pipelines kept per device; beyond that the cache starts anew.
const CACHE_LIMIT: usize = 4096;

pub(crate) type PipelineCache = HashMap<Key, Arc<Pipeline>>;

/// A compiled kernel and the layout of its bindings.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    /// By number of the bind group; the others are empty.
    pub groups: BTreeMap<u32, wgpu::BindGroupLayout>,
    /// Whether scalars are passed as immediates.
    pub takes_immediates: bool,
}

/// Everything a pipeline depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    code: [u8; 32],
    entry_point: String,
    /// Place of each storage buffer, and whether it is written.
    storage: Vec<(Place, bool)>,
    uniform: Option<Place>,
    immediate_bytes: u32,
    /// Bits of the values, by name.
    constants: Vec<(String, u64)>,
    checks: ShaderChecks,
    zero_workgroup_memory: bool,
}

impl GpuContext {
    /// The pipeline of a kernel.
    pub(super) fn pipeline(
        &self,
        kernel: &Kernel,
        constants: &[(String, f64)],
        wgsl: &str,
        options: &ExecOptions,
    ) -> Result<Arc<Pipeline>, Fault> {
        let key = Key {
            code: *blake3::hash(wgsl.as_bytes()).as_bytes(),
            entry_point: kernel.entry_point.clone(),
            storage: kernel
                .bindings
                .iter()
                .enumerate()
                .map(|(index, binding)| (kernel.abi.place(index), binding.access.writes()))
                .collect(),
            uniform: kernel.abi.uniform,
            immediate_bytes: match kernel.abi.uniform {
                Some(_) => 0,
                None => 4 * kernel.immediates.len() as u32,
            },
            constants: constants
                .iter()
                .map(|(name, value)| (name.clone(), value.to_bits()))
                .collect(),
            checks: options.checks,
            zero_workgroup_memory: options.zero_workgroup_memory,
        };
        if let Some(found) = lock(&self.pipelines).get(&key) {
            return Ok(Arc::clone(found));
        }
        let compiled =
            self.scoped(|| self.compile(&key, wgsl))
                .map_err(|fault| match fault.kind {
                    FailureKind::Validation => {
                        let detail = format!("the kernel does not compile: {}", fault.detail);
                        Fault::new(FailureKind::Pipeline, detail)
                    }
                    _ => fault,
                })?;
        let compiled = Arc::new(compiled);
        let mut cache = lock(&self.pipelines);
        if cache.len() >= CACHE_LIMIT {
            cache.clear();
        }
        cache.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }

    fn compile(&self, key: &Key, wgsl: &str) -> Pipeline {
        let label = Some(key.entry_point.as_str());
        let descriptor = ShaderModuleDescriptor {
            label,
            source: ShaderSource::Wgsl(Cow::Borrowed(wgsl)),
        };
        let module = match key.checks.relaxed_fields() {
            None => self.device.create_shader_module(descriptor),
            Some((bounds_checks, force_loop_bounding, int_div_checks)) => {
                let mut checks = ShaderRuntimeChecks::checked();
                checks.bounds_checks = bounds_checks;
                checks.force_loop_bounding = force_loop_bounding;
                checks.int_div_checks = int_div_checks;
                // SAFETY: `ShaderChecks::relaxed` is unsafe; its caller vouches
                // that no kernel run with it needs the checks turned off.
                unsafe { self.device.create_shader_module_trusted(descriptor, checks) }
            }
        };
        let groups = self.layouts(key, label);
        let count = groups.last_key_value().map_or(0, |(group, _)| group + 1);
        let layouts: Vec<_> = (0..count).map(|group| groups.get(&group)).collect();
        let layout = self
            .device
            .create_pipeline_layout(&PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &layouts,
                immediate_size: key.immediate_bytes,
            });
        let constants: Vec<(&str, f64)> = key
            .constants
            .iter()
            .map(|(name, bits)| (name.as_str(), f64::from_bits(*bits)))
            .collect();
        let pipeline = self
            .device
            .create_compute_pipeline(&ComputePipelineDescriptor {
                label,
                layout: Some(&layout),
                module: &module,
                entry_point: Some(&key.entry_point),
                compilation_options: PipelineCompilationOptions {
                    constants: &constants,
                    zero_initialize_workgroup_memory: key.zero_workgroup_memory,
                },
                cache: None,
            });
        Pipeline {
            pipeline,
            groups,
            takes_immediates: key.immediate_bytes > 0,
        }
    }

    fn layouts(&self, key: &Key, label: Option<&str>) -> BTreeMap<u32, wgpu::BindGroupLayout> {
        let storage = key.storage.iter().map(|(place, writable)| {
            let read_only = !writable;
            (*place, BufferBindingType::Storage { read_only })
        });
        let uniform = key.uniform.map(|place| (place, BufferBindingType::Uniform));
        let mut entries: BTreeMap<u32, Vec<BindGroupLayoutEntry>> = BTreeMap::new();
        for (place, ty) in storage.chain(uniform) {
            entries
                .entry(place.group)
                .or_default()
                .push(BindGroupLayoutEntry {
                    binding: place.binding,
                    visibility: ShaderStages::COMPUTE,
                    ty: BindingType::Buffer {
                        ty,
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                });
        }
        let layout = |(group, entries): (u32, Vec<BindGroupLayoutEntry>)| {
            let descriptor = BindGroupLayoutDescriptor {
                label,
                entries: &entries,
            };
            (group, self.device.create_bind_group_layout(&descriptor))
        };
        entries.into_iter().map(layout).collect()
    }
}
