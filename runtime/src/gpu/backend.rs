//! Carries out scripts on a GPU: one submission per run.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor,
    ComputePassDescriptor, MapMode,
    util::{BufferInitDescriptor, DeviceExt},
};

use super::{
    context::{GpuContext, PATTERN_BYTES, lock},
    pipeline::Pipeline,
    time::{Stopwatch, times},
};
use crate::{
    device::Target,
    execute::{
        Action, BoundDispatch, ExecOptions, Executed, FailureKind, Fault, Instance, MemoryPlan,
        Phase, RunError, Saved,
    },
    manifest::{Kernel, Package},
};

/// Pipelines, memory and bind groups of one executable.
#[derive(Debug)]
pub(crate) struct GpuBackend {
    context: Arc<GpuContext>,
    slots: Vec<Buffer>,
    /// Per dispatch of the instance.
    launches: Vec<(Arc<Pipeline>, Groups)>,
}

/// Bind groups with their numbers.
type Groups = Vec<(u32, BindGroup)>;

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
            let pipeline = context.pipeline(kernel, &dispatch.constants, wgsl, options)?;
            let places = Places {
                instance,
                memory,
                slots: &slots,
            };
            let groups =
                context.scoped(|| bind_groups(context, &pipeline, kernel, dispatch, &places))?;
            Ok((pipeline, groups))
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
        let recorded = Instant::now();
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
                times(&stamps, context.queue.get_timestamp_period())
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
        let read = Instant::now();
        let phase = |name, time| Phase { name, time };
        Ok(Executed {
            saved,
            times: launched.into_iter().zip(times).collect(),
            host: vec![
                phase("record", start..recorded),
                phase("submit", recorded..submitted),
                phase("wait", submitted..finished),
                phase("read back", finished..read),
            ],
            submission: recorded..finished,
            submit: submitted - start,
            wall: finished - submitted,
            download: read - finished,
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
        let (pipeline, groups) = &self.launches[index];
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
            label: Some(&dispatch.kernel),
            timestamp_writes: watch.map(|(watch, nth)| watch.writes(nth)),
        });
        pass.set_pipeline(&pipeline.pipeline);
        for (number, group) in groups {
            pass.set_bind_group(*number, group, &[]);
        }
        if pipeline.takes_immediates {
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

/// Where the buffers of an instance are.
struct Places<'p> {
    instance: &'p Instance,
    memory: &'p MemoryPlan,
    slots: &'p [Buffer],
}

fn bind_groups(
    context: &GpuContext,
    pipeline: &Pipeline,
    kernel: &Kernel,
    dispatch: &BoundDispatch,
    places: &Places,
) -> Groups {
    let uniform = kernel.abi.uniform.map(|place| {
        // Its size is that of a struct, whose alignment is 16 at most.
        let mut contents = dispatch.immediates.clone();
        contents.resize(contents.len().next_multiple_of(16), 0);
        let buffer = context.device.create_buffer_init(&BufferInitDescriptor {
            label: Some("kforge sizes"),
            contents: &contents,
            usage: BufferUsages::UNIFORM,
        });
        (place, buffer)
    });
    let storage = dispatch
        .args
        .iter()
        .enumerate()
        .map(|(index, (id, offset))| {
            let zone = places.instance.buffers[id].zone;
            // Exactly the tenant's zone: a larger slot would let a stray write land behind
            // the guard. Where the length counts, the guard is behind the binding.
            let end = match kernel.abi.exact.contains(&index) {
                true => zone.guard,
                false => zone.end,
            };
            let resource = BindingResource::Buffer(BufferBinding {
                buffer: &places.slots[places.memory.slot_of[id]],
                offset: *offset,
                size: std::num::NonZeroU64::new(end - offset),
            });
            (kernel.abi.place(index), resource)
        });
    let uniform = uniform.as_ref();
    let uniform = uniform.map(|(place, buffer)| (*place, buffer.as_entire_binding()));
    let mut entries: BTreeMap<u32, Vec<BindGroupEntry>> = BTreeMap::new();
    for (place, resource) in storage.chain(uniform) {
        entries
            .entry(place.group)
            .or_default()
            .push(BindGroupEntry {
                binding: place.binding,
                resource,
            });
    }
    let group = |(number, layout): (&u32, &wgpu::BindGroupLayout)| {
        let group = context.device.create_bind_group(&BindGroupDescriptor {
            label: Some(&dispatch.kernel),
            layout,
            entries: entries.get(number).map_or(&[][..], Vec::as_slice),
        });
        (*number, group)
    };
    pipeline.groups.iter().map(group).collect()
}
