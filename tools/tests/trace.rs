//! `kforge-run --trace`: what is in the file, and when there is none.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code")]

#[path = "../../verify/tests/gate/package.rs"]
#[allow(dead_code, reason = "the gate's tests use more of it")]
mod package;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use package::{SUM, TWICE};
use serde_json::Value;

/// A folder with the package y = 2 (a + b), made of these kernels.
fn saved(sum: &str, twice: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut package = package::package(sum, twice);
    package.save(folder.path().join("package")).unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kforge-run"))
        .current_dir(folder)
        .args(["package", "--arg", "random"])
        .args(arguments)
        .output()
        .unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Events of a kind.
fn events<'t>(trace: &'t Value, kind: &str) -> Vec<&'t Value> {
    let events = trace["traceEvents"].as_array().unwrap().iter();
    events.filter(|event| event["ph"] == kind).collect()
}

/// The number of a track named so.
fn track(trace: &Value, name: &str) -> (u64, u64) {
    let mut tracks = events(trace, "M");
    tracks.retain(|it| it["name"] == "thread_name" && it["args"]["name"] == name);
    assert_eq!(tracks.len(), 1, "tracks named '{name}'");
    of(tracks[0])
}

fn of(event: &Value) -> (u64, u64) {
    let number = |key: &str| event[key].as_u64().unwrap();
    (number("pid"), number("tid"))
}

/// Beginning and end in nanoseconds, read as Perfetto does.
fn span(slice: &Value) -> (u64, u64) {
    let ns = |key: &str| {
        let us = slice[key].as_f64().unwrap();
        assert!(us >= 0.0, "{slice}");
        (us * 1e3) as u64
    };
    (ns("ts"), ns("ts") + ns("dur"))
}

/// Slices are sorted, those of one track do not overlap, and every track has a name.
fn hold(trace: &Value) {
    let slices = events(trace, "X");
    assert!(slices.is_sorted_by_key(|slice| span(slice).0));
    let mut ends: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for slice in slices {
        let (begin, end) = span(slice);
        let busy = ends.insert(of(slice), end).unwrap_or(0);
        assert!(busy <= begin, "overlaps what ends at {busy} ns: {slice}");
    }
    for kind in ["process_name", "thread_name"] {
        for track in ends.keys() {
            let mut names = events(trace, "M").into_iter();
            assert!(
                names.any(|event| event["name"] == kind && of(event).0 == track.0),
                "{kind} of {track:?}"
            );
        }
    }
}

#[test]
fn a_trace_has_every_dispatch_of_every_run() {
    let folder = saved(SUM, TWICE);
    for (arguments, runs) in [(&[][..], 1), (&["--time", "3"], 4)] {
        let trace = ["--trace", "trace.json"];
        let output = run(folder.path(), &[&trace, arguments].concat());
        assert!(output.status.success(), "{}", error(&output));
        let text = fs::read_to_string(folder.path().join("trace.json")).unwrap();
        let trace: Value = serde_json::from_str(&text).unwrap();
        hold(&trace);
        let (host, gpu) = (track(&trace, "kforge-run"), track(&trace, "GPU"));
        assert_ne!(host.0, gpu.0);
        let slices = events(&trace, "X");
        let count = |name: &str| slices.iter().filter(|it| it["name"] == name).count();
        for once in ["read package", "verify after the runs", "compile pipelines"] {
            let expected = usize::from(once != "verify after the runs" || runs > 1);
            assert_eq!(count(once), expected, "{once}");
        }
        assert_eq!(count("verify"), runs);
        for each in ["upload", "record", "submit", "wait", "read back", "unpack"] {
            assert_eq!(count(each), runs, "{each}");
        }
        let on_gpu = slices.iter().filter(|slice| of(slice).0 == gpu.0);
        let untimed = trace["otherData"]["dispatches_without_timestamps"].as_object();
        if untimed.is_some_and(|untimed| !untimed.is_empty()) {
            // The device has no clock that can be believed, and says so.
            assert!(error(&output).contains("no device times"));
            continue;
        }
        let mut names: Vec<_> = on_gpu.clone().map(|it| it["name"].as_str()).collect();
        assert_eq!(names.len(), 2 * runs);
        names.dedup();
        assert_eq!(names.len(), 2 * runs, "the kernels take turns");
        for slice in on_gpu {
            let (args, submit) = (&slice["args"], span(slice).0);
            assert_eq!(args["stage"], slice["name"]);
            assert_eq!(args["workgroups"], serde_json::json!([2, 1, 1]));
            assert_eq!(args["knobs"], serde_json::json!({"tile": 64}));
            let sum = slice["name"] == "sum";
            assert_eq!(args["buffer_bytes"], if sum { 1200 } else { 800 });
            let same_run = slices.iter().filter(|it| it["args"]["run"] == args["run"]);
            let mut handed_over = same_run.filter(|it| it["name"] == "submit");
            let handed_over = span(handed_over.next().unwrap()).0;
            assert!(if sum {
                submit == handed_over
            } else {
                submit > handed_over
            });
        }
    }
}

#[test]
fn what_is_refused_leaves_no_trace() {
    let wrong = TWICE.replace("s[i] + s[i]", "s[i] * 3.0");
    let folder = saved(SUM, &wrong);
    fs::write(folder.path().join("old.json"), "old").unwrap();
    for (name, arguments) in [
        ("new.json", &[][..]),
        ("old.json", &["--time", "2", "--check"]),
    ] {
        let output = run(folder.path(), &[&["--trace", name], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", error(&output));
        let said = format!("'{name}' was not written, for a trace has times");
        assert!(error(&output).contains(&said), "{}", error(&output));
    }
    assert!(!folder.path().join("new.json").exists());
    assert_eq!(
        fs::read_to_string(folder.path().join("old.json")).unwrap(),
        "old"
    );
    // The package and the old file alone.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn without_a_reference_there_is_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut package = package::package(SUM, TWICE);
    package.program = None;
    package.save(folder.path().join("package")).unwrap();
    let output = run(folder.path(), &["--trace", "trace.json"]);
    assert_eq!(output.status.code(), Some(2), "{}", error(&output));
    let said = "cannot time what is not verified";
    assert!(error(&output).contains(said), "{}", error(&output));
    assert!(!folder.path().join("trace.json").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_the_run() {
    let folder = saved(SUM, TWICE);
    for (path, cause) in [
        ("absent/trace.json", "No such file"),
        ("package", "is a directory"),
    ] {
        let output = run(folder.path(), &["--trace", path]);
        assert_eq!(output.status.code(), Some(1), "{}", error(&output));
        let said = format!("cannot write '{path}': ");
        assert!(error(&output).contains(&said), "{}", error(&output));
        assert!(error(&output).contains(cause), "{}", error(&output));
    }
    let output = run(folder.path(), &["--trace", "t.json", "--measure"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("cannot be used with"));
}
