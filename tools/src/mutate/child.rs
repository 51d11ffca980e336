//! The child process that judges mutants.

use std::{
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
};

use kforge_mutate::{Bench, Judged};
use kforge_runtime::{Device, DeviceChoice, ExecOptions};
use kforge_verify::{Failure, Options, References};

use super::job::{Answer, Ask, Job};
use crate::measure;

/// A job per line of standard input, an answer for each on standard output, until the
/// input ends.
pub fn work(choice: DeviceChoice) -> io::Result<()> {
    let device = Device::open(choice);
    let references = References::default();
    // Mutants of one candidate come one after the other.
    let mut bench: Option<(PathBuf, Bench)> = None;
    for line in io::stdin().lock().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let answer = match &device {
            Ok(device) => answer(&job, device, &references, &mut bench),
            Err(error) => Answer::Failed(error.to_string()),
        };
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn answer<'d>(
    job: &Job,
    device: &'d Device,
    references: &References,
    bench: &mut Option<(PathBuf, Bench<'d>)>,
) -> Answer {
    #[cfg(feature = "faults")]
    if matches!(job.ask, Ask::Faults) {
        let options = options(job, references);
        return Answer::Faults(kforge_mutate::faults::judge_all(device, &options));
    }
    let known = bench
        .as_ref()
        .is_some_and(|(folder, _)| *folder == job.folder);
    if !known {
        *bench = match self::bench(job, device, references) {
            Ok(made) => Some((job.folder.clone(), made)),
            Err(why) => return Answer::Failed(why),
        };
    }
    let Some((_, bench)) = bench else {
        return Answer::Failed("there is no candidate".into());
    };
    match &job.ask {
        Ask::List => Answer::Instances(bench.instances()),
        Ask::Unchanged => {
            let (judged, failure) = bench.judge_unchanged();
            said(judged, failure)
        }
        Ask::Shipped => {
            let (judged, failure) = bench.judge_shipped();
            said(judged, failure)
        }
        Ask::Changed {
            folder,
            kind,
            control,
        } => changed(job, bench, folder, kind, *control, device, references),
        Ask::Mutant(instance) => {
            let (judged, failure) = bench.judge(instance);
            said(judged, failure)
        }
        #[cfg(feature = "faults")]
        Ask::Faults => Answer::Failed("faults need no candidate".into()),
    }
}

/// A candidate that a mistake was put into, beside the right one.
fn changed<'d>(
    job: &Job,
    right: &Bench<'d>,
    folder: &Path,
    kind: &str,
    control: bool,
    device: &'d Device,
    references: &References,
) -> Answer {
    let own = Job {
        folder: folder.to_path_buf(),
        ..job.clone()
    };
    let mutant = match bench(&own, device, references) {
        Ok(mutant) => mutant,
        Err(why) => return Answer::Failed(why),
    };
    let (mut judged, mut failure) = mutant.judge_unchanged();
    let accepted = matches!(judged.fate, kforge_mutate::Fate::Accepted { .. });
    if accepted && !control {
        (judged.fate, failure) = right.judge_survivor(mutant.subject(), kind);
    }
    said(judged, failure)
}

fn said(judged: Judged, failure: Option<Failure>) -> Answer {
    Answer::Judged {
        judged: Box::new(judged),
        failure: failure.map(Box::new),
    }
}

fn bench<'d>(job: &Job, device: &'d Device, references: &References) -> Result<Bench<'d>, String> {
    let subject = subject(&job.folder)?;
    let exec = ExecOptions {
        allow_native_code: job.native,
        ..ExecOptions::default()
    };
    let options = options(job, references);
    Ok(Bench::new(subject, device, exec, options))
}

fn options(job: &Job, references: &References) -> Options {
    Options {
        seed: job.seed,
        timeout_ms: job.timeout_ms,
        references: references.clone(),
        regression: job.cases.clone(),
        ..Options::default()
    }
}

fn subject(folder: &Path) -> Result<kforge_verify::Subject, String> {
    measure::candidate_subject(folder).map_err(|error| error.to_string())
}
