//! Carries out scripts on a GPU: one submission per run.

use std::{
    ops::Range,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor,
    ComputePassDescriptor, MapMode,
};

use super::{
    context::{GpuContext, PATTERN_BYTES, lock},
    pipeline::Pipeline,
    time::{Stopwatch, durations},
};
use crate::{
    device::Target,
    execute::{
        Action, BoundDispatch, ExecOptions, Executed, FailureKind, Fault, Instance, MemoryPlan,
        RunError, Saved,
    },
    manifest::Package,
};

/// Pipelines, memory and bind groups of one executable.
#[derive(Debug)]
pub(crate) struct GpuBackend {
    context: Arc<GpuContext>,
    slots: Vec<Buffer>,
    /// Per dispatch of the instance.
    launches: Vec<(Arc<Pipeline>, BindGroup)>,
}

impl GpuBackend {
    pub(crate) fn new(
        context: &Arc<GpuContext>,
        package: &Package,
        instance: &Instance,
        memory: &MemoryPlan,
        options: &ExecOptions,
    ) -> Result<Self, RunError> {
        let slots = memory
            .slots
            .iter()
            .map(|&bytes| create_slot(context, bytes));
        let slots = slots
            .collect::<Result<Vec<_>, _>>()
            .map_err(|fault| fault.in_entry(Target::Gpu, &instance.entry))?;
        let launch = |dispatch: &BoundDispatch| {
            let kernel = &package.manifest.kernels[&dispatch.kernel];
            let wgsl = package.wgsl(&dispatch.kernel).unwrap_or_default();
            let pipeline = context.pipeline(kernel, wgsl, options)?;
            let group = context
                .scoped(|| bind_group(context, &pipeline, dispatch, instance, memory, &slots))?;
            Ok((pipeline, group))
        };
        let launches = instance
            .dispatches
            .iter()
            .map(|dispatch| {
                launch(dispatch).map_err(|fault: Fault| fault.at(Target::Gpu, &dispatch.site))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            context: Arc::clone(context),
            slots,
            launches,
        })
    }

    /// Queues bytes for a slot; they arrive before the next submission runs.
    pub(crate) fn upload(&self, slot: usize, bytes: &[u8]) -> Result<(), Fault> {
        self.context
            .scoped(|| self.context.queue.write_buffer(&self.slots[slot], 0, bytes))
    }

    /// Sends queued bytes off and waits until they have arrived.
    pub(crate) fn settle(&self, timeout: Duration) -> Result<(), Fault> {
        let _turn = lock(&self.context.turn);
        let submission = self.context.scoped(|| self.context.queue.submit([]))?;
        self.context.wait(submission, timeout)
    }

    /// Runs a script and reads back what it saves.
    pub(crate) fn execute(
        &self,
        instance: &Instance,
        script: &[Action],
        timeout: Duration,
    ) -> Result<Executed, Fault> {
        let context = &self.context;
        let _turn = lock(&context.turn);
        let start = Instant::now();
        let launched: Vec<usize> = script
            .iter()
            .filter_map(|action| match action {
                Action::Dispatch { index } if !instance.dispatches[*index].is_empty() => {
                    Some(*index)
                }
                _ => None,
            })
            .collect();
        let stopwatch = context.scoped(|| Stopwatch::new(context, launched.len()))?;
        let (commands, saves) = context.scoped(|| {
            let mut encoder = context
                .device
                .create_command_encoder(&CommandEncoderDescriptor {
                    label: Some("kforge run"),
                });
            let mut saves = Vec::new();
            let mut passes = 0;
            for action in script {
                match action {
                    Action::Fill { slot, range, word } => {
                        self.fill(&mut encoder, *slot, range.clone(), *word);
                    }
                    Action::Dispatch { index } => {
                        let dispatch = &instance.dispatches[*index];
                        if !dispatch.is_empty() {
                            let watch = stopwatch.as_ref().ok().map(|watch| (watch, passes));
                            self.dispatch(&mut encoder, *index, dispatch, watch);
                            passes += 1;
                        }
                    }
                    Action::Save { slot, range, .. } => {
                        saves.push(self.save(&mut encoder, *slot, range.clone()));
                    }
                }
            }
            if let Ok(stopwatch) = &stopwatch {
                stopwatch.resolve(&mut encoder);
            }
            (encoder.finish(), saves)
        })?;
        let submission = context.scoped(|| context.queue.submit([commands]))?;
        let submitted = Instant::now();
        context.wait(submission, timeout)?;
        let finished = Instant::now();

        let mut staging: Vec<&Buffer> = saves.iter().collect();
        staging.extend(stopwatch.as_ref().ok().map(Stopwatch::readback));
        let mut contents = self.read_back(&staging, timeout)?;
        let times = match &stopwatch {
            Ok(_) => {
                let stamps = contents.pop().unwrap_or_default();
                durations(&stamps, context.queue.get_timestamp_period())
            }
            Err(reason) => vec![Err(reason.clone()); launched.len()],
        };
        let ranges = script.iter().filter_map(|action| match action {
            Action::Save { buffer, range, .. } => Some((*buffer, range.start)),
            _ => None,
        });
        let saved = ranges
            .zip(contents)
            .map(|((buffer, start), bytes)| Saved {
                buffer,
                start,
                bytes,
            })
            .collect();
        Ok(Executed {
            saved,
            times: launched.into_iter().zip(times).collect(),
            submit: submitted - start,
            wall: finished - submitted,
            download: finished.elapsed(),
        })
    }

    fn fill(&self, encoder: &mut CommandEncoder, slot: usize, range: Range<u64>, word: u32) {
        let pattern = self.context.pattern(word);
        let mut at = range.start;
        while at < range.end {
            let length = PATTERN_BYTES.min(range.end - at);
            encoder.copy_buffer_to_buffer(&pattern, 0, &self.slots[slot], at, length);
            at += length;
        }
    }

    fn dispatch(
        &self,
        encoder: &mut CommandEncoder,
        index: usize,
        dispatch: &BoundDispatch,
        watch: Option<(&Stopwatch, usize)>,
    ) {
        let (pipeline, group) = &self.launches[index];
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
            label: Some(&dispatch.kernel),
            timestamp_writes: watch.map(|(watch, nth)| watch.writes(nth)),
        });
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, group, &[]);
        if !dispatch.immediates.is_empty() {
            pass.set_immediates(0, &dispatch.immediates);
        }
        let [x, y, z] = dispatch.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }

    fn save(&self, encoder: &mut CommandEncoder, slot: usize, range: Range<u64>) -> Buffer {
        let size = range.end - range.start;
        let staging = self.context.device.create_buffer(&BufferDescriptor {
            label: Some("kforge readback"),
            size,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(&self.slots[slot], range.start, &staging, 0, size);
        staging
    }

    /// Maps all buffers and copies their contents.
    fn read_back(&self, buffers: &[&Buffer], timeout: Duration) -> Result<Vec<Vec<u8>>, Fault> {
        let readback = |detail: String| Fault::new(FailureKind::Readback, detail);
        let (sender, receiver) = mpsc::channel();
        self.context.scoped(|| {
            for buffer in buffers {
                let sender = sender.clone();
                buffer.map_async(MapMode::Read, .., move |result| {
                    // The receiver is gone only if an earlier one failed.
                    let _ = sender.send(result);
                });
            }
        })?;
        // Mapping is a submission of its own to wait for.
        let submission = self.context.queue.submit([]);
        self.context.wait(submission, timeout)?;
        for _ in buffers {
            receiver
                .try_recv()
                .map_err(|_| readback("a result buffer was not mapped".into()))?
                .map_err(|error| readback(error.to_string()))?;
        }
        let read = |buffer: &&Buffer| {
            let view = buffer
                .get_mapped_range(..)
                .map_err(|error| readback(error.to_string()))?;
            Ok(view.to_vec())
        };
        buffers.iter().map(read).collect()
    }
}

fn create_slot(context: &GpuContext, bytes: u64) -> Result<Buffer, Fault> {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
    context
        .scoped(|| {
            context.device.create_buffer(&BufferDescriptor {
                label: Some("kforge slot"),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        })
        .map_err(|fault| {
            Fault::new(
                fault.kind,
                format!("buffer of {bytes} bytes: {}", fault.detail),
            )
        })
}

fn bind_group(
    context: &GpuContext,
    pipeline: &Pipeline,
    dispatch: &BoundDispatch,
    instance: &Instance,
    memory: &MemoryPlan,
    slots: &[Buffer],
) -> BindGroup {
    let entries: Vec<_> = dispatch
        .args
        .iter()
        .enumerate()
        .map(|(index, (buffer, offset))| BindGroupEntry {
            binding: index as u32,
            resource: BindingResource::Buffer(BufferBinding {
                buffer: &slots[memory.slot_of[buffer]],
                offset: *offset,
                // Exactly the tenant's zone: a larger slot would let a stray
                // write land behind the guard.
                size: std::num::NonZeroU64::new(instance.buffers[buffer].zone.end - offset),
            }),
        })
        .collect();
    context.device.create_bind_group(&BindGroupDescriptor {
        label: Some(&dispatch.kernel),
        layout: &pipeline.bindings,
        entries: &entries,
    })
}
