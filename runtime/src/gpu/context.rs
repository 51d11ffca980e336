//! A device with its queue, its error channels and its caches.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pollster::block_on;
use wgpu::{
    Buffer, BufferUsages, ErrorFilter, PollError, PollType, SubmissionIndex,
    util::{BufferInitDescriptor, DeviceExt},
};

use super::pipeline::PipelineCache;
use crate::execute::{FailureKind, Fault};

/// Bytes of a pattern buffer, the source of fills.
pub(super) const PATTERN_BYTES: u64 = 1 << 20;
/// Longest driver message kept.
const MESSAGE_LIMIT: usize = 2000;

/// A wgpu device and what this crate keeps per device.
pub(crate) struct GpuContext {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: Mutex<PipelineCache>,
    /// Held from submission to readback. Times would be worthless otherwise, and
    /// wgpu 30 panics when one thread polls while another's wait times out.
    pub(super) turn: Mutex<()>,
    patterns: Mutex<HashMap<u32, Buffer>>,
    reports: Arc<Mutex<Reports>>,
}

/// What the driver said outside of error scopes.
#[derive(Default)]
struct Reports {
    lost: Option<String>,
    uncaptured: Option<Fault>,
}

impl fmt::Debug for GpuContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuContext")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl GpuContext {
    pub(crate) fn new(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let reports = Arc::new(Mutex::new(Reports::default()));
        // Without these two callbacks wgpu panics.
        let sink = Arc::clone(&reports);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&sink).uncaptured.get_or_insert(fault(&error));
        }));
        let sink = Arc::clone(&reports);
        device.set_device_lost_callback(move |reason, message| {
            lock(&sink)
                .lost
                .get_or_insert(format!("{reason:?}: {message}"));
        });
        Self {
            device,
            queue,
            pipelines: Mutex::default(),
            turn: Mutex::default(),
            patterns: Mutex::default(),
            reports,
        }
    }

    /// Runs `action` and returns the first error wgpu reports for it.
    pub(super) fn scoped<T>(&self, action: impl FnOnce() -> T) -> Result<T, Fault> {
        let scopes = [
            ErrorFilter::Validation,
            ErrorFilter::OutOfMemory,
            ErrorFilter::Internal,
        ]
        .map(|filter| self.device.push_error_scope(filter));
        let value = action();
        let mut first = None;
        for scope in scopes.into_iter().rev() {
            if let Some(error) = block_on(scope.pop()) {
                first.get_or_insert(fault(&error));
            }
        }
        match first {
            Some(fault) => Err(fault),
            None => Ok(value),
        }
    }

    /// Waits for a submission.
    pub(super) fn wait(&self, submission: SubmissionIndex, timeout: Duration) -> Result<(), Fault> {
        let poll = PollType::Wait {
            submission_index: Some(submission),
            timeout: Some(timeout),
        };
        let polled = self.device.poll(poll);
        // A loss explains every other failure, so it is looked at first.
        self.check_reports()?;
        match polled {
            Ok(_) => Ok(()),
            Err(PollError::Timeout) => Err(Fault::new(
                FailureKind::Timeout,
                format!(
                    "not finished after {} ms; allow more time or use smaller sizes",
                    timeout.as_millis()
                ),
            )),
            Err(error) => Err(Fault::new(FailureKind::Validation, error.to_string())),
        }
    }

    /// Errors that came without a scope since the last call.
    pub(super) fn check_reports(&self) -> Result<(), Fault> {
        let mut reports = lock(&self.reports);
        if let Some(message) = &reports.lost {
            let detail = format!("the device was lost ({message}); open it in a new process");
            return Err(Fault::new(FailureKind::DeviceLost, detail));
        }
        match reports.uncaptured.take() {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    /// A buffer full of one word.
    pub(super) fn pattern(&self, word: u32) -> Buffer {
        let create = || {
            let words = vec![word; PATTERN_BYTES as usize / 4];
            self.device.create_buffer_init(&BufferInitDescriptor {
                label: Some("kforge pattern"),
                contents: bytemuck::cast_slice(&words),
                usage: BufferUsages::COPY_SRC,
            })
        };
        lock(&self.patterns)
            .entry(word)
            .or_insert_with(create)
            .clone()
    }
}

/// The value even if another thread panicked while holding it: caches and
/// messages are valid at every point.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fault(error: &wgpu::Error) -> Fault {
    let kind = match error {
        wgpu::Error::OutOfMemory { .. } => FailureKind::OutOfMemory,
        wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => FailureKind::Validation,
    };
    let text = error.to_string();
    let detail = text.trim().chars().take(MESSAGE_LIMIT).collect::<String>();
    Fault::new(kind, detail)
}
