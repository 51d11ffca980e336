//! Traces of runs that no device made.

use kforge_runtime::{
    Manifest,
    execute::DispatchSpan,
    manifest::{FORMAT, VerifierSettings},
};

use super::*;

fn us(time: u64) -> Duration {
    Duration::from_micros(time)
}

fn dispatch(kernel: &str) -> DispatchTime {
    DispatchTime {
        kernel: kernel.into(),
        stage: "stage".into(),
        shape: "100".into(),
        workgroups: [2, 1, 1],
        gpu_ms: None,
        why_no_time: None,
    }
}

/// A run that is submitted at 10 us and ends at 100, with these times in us.
fn run(start: Instant, times: &[Result<Range<u64>, &str>]) -> RunTrace {
    let span = |(dispatch, time): (usize, &Result<Range<u64>, &str>)| DispatchSpan {
        dispatch,
        time: match time {
            Ok(time) => Ok(us(time.start)..us(time.end)),
            Err(reason) => Err((*reason).to_owned()),
        },
    };
    let name = "wait";
    RunTrace {
        host: vec![Phase {
            name,
            time: start + us(10)..start + us(100),
        }],
        submission: start + us(10)..start + us(100),
        dispatches: times.iter().enumerate().map(span).collect(),
    }
}

/// Thread, name, beginning and end in us.
type Drawn = (u64, String, f64, f64);

/// What is on the device's tracks, and what is said to be missing.
fn drawn(times: &[Result<Range<u64>, &str>]) -> (Vec<Drawn>, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let start = Instant::now();
    let device = DeviceDescription {
        name: "none".into(),
        ..DeviceDescription::default()
    };
    let package = Package::new(Manifest {
        format: FORMAT,
        kforge_version: String::new(),
        plan: String::new(),
        symbols: BTreeMap::new(),
        buffers: Vec::new(),
        kernels: BTreeMap::new(),
        entries: BTreeMap::new(),
        hashes: BTreeMap::new(),
        verifier: VerifierSettings::default(),
        verdict: None,
    });
    let missing = write(
        &path,
        &Trace {
            entry: "main",
            device: &device,
            package: &package,
            sizes: &Symbols::new(),
            start,
            host: &[],
            runs: &[run(start, times)],
            dispatches: &[dispatch("a"), dispatch("b")],
            work: &[LeastWork {
                dispatches: 0..2,
                bytes: 3,
                multiply_adds: 4,
            }],
        },
    );
    let text = fs::read_to_string(path).unwrap();
    let trace: Value = serde_json::from_str(&text).unwrap();
    let events = trace["traceEvents"].as_array().unwrap().iter();
    let slices = events.filter(|event| event["ph"] == "X" && event["pid"] == DEVICE.process);
    let slice = |event: &Value| {
        let (begin, name) = (
            event["ts"].as_f64().unwrap(),
            event["name"].as_str().unwrap(),
        );
        let thread = event["tid"].as_u64().unwrap();
        let end = begin + event["dur"].as_f64().unwrap();
        (thread, name.to_owned(), begin, end)
    };
    (slices.map(slice).collect(), missing.unwrap())
}

#[test]
fn dispatches_count_from_their_submission() {
    let (slices, missing) = drawn(&[Ok(0..20), Ok(20..50)]);
    let expected = [(1, "a".into(), 10.0, 30.0), (1, "b".into(), 30.0, 60.0)];
    assert_eq!(slices, expected);
    assert_eq!(missing, None);
}

#[test]
fn dispatches_at_the_same_time_are_beside_each_other() {
    let (slices, _) = drawn(&[Ok(0..20), Ok(10..50)]);
    let expected = [(1, "a".into(), 10.0, 30.0), (2, "b".into(), 20.0, 60.0)];
    assert_eq!(slices, expected);
}

#[test]
fn without_timestamps_the_submission_is_drawn() {
    let (slices, missing) = drawn(&[Err("no clock"), Err("no clock")]);
    assert_eq!(slices, [(1, "submission".into(), 10.0, 100.0)]);
    assert!(
        missing
            .unwrap()
            .ends_with("no device times for 2 dispatches: no clock")
    );
}

#[test]
fn a_dispatch_without_a_time_is_left_out() {
    let (slices, missing) = drawn(&[Ok(0..20), Err("it stood still")]);
    assert_eq!(slices, [(1, "a".into(), 10.0, 30.0)]);
    assert!(
        missing
            .unwrap()
            .ends_with("no device times for 1 dispatches: it stood still")
    );
}

#[test]
fn only_a_refusal_speaks_of_the_trace() {
    let say = |failure| withheld(failure, Path::new("t.json")).to_string();
    let refused = say(Failure::Refused("wrong".into()));
    assert_eq!(
        refused,
        "refused: wrong; 't.json' was not written, for a trace has times"
    );
    assert_eq!(say(Failure::Input("what".into())), "what");
}
