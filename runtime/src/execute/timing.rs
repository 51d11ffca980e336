//! Collects the times of repeated runs and refuses unbelievable ones.

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

use super::{
    inspect::Saved,
    instance::Instance,
    report::{DispatchTime, Spread, TotalTime},
    trace::Phase,
};

/// What one execution of a script gives.
pub(crate) struct Executed {
    pub saved: Vec<Saved>,
    /// Per launched dispatch, or why there is none.
    pub times: Vec<(usize, Result<DeviceTime, String>)>,
    /// What the host did, in order.
    pub host: Vec<Phase>,
    /// From handing the commands over to their end, on the host's clock.
    pub submission: Range<Instant>,
    pub submit: Duration,
    pub wall: Duration,
    pub download: Duration,
}

/// When a dispatch ran, in nanoseconds since the first timestamp of its submission.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DeviceTime {
    pub begin_ns: f64,
    pub end_ns: f64,
}

impl DeviceTime {
    pub(crate) fn ms(&self) -> f64 {
        (self.end_ns - self.begin_ns) * 1e-6
    }
}

/// Why the device's time of an execution cannot be believed: it exceeds the host's.
///
/// The two clocks disagree then. 5 % and 10 µs are allowed for the host clock's own error.
pub(super) fn disagreement(device_ms: f64, executed: &Executed) -> Option<String> {
    let wall = ms(executed.wall + executed.submit);
    (device_ms > wall * 1.05 + 0.01).then(|| {
        format!("the device reports {device_ms:.4} ms in all, the host's clock only {wall:.4} ms")
    })
}

/// Samples of repeated executions.
#[derive(Default)]
pub(crate) struct Samples {
    dispatches: BTreeMap<usize, Vec<f64>>,
    refusals: BTreeMap<usize, String>,
    gpu: Vec<f64>,
    wall: Vec<f64>,
    submit_ms: f64,
    download_ms: f64,
}

impl Samples {
    /// Adds one execution.
    ///
    /// A device time that exceeds the host's is refused: neither the sum nor its
    /// parts can be believed.
    pub(crate) fn add(&mut self, executed: &Executed) {
        let sum: f64 = executed
            .times
            .iter()
            .filter_map(|(_, time)| time.as_ref().ok().map(DeviceTime::ms))
            .sum();
        let disagree = disagreement(sum, executed);
        for (index, time) in &executed.times {
            match (time, &disagree) {
                (Ok(time), None) => self.dispatches.entry(*index).or_default().push(time.ms()),
                (Ok(_), Some(reason)) | (Err(reason), _) => {
                    self.refusals.insert(*index, reason.clone());
                }
            }
        }
        if disagree.is_none() && executed.times.iter().all(|(_, time)| time.is_ok()) {
            self.gpu.push(sum);
        }
        self.wall.push(ms(executed.wall));
        self.submit_ms = ms(executed.submit);
        self.download_ms = ms(executed.download);
    }

    /// Times of the run as a whole.
    pub(crate) fn total(&self, upload: Duration) -> TotalTime {
        TotalTime {
            upload_ms: ms(upload),
            submit_ms: self.submit_ms,
            gpu_ms: Spread::of(self.gpu.clone()),
            wall_ms: Spread::of(self.wall.clone()),
            download_ms: self.download_ms,
        }
    }

    /// Times of the entry's own dispatches.
    pub(crate) fn dispatches(&self, instance: &Instance) -> Vec<DispatchTime> {
        let row = |(index, dispatch): (usize, &super::instance::BoundDispatch)| {
            let samples = self.dispatches.get(&index).cloned().unwrap_or_default();
            let gpu_ms = Spread::of(samples);
            let why_no_time = match (gpu_ms, self.refusals.get(&index)) {
                (Some(_), _) => None,
                (None, Some(reason)) => Some(reason.clone()),
                (None, None) => Some("nothing was launched: zero workgroups".into()),
            };
            DispatchTime {
                kernel: dispatch.kernel.clone(),
                stage: dispatch.site.stage.clone(),
                shape: dispatch.site.shape.clone(),
                workgroups: dispatch.workgroups,
                gpu_ms,
                why_no_time,
            }
        };
        instance
            .dispatches
            .iter()
            .enumerate()
            .skip(instance.init)
            .map(row)
            .collect()
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executed(wall_ms: u64, times: [(usize, f64); 2]) -> Executed {
        let zero = Duration::ZERO;
        let wall = Duration::from_millis(wall_ms);
        let time = |(index, ms)| {
            let (begin_ns, end_ns) = (0.0, ms * 1e6);
            (index, Ok(DeviceTime { begin_ns, end_ns }))
        };
        let start = Instant::now();
        Executed {
            saved: Vec::new(),
            times: times.map(time).into(),
            host: Vec::new(),
            submission: start..start + wall,
            submit: zero,
            wall,
            download: zero,
        }
    }

    #[test]
    fn a_device_time_beyond_the_wall_clock_is_refused() {
        let mut samples = Samples::default();
        samples.add(&executed(10, [(0, 8.0), (1, 8.0)]));
        assert!(samples.total(Duration::ZERO).gpu_ms.is_none());
        assert!(samples.dispatches.is_empty());
        samples.add(&executed(10, [(0, 4.0), (1, 4.0)]));
        assert_eq!(samples.total(Duration::ZERO).gpu_ms.unwrap().median, 8.0);
    }
}
