//! An entry made ready for a device, and its runs.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    error::RunError,
    inspect::{outputs, violations},
    instance::{BoundBuffer, Instance, instantiate},
    layout,
    memory::{MemoryPlan, plan},
    options::{ExecOptions, RunOptions},
    report::RunResult,
    script::{Action, script},
    timing::{Executed, Samples},
    trace::{Phase, RunTrace},
};
use crate::{
    cpu::CpuBackend,
    device::{Device, Target},
    gpu::GpuBackend,
    manifest::{BufferId, Package, Role, Symbols},
    tensor::{HostTensor, describe},
};

/// One entry of a package, compiled and with memory on a device.
#[derive(Debug)]
pub struct Executable {
    pub(super) instance: Instance,
    memory: MemoryPlan,
    backend: Backend,
    target: Target,
    pub(super) guard_zones: bool,
    /// Whether every weight has been uploaded and `init` has run.
    weights_bound: bool,
}

#[derive(Debug)]
enum Backend {
    Gpu(GpuBackend),
    Cpu(CpuBackend),
}

fn bind(
    device: &Device,
    package: &Package,
    entry: &str,
    symbols: &Symbols,
    options: &ExecOptions,
) -> Result<Instance, RunError> {
    package.validate()?;
    instantiate(
        package,
        entry,
        symbols,
        device.description(),
        options.guard_zones,
    )
}

impl Executable {
    /// Validates the package, binds symbols, checks the device, compiles.
    ///
    /// Constants are uploaded here; weights by the first [`Executable::run`].
    pub fn new(
        device: &Device,
        package: &Package,
        entry: &str,
        symbols: &Symbols,
        options: &ExecOptions,
    ) -> Result<Self, RunError> {
        let description = device.description();
        let guard_zones = options.guard_zones;
        let instance = bind(device, package, entry, symbols, options)?;
        let memory = plan(&instance);
        let backend = match &device.gpu {
            Some(context) => Backend::Gpu(GpuBackend::new(
                context, package, &instance, &memory, options,
            )?),
            None => Backend::Cpu(CpuBackend::new(package, &instance, &memory, options)?),
        };
        let target = description.target;
        let mut executable = Self {
            instance,
            memory,
            backend,
            target,
            guard_zones,
            weights_bound: false,
        };
        executable.upload_role(Role::Constant, &package.constants)?;
        let needs = |buffer: &BoundBuffer| buffer.role == Role::Weight;
        if !executable.instance.buffers.values().any(needs) {
            executable.bind_weights(&BTreeMap::new())?;
        }
        Ok(executable)
    }

    /// Whether the package is valid, its symbols can be bound and the device can run
    /// it, as far as that shows before compiling. Nothing is loaded or run.
    pub fn check(
        device: &Device,
        package: &Package,
        entry: &str,
        symbols: &Symbols,
        options: &ExecOptions,
    ) -> Result<(), RunError> {
        bind(device, package, entry, symbols, options).map(drop)
    }

    /// Uploads all weights by buffer name and runs `init` if there is one.
    pub fn bind_weights(&mut self, weights: &BTreeMap<String, HostTensor>) -> Result<(), RunError> {
        self.upload_role(Role::Weight, weights)?;
        if self.instance.init > 0 {
            let actions = script(
                &self.instance,
                &self.memory,
                0..self.instance.init,
                None,
                self.guard_zones,
            );
            // `init` has no outputs; what it leaves is in state buffers.
            let actions: Vec<_> = actions
                .into_iter()
                .filter(|action| !matches!(action, Action::Save { .. }))
                .collect();
            self.execute(&actions, Duration::from_secs(600))?;
        }
        self.weights_bound = true;
        Ok(())
    }

    /// Runs the entry once.
    ///
    /// `inputs` are in the entry's order. `weights` are by buffer name; an empty
    /// map keeps those bound before. State buffers keep what a run leaves.
    pub fn run(
        &mut self,
        inputs: &[HostTensor],
        weights: &BTreeMap<String, HostTensor>,
        options: &RunOptions,
    ) -> Result<RunResult, RunError> {
        let mut host: Vec<Phase> = self.ensure_weights(weights)?.into_iter().collect();
        let actions = self.actions(options);
        let start = Instant::now();
        self.upload_inputs(inputs)?;
        let upload = start.elapsed();
        host.push(Phase::since("upload", start));
        let executed = self.execute(&actions, options.timeout())?;
        let mut samples = Samples::default();
        samples.add(&executed);
        let mut trace = RunTrace::new(host, &executed, self.instance.init);
        let start = Instant::now();
        let saved = executed.saved;
        let outputs = outputs(&self.instance, &saved)?;
        let guards = violations(&self.instance, &saved, options.poison, self.guard_zones);
        trace.host.push(Phase::since("unpack", start));
        Ok(RunResult {
            outputs,
            dispatches: samples.dispatches(&self.instance),
            total: samples.total(upload),
            guards,
            trace,
        })
    }

    /// Binds weights that are given, or demands those that are missing; says when, if it
    /// did.
    pub(super) fn ensure_weights(
        &mut self,
        weights: &BTreeMap<String, HostTensor>,
    ) -> Result<Option<Phase>, RunError> {
        if weights.is_empty() && self.weights_bound {
            return Ok(None);
        }
        let start = Instant::now();
        self.bind_weights(weights)?;
        Ok(Some(Phase::since("upload weights", start)))
    }

    /// What one run of the entry does on the device.
    pub(super) fn actions(&self, options: &RunOptions) -> Vec<Action> {
        script(
            &self.instance,
            &self.memory,
            self.instance.init..self.instance.dispatches.len(),
            options.poison,
            self.guard_zones,
        )
    }

    /// Waits until uploads have arrived.
    pub(super) fn settle(&self, timeout: Duration) -> Result<(), RunError> {
        let settled = match &self.backend {
            Backend::Gpu(gpu) => gpu.settle(timeout),
            Backend::Cpu(_) => Ok(()),
        };
        settled.map_err(|fault| fault.in_entry(self.target, &self.instance.entry))
    }

    /// Bytes of device memory the executable holds.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.slots.iter().sum()
    }

    pub(super) fn execute(
        &mut self,
        actions: &[Action],
        timeout: Duration,
    ) -> Result<Executed, RunError> {
        let executed = match &mut self.backend {
            Backend::Gpu(gpu) => gpu.execute(&self.instance, actions, timeout),
            Backend::Cpu(cpu) => cpu.execute(&self.instance, &self.memory, actions, timeout),
        };
        executed.map_err(|fault| fault.in_entry(self.target, &self.instance.entry))
    }

    pub(super) fn upload_inputs(&mut self, inputs: &[HostTensor]) -> Result<(), RunError> {
        let ports = &self.instance.inputs;
        if inputs.len() != ports.len() {
            return Err(RunError::Argument {
                place: format!("entry '{}'", self.instance.entry),
                problem: format!("{} inputs given, it takes {}", inputs.len(), ports.len()),
            });
        }
        for (port, tensor) in ports.iter().zip(inputs) {
            check(
                &format!("input '{}'", port.name),
                tensor,
                port.dtype,
                &port.shape,
            )?;
        }
        let targets: Vec<_> = ports.iter().map(|port| port.buffer).collect();
        for (id, tensor) in targets.into_iter().zip(inputs) {
            self.upload(id, tensor)?;
        }
        Ok(())
    }

    /// Uploads every buffer of a role from a map by name.
    fn upload_role(
        &mut self,
        role: Role,
        tensors: &BTreeMap<String, HostTensor>,
    ) -> Result<(), RunError> {
        let ids = self
            .instance
            .buffers
            .iter()
            .filter(|(_, buffer)| buffer.role == role);
        let mut targets = Vec::new();
        for (id, buffer) in ids {
            let place = format!("{} '{}'", role.name(), buffer.name);
            let Some(tensor) = tensors.get(&buffer.name) else {
                return Err(RunError::Argument {
                    place,
                    problem: "no value given".into(),
                });
            };
            let shape: Vec<_> = buffer
                .extent
                .shape
                .iter()
                .map(|&dim| dim as usize)
                .collect();
            check(&place, tensor, buffer.dtype, &shape)?;
            targets.push((*id, tensor));
        }
        targets
            .into_iter()
            .try_for_each(|(id, tensor)| self.upload(id, tensor))
    }

    fn upload(&mut self, id: BufferId, tensor: &HostTensor) -> Result<(), RunError> {
        let buffer = &self.instance.buffers[&id];
        let bytes = layout::pack(tensor.bytes(), buffer, buffer.nan_word());
        let slot = self.memory.slot_of[&id];
        let uploaded = match &mut self.backend {
            Backend::Gpu(gpu) => gpu.upload(slot, &bytes),
            Backend::Cpu(cpu) => cpu.upload(slot, &bytes),
        };
        uploaded.map_err(|fault| fault.in_entry(self.target, &self.instance.entry))
    }
}

fn check(
    place: &str,
    tensor: &HostTensor,
    dtype: crate::Dtype,
    shape: &[usize],
) -> Result<(), RunError> {
    if tensor.dtype() == dtype && tensor.shape() == shape {
        return Ok(());
    }
    let problem = format!(
        "given {}, it takes {}",
        tensor.describe(),
        describe(dtype, shape)
    );
    Err(RunError::Argument {
        place: place.into(),
        problem,
    })
}
