//! Carries out scripts on the processor: blocks of a dispatch in parallel.

use std::time::{Duration, Instant};

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};
use rayon::prelude::*;

use super::{NativeFn, library::Libraries};
use crate::{
    device::Target,
    execute::{
        Action, BoundDispatch, DeviceTime, ExecOptions, Executed, FailureKind, Fault, Instance,
        MemoryPlan, Phase, RunError, Saved,
    },
    manifest::Package,
};

/// Ranges of blocks per thread: enough to even out unequal ones.
const RANGES_PER_THREAD: usize = 4;

/// Memory aligned to a cache line.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Functions and memory of one executable.
pub(crate) struct CpuBackend {
    slots: Vec<Vec<Line>>,
    /// Per dispatch of the instance.
    functions: Vec<NativeFn>,
}

impl std::fmt::Debug for CpuBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuBackend")
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}

impl CpuBackend {
    pub(crate) fn new(
        package: &Package,
        instance: &Instance,
        memory: &MemoryPlan,
        options: &ExecOptions,
    ) -> Result<Self, RunError> {
        let slots = memory
            .slots
            .iter()
            .map(|&bytes| allocate(bytes))
            .collect::<Result<_, _>>()
            .map_err(|fault| fault.in_entry(Target::Cpu, &instance.entry))?;
        let mut libraries = Libraries::default();
        let mut function = |dispatch: &BoundDispatch| {
            let kernel = &package.manifest.kernels[&dispatch.kernel];
            libraries
                .function(&dispatch.kernel, kernel, package, options)
                .map_err(|fault| fault.at(Target::Cpu, &dispatch.site))
        };
        let functions = instance
            .dispatches
            .iter()
            .map(&mut function)
            .collect::<Result<_, _>>()?;
        Ok(Self { slots, functions })
    }

    /// Copies bytes to the start of a slot.
    pub(crate) fn upload(&mut self, slot: usize, bytes: &[u8]) -> Result<(), Fault> {
        self.bytes_mut(slot)[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    /// Runs a script.
    ///
    /// The deadline is checked between dispatches: a function that never
    /// returns cannot be stopped from inside its own process.
    pub(crate) fn execute(
        &mut self,
        instance: &Instance,
        memory: &MemoryPlan,
        script: &[Action],
        timeout: Duration,
    ) -> Result<Executed, Fault> {
        let start = Instant::now();
        let (mut saved, mut times) = (Vec::new(), Vec::new());
        for action in script {
            match action {
                Action::Fill { slot, range, word } => {
                    let bytes =
                        &mut self.bytes_mut(*slot)[range.start as usize..range.end as usize];
                    cast_slice_mut::<u8, u32>(bytes).fill(*word);
                }
                Action::Dispatch { index } => {
                    let dispatch = &instance.dispatches[*index];
                    if dispatch.is_empty() {
                        continue;
                    }
                    let begin = Instant::now();
                    self.dispatch(*index, dispatch, memory);
                    let ns = |at: Instant| (at - start).as_secs_f64() * 1e9;
                    let (begin_ns, end_ns) = (ns(begin), ns(Instant::now()));
                    times.push((*index, Ok(DeviceTime { begin_ns, end_ns })));
                    if start.elapsed() > timeout {
                        let detail = format!("not finished after {} ms", timeout.as_millis());
                        return Err(Fault::new(FailureKind::Timeout, detail));
                    }
                }
                Action::Save {
                    buffer,
                    slot,
                    range,
                } => {
                    let bytes = cast_slice::<Line, u8>(&self.slots[*slot]);
                    let bytes = bytes[range.start as usize..range.end as usize].to_vec();
                    saved.push(Saved {
                        buffer: *buffer,
                        start: range.start,
                        bytes,
                    });
                }
            }
        }
        let zero = Duration::ZERO;
        let run = Phase::since("run", start);
        let submission = run.time.clone();
        Ok(Executed {
            saved,
            times,
            host: vec![run],
            submit: zero,
            wall: submission.end - submission.start,
            submission,
            download: zero,
        })
    }

    fn dispatch(&mut self, index: usize, dispatch: &BoundDispatch, memory: &MemoryPlan) {
        let mut immediates: Vec<u32> = bytemuck::pod_collect_to_vec(&dispatch.immediates);
        let mut grid = dispatch.workgroups.map(u64::from);
        let blocks = grid.iter().product::<u64>().min(i64::MAX as u64) as i64;
        let mut args: Vec<*mut u8> = Vec::new();
        for (buffer, offset) in &dispatch.args {
            let slot = memory.slot_of[buffer];
            // One pointer per slot even if it is bound twice: both are derived
            // from the same allocation and Rust does not touch it meanwhile.
            args.push(
                self.slots[slot]
                    .as_mut_ptr()
                    .cast::<u8>()
                    .wrapping_add(*offset as usize),
            );
        }
        args.push(immediates.as_mut_ptr().cast());
        args.push(grid.as_mut_ptr().cast());
        let args = Arguments(args);
        let function = self.functions[index].function();
        let ranges = (rayon::current_num_threads() * RANGES_PER_THREAD) as i64;
        let step = (blocks / ranges).max(1);
        let count = blocks / step + i64::from(blocks % step != 0);
        (0..count).into_par_iter().for_each(|range| {
            let begin = range * step;
            // SAFETY: the function follows the ABI (see `NativeFn::new`), the
            // pointers are valid for the buffers' zones until the loop ends,
            // and the ranges are disjoint.
            unsafe { function(args.pointer(), begin, (begin + step).min(blocks)) };
        });
    }

    fn bytes_mut(&mut self, slot: usize) -> &mut [u8] {
        cast_slice_mut(&mut self.slots[slot])
    }
}

/// Kernel arguments, shared by all threads of a dispatch.
struct Arguments(Vec<*mut u8>);

// SAFETY: the pointers are only handed to native kernels, whose ABI demands that
// calls for disjoint blocks may run at the same time.
unsafe impl Sync for Arguments {}

impl Arguments {
    const fn pointer(&self) -> *const *mut u8 {
        self.0.as_ptr()
    }
}

fn allocate(bytes: u64) -> Result<Vec<Line>, Fault> {
    let lines = usize::try_from(bytes.div_ceil(64)).unwrap_or(usize::MAX);
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(lines)
        .map_err(|_| Fault::new(FailureKind::OutOfMemory, format!("buffer of {bytes} bytes")))?;
    memory.resize(lines, Line::zeroed());
    Ok(memory)
}
