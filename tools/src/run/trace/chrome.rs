//! Trace events as Chrome and Perfetto read them: times in microseconds, tracks that are
//! threads of processes.

use std::{
    io::{self, Write},
    ops::Range,
    time::Duration,
};

use serde::Serialize;
use serde_json::{Map, Value, json};

/// A track: a thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Track {
    pub(super) process: u32,
    pub(super) thread: u32,
}

/// A slice of a track. Times count from the trace's beginning.
#[derive(Debug)]
pub(super) struct Slice<'t> {
    pub(super) track: Track,
    pub(super) name: &'t str,
    pub(super) time: Range<Duration>,
    pub(super) args: Map<String, Value>,
}

/// What one line of the file says.
#[derive(Serialize)]
struct Event<'t> {
    name: &'t str,
    ph: &'static str,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    args: &'t Map<String, Value>,
}

/// Writes a trace, the names of its processes and threads first, its slices by time.
pub(super) fn write(
    to: &mut dyn Write,
    processes: &[(u32, String)],
    threads: &[(Track, String)],
    slices: &mut [Slice],
    other: &Value,
) -> io::Result<()> {
    slices.sort_by_key(|slice| (slice.time.start, slice.track, slice.time.end));
    to.write_all(b"{\"displayTimeUnit\":\"ns\",\"otherData\":")?;
    serde_json::to_writer(&mut *to, other)?;
    to.write_all(b",\"traceEvents\":[")?;
    let mut separator = "\n";
    let mut event = |event: &Event| {
        to.write_all(separator.as_bytes())?;
        separator = ",\n";
        Ok::<(), io::Error>(serde_json::to_writer(&mut *to, event)?)
    };
    for (process, name) in processes {
        let (process, thread) = (*process, 0);
        event(&metadata(
            "process_name",
            Track { process, thread },
            &named(name),
        ))?;
    }
    for (track, name) in threads {
        event(&metadata("thread_name", *track, &named(name)))?;
    }
    for slice in slices {
        let Range { start, end } = slice.time;
        event(&Event {
            name: slice.name,
            ph: "X",
            pid: slice.track.process,
            tid: slice.track.thread,
            ts: Some(microseconds(start)),
            dur: Some(microseconds(end.saturating_sub(start))),
            args: &slice.args,
        })?;
    }
    to.write_all(b"\n]}\n")
}

fn metadata<'t>(name: &'static str, track: Track, args: &'t Map<String, Value>) -> Event<'t> {
    Event {
        name,
        ph: "M",
        pid: track.process,
        tid: track.thread,
        ts: None,
        dur: None,
        args,
    }
}

fn named(name: &str) -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), json!(name))])
}

/// Whole nanoseconds as microseconds.
///
/// Perfetto multiplies by 1000 and cuts off what is behind the point. A number that would
/// lose its last nanosecond so is taken one step larger: slices that touch would overlap.
fn microseconds(time: Duration) -> f64 {
    let ns = time.as_nanos() as f64;
    let us = ns / 1e3;
    match us * 1e3 < ns {
        true => us.next_up(),
        false => us,
    }
}

/// Puts slices that overlap on lanes beside each other: for each slice, in order of its
/// beginning, the first lane that is free. Returns the lane of each.
pub(super) fn lanes(times: &[Range<Duration>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&index| times[index].start);
    let mut ends: Vec<Duration> = Vec::new();
    let mut lanes = vec![0; times.len()];
    for index in order {
        let Range { start, end } = times[index];
        let free = ends.iter().position(|busy| *busy <= start);
        let lane = free.unwrap_or(ends.len());
        match ends.get_mut(lane) {
            Some(busy) => *busy = end,
            None => ends.push(end),
        }
        lanes[index] = lane;
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nanosecond_is_lost_when_a_reader_cuts_off() {
        for ns in (0..2_000_000).chain(3_600_000_000_000..3_600_000_100_000) {
            let us = microseconds(Duration::from_nanos(ns));
            assert_eq!((us * 1e3) as u64, ns);
        }
    }

    #[test]
    fn only_what_overlaps_goes_beside() {
        let ms = |range: Range<u64>| {
            Duration::from_millis(range.start)..Duration::from_millis(range.end)
        };
        let times = [0..2, 2..5, 4..6, 5..9, 5..7].map(ms);
        assert_eq!(lanes(&times), [0, 0, 1, 0, 2]);
        assert!(lanes(&[]).is_empty());
    }
}
