//! The two sides of `kforge-run --measure`.

use std::{
    io::{self, BufRead, Write},
    path::Path,
};

use kforge_runtime::{Device, DeviceChoice, ExecOptions, execute::Timing};
use kforge_verify::{Options, Timer};

use super::{
    candidate::{self, CandidateError},
    result::{Clock, Measured, Refusal, Result as Outcome, Time},
    worker::{Settings, Worker, name},
};

/// Measures every candidate of a folder and gives each result to `done`.
pub fn measure_all(
    folder: &Path,
    worker: &mut Worker,
    mut done: impl FnMut(&Measured) -> io::Result<()>,
) -> Result<(), CandidateError> {
    for path in candidate::list(folder)? {
        let measured = worker.measure(&path);
        done(&measured).map_err(|source| CandidateError::Io { path, source })?;
    }
    Ok(())
}

/// The child: a folder per line of standard input, a result per line of standard
/// output, until the input ends.
pub fn work(choice: DeviceChoice, settings: &Settings) -> io::Result<()> {
    let mut device = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let folder = Path::new(&line);
        let result = match open(&mut device, choice) {
            Ok(device) => outcome(folder, device, settings).unwrap_or_else(Outcome::Refused),
            Err(refusal) => Outcome::Refused(refusal),
        };
        let measured = Measured {
            candidate: name(folder),
            device: device
                .as_ref()
                .map(|device: &Device| device.description().clone()),
            version: env!("CARGO_PKG_VERSION").into(),
            result,
        };
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

fn outcome(folder: &Path, device: &Device, settings: &Settings) -> Result<Outcome, Refusal> {
    let subject =
        candidate::subject(folder).map_err(|error| Refusal::new("package", error.to_string()))?;
    let exec = ExecOptions {
        allow_native_code: settings.native,
        ..ExecOptions::default()
    };
    let options = Options {
        cases: if settings.full {
            kforge_oracle::Level::Full
        } else {
            kforge_oracle::Level::Quick
        },
        seed: settings.seed,
        timeout_ms: u64::try_from(settings.deadline.as_millis()).unwrap_or(u64::MAX),
        ..Options::default()
    };
    let verdict = kforge_verify::verify(&subject, device, &exec, &options);
    if !verdict.passed {
        return Err(Refusal::of_verdict(&verdict));
    }
    let refused = |failure| Refusal::of_failure(&failure);
    let mut timer = Timer::new(&subject, &verdict, device, &exec, &options).map_err(refused)?;
    let timing = timer.time(settings.repeats).map_err(refused)?;
    let time = time(&timing)
        .ok_or_else(|| Refusal::new("no-time", "neither the device nor the host gave a time"))?;
    Ok(Outcome::Verified {
        levels: verdict.levels,
        comparisons: verdict.checks.len(),
        worst_ratio: verdict.worst_ratio,
        seed: verdict.seed,
        time,
    })
}

fn time(timing: &Timing) -> Option<Time> {
    let of = |clock| move |ms| Time { clock, ms };
    let device = timing.total.gpu_ms.map(of(Clock::Device));
    device.or(timing.total.wall_ms.map(of(Clock::Host)))
}
