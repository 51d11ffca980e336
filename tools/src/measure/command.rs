//! The two sides of `kforge-run --measure`.

use std::{
    io::{self, BufRead, Write},
    path::Path,
};

use kforge_runtime::{Device, DeviceChoice};
use kforge_verify::References;

use super::{
    candidate::{self, CandidateError},
    job::{Ask, Candidate, Job},
    outcome::outcomes,
    result::{Measured, Refusal, Result as Outcome},
    worker::{Settings, Worker, name},
};

/// Measures every candidate of a folder and gives each result to `done`.
pub fn measure_all(
    folder: &Path,
    worker: &mut Worker,
    full: bool,
    mut done: impl FnMut(&Measured) -> io::Result<()>,
) -> Result<(), CandidateError> {
    for path in candidate::list(folder)? {
        let folder = path.clone();
        let measured = worker.measure(Candidate { folder, full }, Ask::default());
        done(&measured).map_err(|source| CandidateError::Io { path, source })?;
    }
    Ok(())
}

/// The child: a job per line of standard input, a line of results for each on standard
/// output, until the input ends.
pub fn work(choice: DeviceChoice, settings: &Settings) -> io::Result<()> {
    let mut device = None;
    let references = References::default();
    for line in io::stdin().lock().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let results = match open(&mut device, choice) {
            Ok(device) => outcomes(&job, device, settings, &references),
            Err(refusal) => vec![Outcome::Refused(refusal); job.candidates.len()],
        };
        let description = device
            .as_ref()
            .map(|device: &Device| device.description().clone());
        let measured = job.candidates.iter().zip(results);
        let measured = measured.map(|(candidate, result)| Measured {
            candidate: name(&candidate.folder),
            device: description.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            result,
        });
        let measured: Vec<Measured> = measured.collect();
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &measured)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn open(device: &mut Option<Device>, choice: DeviceChoice) -> Result<&Device, Refusal> {
    match device {
        Some(device) => Ok(device),
        none => {
            let opened = Device::open(choice);
            let opened = opened.map_err(|it| Refusal::new("no-device", it.to_string()))?;
            Ok(none.insert(opened))
        }
    }
}
