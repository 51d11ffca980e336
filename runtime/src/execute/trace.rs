//! When the parts of one run took place, for who draws them.
//!
//! The host and the device have clocks of their own. A device's times count from its first
//! timestamp in the submission; where that lies on the host's clock is not known, only that it
//! lies within the submission.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use super::timing::{Executed, disagreement};

/// One run of an entry.
#[derive(Clone, Debug)]
pub struct RunTrace {
    /// What the host did, in order and one after the other.
    pub host: Vec<Phase>,
    /// From handing the commands over to knowing that they are done, on the host's clock.
    pub submission: Range<Instant>,
    /// The dispatches that were launched, in order.
    pub dispatches: Vec<DispatchSpan>,
}

/// A part of the host's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What it was.
    pub name: &'static str,
    /// When.
    pub time: Range<Instant>,
}

/// A dispatch on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchSpan {
    /// Which one of the entry's, counted as in the reports.
    pub dispatch: usize,
    /// From beginning to end on the device's clock, since its first timestamp in the
    /// submission; or why that is not known.
    pub time: Result<Range<Duration>, String>,
}

impl Phase {
    /// From a moment until now.
    pub fn since(name: &'static str, start: Instant) -> Self {
        Self {
            name,
            time: start..Instant::now(),
        }
    }
}

impl RunTrace {
    /// Of an execution, with what the host did before it. The dispatches before `first` are
    /// not the entry's own.
    pub(super) fn new(mut host: Vec<Phase>, executed: &Executed, first: usize) -> Self {
        host.extend(executed.host.iter().cloned());
        let believed = disagreement(device_ms(executed), executed);
        let span = |(index, time): &(usize, Result<super::DeviceTime, String>)| DispatchSpan {
            dispatch: index.saturating_sub(first),
            time: match (&believed, time) {
                (Some(reason), Ok(_)) => Err(reason.clone()),
                (None, Ok(time)) => Ok(nanoseconds(time.begin_ns)..nanoseconds(time.end_ns)),
                (_, Err(reason)) => Err(reason.clone()),
            },
        };
        Self {
            host,
            submission: executed.submission.clone(),
            dispatches: executed.times.iter().map(span).collect(),
        }
    }
}

/// From the first dispatch's beginning to the last one's end, or all of them one after
/// another if that is more.
fn device_ms(executed: &Executed) -> f64 {
    let times = || {
        let times = executed.times.iter();
        times.filter_map(|(_, time)| time.as_ref().ok())
    };
    let end = times().map(|time| time.end_ns).fold(0.0, f64::max);
    let sum: f64 = times().map(super::DeviceTime::ms).sum();
    sum.max(end * 1e-6)
}

fn nanoseconds(ns: f64) -> Duration {
    // A cast to an integer saturates.
    Duration::from_nanos(ns.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::{super::DeviceTime, *};

    fn executed(wall: Duration, times: &[(usize, f64, f64)]) -> Executed {
        let start = Instant::now();
        let time = |&(index, begin_ns, end_ns): &(usize, f64, f64)| {
            (index, Ok(DeviceTime { begin_ns, end_ns }))
        };
        Executed {
            saved: Vec::new(),
            times: times.iter().map(time).collect(),
            host: vec![Phase::since("wait", start)],
            submission: start..start + wall,
            submit: Duration::ZERO,
            wall,
            download: Duration::ZERO,
        }
    }

    #[test]
    fn a_trace_counts_the_entrys_own_dispatches() {
        let executed = executed(
            Duration::from_millis(1),
            &[(2, 0.0, 52.08), (3, 52.08, 99.6)],
        );
        let before = vec![Phase::since("upload", Instant::now())];
        let trace = RunTrace::new(before, &executed, 2);
        let names: Vec<_> = trace.host.iter().map(|it| it.name).collect();
        assert_eq!(names, ["upload", "wait"]);
        let ns = Duration::from_nanos;
        let expected = [(0, Ok(ns(0)..ns(52))), (1, Ok(ns(52)..ns(100)))];
        let expected = expected.map(|(dispatch, time)| DispatchSpan { dispatch, time });
        assert_eq!(trace.dispatches, expected);
    }

    #[test]
    fn dispatches_spread_over_more_than_the_submission_have_no_time() {
        let far = executed(
            Duration::from_millis(1),
            &[(0, 0.0, 10.0), (1, 8e6, 8e6 + 10.0)],
        );
        for span in RunTrace::new(Vec::new(), &far, 0).dispatches {
            assert!(span.time.unwrap_err().contains("the host's clock only"));
        }
    }
}
