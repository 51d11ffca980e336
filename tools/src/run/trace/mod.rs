//! `--trace`: when the host and the device did what, as a file for Perfetto.
//!
//! The host's work is on one track. Dispatches are on a track of the device, with its own
//! timestamps: the first one of a submission is put where the host handed the submission
//! over, for more is not known of how the two clocks relate. Where the device has no
//! timestamps there is a slice for the submission, as the host measured it.
//!
//! A trace is full of times, so there is one of verified runs alone.

mod chrome;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use kforge_runtime::{
    DeviceDescription, Package,
    device::Target,
    execute::{DispatchTime, Phase, RunTrace},
    manifest::{Step, Symbols},
    whole_file::write_whole,
};
use kforge_verify::LeastWork;
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use super::Failure;
use chrome::{Slice, Track};

const HOST: Track = Track {
    process: 1,
    thread: 1,
};
/// The first track of the device's process.
const DEVICE: Track = Track {
    process: 2,
    thread: 1,
};

/// What a trace is made of.
pub(super) struct Trace<'t> {
    pub(super) entry: &'t str,
    pub(super) device: &'t DeviceDescription,
    pub(super) package: &'t Package,
    pub(super) sizes: &'t Symbols,
    /// When the tool started.
    pub(super) start: Instant,
    /// What the host did outside of the runs.
    pub(super) host: &'t [Phase],
    /// The run on the given arguments, then the timed ones.
    pub(super) runs: &'t [RunTrace],
    /// The entry's dispatches.
    pub(super) dispatches: &'t [DispatchTime],
    /// What is known of the units' work.
    pub(super) work: &'t [LeastWork],
}

/// Does some work of the host and notes when.
pub(super) fn phase<T>(phases: &mut Vec<Phase>, name: &'static str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    phases.push(Phase::since(name, start));
    result
}

/// Sees whether the file can be made, before anything takes time.
pub(super) fn prepare(path: &Path) -> Result<(), Failure> {
    if fs::metadata(path).is_ok_and(|it| it.is_dir()) {
        return Err(failed(path)(io::ErrorKind::IsADirectory.into()));
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let probe = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
    probe.map(drop).map_err(failed(path))
}

/// A refusal that says that there is no trace either.
pub(super) fn withheld(failure: Failure, path: &Path) -> Failure {
    match failure {
        Failure::Refused(why) => Failure::Refused(format!(
            "{why}; '{}' was not written, for a trace has times",
            path.display()
        )),
        failure => failure,
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_path_buf();
    |source| Failure::Write { path, source }
}

/// Writes the file, whole or not at all. Returns what is missing from it.
pub(super) fn write(path: &Path, trace: &Trace) -> Result<Option<String>, Failure> {
    let (mut slices, untimed) = slices(trace);
    let (name, threads) = names(trace, &slices);
    let processes = [(HOST.process, "host".to_owned()), (DEVICE.process, name)];
    let alignment = match trace.device.target {
        Target::Gpu => "the first timestamp of a submission is drawn where the host handed it over",
        Target::Cpu => "none needed: the host's clock",
    };
    let other = json!({
        "program": concat!("kforge-run ", env!("CARGO_PKG_VERSION")),
        "entry": trace.entry,
        "device": trace.device.name,
        "backend": trace.device.backend,
        "driver": trace.device.driver,
        "alignment": alignment,
        "dispatches_without_timestamps": untimed,
    });
    write_whole(path, |file| {
        chrome::write(file, &processes, &threads, &mut slices, &other)
    })
    .map_err(failed(path))?;
    let missing = untimed.first_key_value().map(|(reason, _)| {
        let dispatches: usize = untimed.values().sum();
        format!(
            "'{}' has no device times for {dispatches} dispatches: {reason}",
            path.display()
        )
    });
    Ok(missing)
}

/// All slices, and how many dispatches have no time of the device's, by reason.
fn slices<'t>(trace: &Trace<'t>) -> (Vec<Slice<'t>>, BTreeMap<&'t str, usize>) {
    let host = |phase: &Phase, args| Slice {
        track: HOST,
        name: phase.name,
        time: at(trace, phase.time.start)..at(trace, phase.time.end),
        args,
    };
    let args: Vec<_> = (0..trace.dispatches.len())
        .map(|index| dispatch_args(trace, index))
        .collect();
    let outside = trace.host.iter().map(|phase| host(phase, Map::new()));
    let mut slices: Vec<Slice> = outside.collect();
    let (mut device, mut untimed) = (Vec::new(), BTreeMap::new());
    for (number, run) in trace.runs.iter().enumerate() {
        let name = json!(match number {
            0 => "on the given arguments".to_owned(),
            number => format!("timed {number}"),
        });
        let named = || Map::from_iter([("run".to_owned(), name.clone())]);
        slices.extend(run.host.iter().map(|phase| host(phase, named())));
        for mut slice in dispatches(trace, run, &args) {
            slice.args.extend(named());
            device.push(slice);
        }
        let reasons = run
            .dispatches
            .iter()
            .filter_map(|it| it.time.as_ref().err());
        for reason in reasons {
            *untimed.entry(reason.as_str()).or_default() += 1;
        }
    }
    place(&mut device);
    slices.extend(device);
    (slices, untimed)
}

/// The dispatches of a run that have times; its submission if none has.
fn dispatches<'t>(
    trace: &Trace<'t>,
    run: &'t RunTrace,
    args: &[Map<String, Value>],
) -> Vec<Slice<'t>> {
    let begin = at(trace, run.submission.start);
    let spans = run.dispatches.iter().filter_map(|span| {
        let time = span.time.as_ref().ok()?;
        Some(Slice {
            track: DEVICE,
            name: &trace.dispatches.get(span.dispatch)?.kernel,
            time: begin + time.start..begin + time.end,
            args: args.get(span.dispatch)?.clone(),
        })
    });
    let slices: Vec<Slice> = spans.collect();
    let why = run.dispatches.first().and_then(|it| it.time.as_ref().err());
    let (Some(why), true) = (why, slices.is_empty()) else {
        return slices;
    };
    let args = [
        ("dispatches", json!(run.dispatches.len())),
        ("clock", json!("the host's")),
        ("why", json!(why)),
    ];
    vec![Slice {
        track: DEVICE,
        name: "submission",
        time: begin..at(trace, run.submission.end),
        args: Map::from_iter(args.map(|(name, value)| (name.to_owned(), value))),
    }]
}

fn at(trace: &Trace, moment: Instant) -> Duration {
    moment.saturating_duration_since(trace.start)
}

/// Puts slices of the device on its tracks: one, unless dispatches overlap.
fn place(slices: &mut [Slice]) {
    let times: Vec<Range<Duration>> = slices.iter().map(|slice| slice.time.clone()).collect();
    for (slice, lane) in slices.iter_mut().zip(chrome::lanes(&times)) {
        slice.track = Track {
            thread: DEVICE.thread + lane as u32,
            ..DEVICE
        };
    }
}

/// The name of the device's process, and of all threads.
fn names(trace: &Trace, slices: &[Slice]) -> (String, Vec<(Track, String)>) {
    let device = match trace.device.target {
        Target::Gpu => "GPU",
        Target::Cpu => "CPU kernels",
    };
    let mut threads = vec![(HOST, "kforge-run".to_owned())];
    let tracks = slices.iter().map(|slice| slice.track);
    let last = tracks.max().map_or(DEVICE, |last| last.max(DEVICE));
    for thread in DEVICE.thread..=last.thread {
        let name = match thread {
            1 => device.to_owned(),
            lane => format!("{device}, at the same time ({lane})"),
        };
        threads.push((Track { thread, ..DEVICE }, name));
    }
    (format!("{device}: {}", trace.device.name), threads)
}

/// What is known of a dispatch.
fn dispatch_args(trace: &Trace, index: usize) -> Map<String, Value> {
    let dispatch = &trace.dispatches[index];
    let mut args = Map::new();
    let mut say = |name: &str, value: Value| args.insert(name.to_owned(), value);
    say("stage", json!(dispatch.stage));
    say("shape", json!(dispatch.shape));
    say("workgroups", json!(dispatch.workgroups));
    if let Some(bytes) = buffer_bytes(trace, index) {
        say("buffer_bytes", json!(bytes));
    }
    let work = trace.work.iter();
    if let Some(work) = work.clone().find(|it| it.dispatches.contains(&index)) {
        say("stage_least_bytes", json!(work.bytes));
        say("stage_multiply_adds", json!(work.multiply_adds));
    }
    if let Some(kernel) = trace.package.manifest.kernels.get(&dispatch.kernel) {
        say("workgroup_size", json!(kernel.workgroup_size));
        if !kernel.knobs.is_empty() {
            say("knobs", json!(kernel.knobs));
        }
    }
    args
}

/// Bytes of the buffers that a dispatch is given, each counted once.
fn buffer_bytes(trace: &Trace, index: usize) -> Option<u64> {
    let manifest = &trace.package.manifest;
    let Step::Dispatch(dispatch) = manifest.entries.get(trace.entry)?.steps.get(index)?;
    let mut ids: Vec<_> = dispatch.args.iter().map(|it| it.buffer).collect();
    ids.sort_unstable();
    ids.dedup();
    let bytes = |id| {
        let extent = manifest.buffer(id)?.instantiate(trace.sizes);
        Some(extent.ok()?.bytes)
    };
    ids.into_iter().map(bytes).sum()
}
