//! The child: whatever a kernel does to the compiler, the driver or the device, it does here.

use std::io::{self, BufRead, Write};

use kforge_oracle::Level;
use kforge_runtime::{Device, DeviceChoice, ExecOptions, execute::Repeats};
use kforge_verify::{
    Options, OwnShapeOnly, Runnable, Subject, Timer,
    foreign::{self, Cause, ForeignError, ForeignKernel},
};

use super::job::{Answer, Base, Job};
use crate::measure::{self, Refusal};

/// A job per line of standard input, an answer for each, until the input ends.
pub(crate) fn work(choice: DeviceChoice) -> io::Result<()> {
    let mut device = None;
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str::<Job>(&line?) {
            Err(error) => Answer::Input(format!("the job is not readable: {error}")),
            Ok(job) => match open(&mut device, choice) {
                Ok(device) => answer(&job, device),
                Err(answer) => answer,
            },
        };
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn open(device: &mut Option<Device>, choice: DeviceChoice) -> Result<&Device, Answer> {
    match device {
        Some(device) => Ok(device),
        none => {
            let opened = Device::open(choice).map_err(|it| Answer::Device(it.to_string()))?;
            Ok(none.insert(opened))
        }
    }
}

fn answer(job: &Job, device: &Device) -> Answer {
    let subject = match subject(job) {
        Ok(subject) => subject,
        Err(answer) => return answer,
    };
    let corpus = job.corpus.as_deref();
    let exec = ExecOptions {
        allow_native_code: job.native,
        ..ExecOptions::default()
    };
    let options = Options {
        cases: if job.full { Level::Full } else { Level::Quick },
        seed: job.seed,
        timeout_ms: job.timeout_ms,
        regression: measure::known(&subject, device, corpus),
        ..Options::default()
    };
    let verdict = kforge_verify::verify(&subject, device, &exec, &options);
    measure::keep(&subject, &verdict, device, corpus, "kforge verify");
    let (mut time, mut dispatches, mut no_time) = (None, Vec::new(), None);
    if verdict.passed && job.repeats > 0 {
        let timing = Timer::new(&subject, &verdict, device, &exec, &options)
            .and_then(|mut timer| timer.time(Repeats::exactly(job.repeats)));
        match timing {
            Ok(timing) => (time, dispatches) = (measure::time(&timing), timing.dispatches),
            Err(failure) => no_time = Some(Refusal::of_failure(&failure)),
        }
        if time.is_none() && no_time.is_none() {
            let detail = "neither the device nor the host gave a time";
            no_time = Some(Refusal::new("no-time", detail));
        }
    }
    Answer::Judged {
        verdict: Box::new(verdict),
        time,
        dispatches,
        no_time,
    }
}

fn subject(job: &Job) -> Result<Subject, Answer> {
    let folder = |error: measure::CandidateError| Answer::Input(error.to_string());
    let base = match &job.base {
        Base::Program(program) => {
            let [kernel] = &job.kernels[..] else {
                return Err(Answer::Input("one op takes one kernel".into()));
            };
            return foreign::subject(program, kernel).map_err(refused);
        }
        Base::Compiled(path) => measure::candidate_subject(path).map_err(folder)?,
        Base::Package(path) => package(measure::package_subject(path).map_err(folder)?),
    };
    if job.kernels.is_empty() {
        return Ok(base);
    }
    let function = &base.function;
    let mut subject =
        foreign::replace(&function.package, &function.entry, &job.kernels).map_err(refused)?;
    merge(&mut subject, base, &job.kernels);
    Ok(subject)
}

/// A package says nothing of its kernels at other shapes.
fn package(mut subject: Subject) -> Subject {
    let own = subject.units.iter().map(|unit| OwnShapeOnly {
        stage: unit.stage.clone(),
        because: "a package has its kernels at one shape".into(),
    });
    subject.own_shape_only = own.collect();
    subject
}

/// Adds what is known of the kernels that were not replaced. Stages of the same ops share their
/// other shapes, so those of a replaced stage may speak for another one.
fn merge(subject: &mut Subject, base: Subject, kernels: &[ForeignKernel]) {
    let is_replaced = |stage: &str| kernels.iter().any(|kernel| kernel.stage == stage);
    let ops = |unit: &Runnable| -> Vec<&str> {
        let nodes = unit.program.nodes.iter();
        nodes.map(|node| node.op.name()).collect()
    };
    let others: Vec<&Runnable> = base
        .units
        .iter()
        .filter(|unit| !is_replaced(&unit.stage))
        .collect();
    for mut variant in base.variants {
        if let Some((stage, sizes)) = variant.unit.stage.split_once(" at (")
            && is_replaced(stage)
        {
            if !others.iter().any(|unit| ops(unit) == ops(&variant.unit)) {
                continue;
            }
            variant.unit.stage = format!("{stage}, as emitted, at ({sizes}");
        }
        subject.variants.push(variant);
    }
    let own = base.own_shape_only.into_iter();
    subject
        .own_shape_only
        .extend(own.filter(|own| !is_replaced(&own.stage)));
}

fn refused(error: ForeignError) -> Answer {
    match error.cause {
        Cause::Input => Answer::Input(error.to_string()),
        cause => Answer::Refused(Refusal::new(cause.name(), error.to_string())),
    }
}
