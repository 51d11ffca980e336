//! Collects the times of repeated runs and refuses unbelievable ones.

use std::{collections::BTreeMap, time::Duration};

use super::{
    inspect::Saved,
    instance::Instance,
    report::{DispatchTime, Spread, TotalTime},
};

/// What one execution of a script gives.
pub(crate) struct Executed {
    pub saved: Vec<Saved>,
    /// Milliseconds on the device per launched dispatch, or why there are none.
    pub times: Vec<(usize, Result<f64, String>)>,
    pub submit: Duration,
    pub wall: Duration,
    pub download: Duration,
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
    /// A device time that exceeds the host's is refused: the two clocks
    /// disagree, so neither the sum nor its parts can be believed. 5 % and
    /// 10 µs are allowed for the host clock's own error.
    pub(crate) fn add(&mut self, executed: &Executed) {
        let wall = ms(executed.wall + executed.submit);
        let sum: f64 = executed
            .times
            .iter()
            .filter_map(|(_, time)| time.as_ref().ok())
            .sum();
        let disagree = sum > wall * 1.05 + 0.01;
        for (index, time) in &executed.times {
            match time {
                Ok(_) if disagree => {
                    let reason = format!(
                        "the device reports {sum:.4} ms in all, the host's clock only {wall:.4} ms"
                    );
                    self.refusals.insert(*index, reason);
                }
                Ok(ms) => self.dispatches.entry(*index).or_default().push(*ms),
                Err(reason) => {
                    self.refusals.insert(*index, reason.clone());
                }
            }
        }
        if !disagree && executed.times.iter().all(|(_, time)| time.is_ok()) {
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

    fn executed(wall_ms: u64, times: Vec<(usize, Result<f64, String>)>) -> Executed {
        let zero = Duration::ZERO;
        let wall = Duration::from_millis(wall_ms);
        Executed {
            saved: Vec::new(),
            times,
            submit: zero,
            wall,
            download: zero,
        }
    }

    #[test]
    fn a_device_time_beyond_the_wall_clock_is_refused() {
        let mut samples = Samples::default();
        samples.add(&executed(10, vec![(0, Ok(8.0)), (1, Ok(8.0))]));
        assert!(samples.total(Duration::ZERO).gpu_ms.is_none());
        assert!(samples.dispatches.is_empty());
        samples.add(&executed(10, vec![(0, Ok(4.0)), (1, Ok(4.0))]));
        assert_eq!(samples.total(Duration::ZERO).gpu_ms.unwrap().median, 8.0);
    }
}
