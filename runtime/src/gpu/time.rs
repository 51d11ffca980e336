//! Timestamps around each dispatch.
//!
//! One compute pass per dispatch, with a timestamp at either end: the only kind
//! every adapter with timestamps has. At most 2048 dispatches per run.

use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, ComputePassTimestampWrites,
    QUERY_SET_MAX_QUERIES, QuerySet, QuerySetDescriptor, QueryType,
};

use super::context::GpuContext;
use crate::execute::DeviceTime;

/// A query set for one run, and where its results go.
pub(super) struct Stopwatch {
    queries: QuerySet,
    count: u32,
    resolved: Buffer,
    readback: Buffer,
}

impl Stopwatch {
    /// A stopwatch for some dispatches; `Err` says why there is none.
    pub(super) fn new(context: &GpuContext, dispatches: usize) -> Result<Self, String> {
        if !context
            .device
            .features()
            .contains(wgpu::Features::TIMESTAMP_QUERY)
        {
            return Err("the adapter has no timestamps".into());
        }
        let count = u32::try_from(2 * dispatches).unwrap_or(u32::MAX);
        if count > QUERY_SET_MAX_QUERIES {
            let limit = QUERY_SET_MAX_QUERIES / 2;
            return Err(format!(
                "{dispatches} dispatches exceed the {limit} that can be timed"
            ));
        }
        if count == 0 {
            return Err("nothing was launched".into());
        }
        let size = u64::from(count) * 8;
        let buffer = |label, usage| {
            let descriptor = BufferDescriptor {
                label: Some(label),
                size,
                usage,
                mapped_at_creation: false,
            };
            context.device.create_buffer(&descriptor)
        };
        let queries = context.device.create_query_set(&QuerySetDescriptor {
            label: Some("kforge times"),
            ty: QueryType::Timestamp,
            count,
        });
        Ok(Self {
            queries,
            count,
            resolved: buffer(
                "kforge times",
                BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            ),
            readback: buffer(
                "kforge times",
                BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            ),
        })
    }

    /// The timestamps of a dispatch's pass.
    pub(super) fn writes(&self, dispatch: usize) -> ComputePassTimestampWrites<'_> {
        let first = 2 * dispatch as u32;
        ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Records the transfer of all timestamps to the host.
    pub(super) fn resolve(&self, encoder: &mut CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..self.count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readback, 0, self.readback.size());
    }

    /// The buffer the host reads.
    pub(super) const fn readback(&self) -> &Buffer {
        &self.readback
    }
}

/// When each dispatch ran; what took no positive time is reported as `Err`.
pub(super) fn times(bytes: &[u8], period_ns: f32) -> Vec<Result<DeviceTime, String>> {
    let stamp = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
    let (stamps, _) = bytes.as_chunks::<8>();
    let (pairs, _) = stamps.as_chunks::<2>();
    let span = |[begin, end]: &[[u8; 8]; 2]| {
        let (begin, end) = (stamp(begin), stamp(end));
        // Some drivers leave a timestamp at zero or out of order.
        match end.checked_sub(begin) {
            Some(ticks) if ticks > 0 && begin > 0 => Ok((begin, end)),
            Some(0) => Err("the device's clock did not advance".to_owned()),
            _ => Err("the device's timestamps are not in order".to_owned()),
        }
    };
    let spans: Vec<_> = pairs.iter().map(span).collect();
    let begins = spans.iter().flatten().map(|(begin, _)| *begin);
    let first = begins.min().unwrap_or_default();
    let ns = |stamp: u64| (stamp - first) as f64 * f64::from(period_ns);
    let time = |(begin, end)| DeviceTime {
        begin_ns: ns(begin),
        end_ns: ns(end),
    };
    spans.into_iter().map(|span| span.map(time)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forward_steps_of_the_clock_are_times() {
        let stamps: [u64; 8] = [1000, 3000, 5000, 5000, 9000, 8000, 0, 7];
        let bytes: Vec<u8> = stamps
            .iter()
            .flat_map(|stamp| stamp.to_le_bytes())
            .collect();
        let times = times(&bytes, 2.0);
        let (begin_ns, end_ns) = (0.0, 4000.0);
        assert_eq!(times[0], Ok(DeviceTime { begin_ns, end_ns }));
        assert!(times[1..].iter().all(Result::is_err), "{times:?}");
    }
}
