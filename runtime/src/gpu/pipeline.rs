//! Compute pipelines from WGSL, cached per device by what they are made of.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use wgpu::{
    BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, BufferBindingType,
    ComputePipelineDescriptor, PipelineCompilationOptions, PipelineLayoutDescriptor,
    ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource, ShaderStages,
};

use super::context::{GpuContext, lock};
use crate::{
    execute::{ExecOptions, FailureKind, Fault, ShaderChecks},
    manifest::Kernel,
};

/// Most pipelines kept per device; beyond that the cache starts anew.
const CACHE_LIMIT: usize = 4096;

pub(crate) type PipelineCache = HashMap<Key, Arc<Pipeline>>;

/// A compiled kernel and the layout of its bindings.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub bindings: wgpu::BindGroupLayout,
}

/// Everything a pipeline depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    code: [u8; 32],
    entry_point: String,
    writable: Vec<bool>,
    immediate_bytes: u32,
    checks: ShaderChecks,
    zero_workgroup_memory: bool,
}

impl GpuContext {
    /// The pipeline of a kernel.
    pub(super) fn pipeline(
        &self,
        kernel: &Kernel,
        wgsl: &str,
        options: &ExecOptions,
    ) -> Result<Arc<Pipeline>, Fault> {
        let key = Key {
            code: *blake3::hash(wgsl.as_bytes()).as_bytes(),
            entry_point: kernel.entry_point.clone(),
            writable: kernel
                .bindings
                .iter()
                .map(|binding| binding.access.writes())
                .collect(),
            immediate_bytes: 4 * kernel.immediates.len() as u32,
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
        let entries: Vec<_> = key
            .writable
            .iter()
            .enumerate()
            .map(|(index, &writable)| BindGroupLayoutEntry {
                binding: index as u32,
                visibility: ShaderStages::COMPUTE,
                ty: BindingType::Buffer {
                    ty: BufferBindingType::Storage {
                        read_only: !writable,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let bindings = self
            .device
            .create_bind_group_layout(&BindGroupLayoutDescriptor {
                label,
                entries: &entries,
            });
        let layout = self
            .device
            .create_pipeline_layout(&PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &[Some(&bindings)],
                immediate_size: key.immediate_bytes,
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&ComputePipelineDescriptor {
                label,
                layout: Some(&layout),
                module: &module,
                entry_point: Some(&key.entry_point),
                compilation_options: PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: key.zero_workgroup_memory,
                    ..Default::default()
                },
                cache: None,
            });
        Pipeline { pipeline, bindings }
    }
}
