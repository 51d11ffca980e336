//! What becomes of a job's candidates: a verdict each, then times.

use std::{io::Write, path::Path, time::Duration};

use kforge_mutate::{
    Corpus,
    corpus::{About, Kept, key},
};
use kforge_oracle::Level;
use kforge_runtime::{
    Device, ExecOptions,
    execute::{Repeats, Spread, Timing},
};
use kforge_verify::{Case, Options, Reason, References, Subject, Timer, Verdict};

use super::{
    candidate,
    job::{Candidate, Job},
    result::{Clock, Refusal, Result as Outcome, Time},
    worker::Settings,
};

/// Turns in which several candidates are timed.
const TURNS: usize = 5;
/// Timed runs at least, where a job does not want all: one of every set of inputs.
const FEWEST: usize = 4;

/// One result per candidate: first every verdict, then the times of those that passed.
pub(super) fn outcomes(
    job: &Job,
    device: &Device,
    settings: &Settings,
    references: &References,
) -> Vec<Outcome> {
    let exec = ExecOptions {
        allow_native_code: settings.native,
        ..ExecOptions::default()
    };
    let options = Options {
        seed: settings.seed,
        timeout_ms: u64::try_from(settings.deadline.as_millis()).unwrap_or(u64::MAX),
        most_ms: job.ask.most_ms,
        references: references.clone(),
        ..Options::default()
    };
    let verified = |candidate: &Candidate| {
        let cases = match candidate.full {
            true => Level::Full,
            false => Level::Quick,
        };
        let options = Options {
            cases,
            ..options.clone()
        };
        verified(&candidate.folder, device, &exec, &options, settings)
    };
    let verified: Vec<_> = job.candidates.iter().map(verified).collect();
    let timers = verified.iter().map(|verified| {
        let (subject, verdict) = verified.as_ref().map_err(Refusal::clone)?;
        Timer::new(subject, verdict, device, &exec, &options)
            .map_err(|failure| Refusal::of_failure(&failure))
    });
    let mut timers: Vec<_> = timers.collect();
    let times = times(&mut timers, settings.repeats, job.ask.enough);
    let result = |(verified, time): (&Result<(Subject, Verdict), Refusal>, _)| {
        let (subject, verdict) = verified.as_ref().map_err(Refusal::clone)?;
        Ok(Outcome::Verified {
            levels: verdict.levels.clone(),
            comparisons: verdict.checks.len(),
            worst_ratio: verdict.worst_ratio,
            errors: verdict.error_norms(),
            seed: verdict.seed,
            package: subject.function.package.content_hash().ok(),
            time: time?,
        })
    };
    let results = verified.iter().zip(times).map(result);
    results
        .map(|it| it.unwrap_or_else(Outcome::Refused))
        .collect()
}

fn verified(
    folder: &Path,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
    settings: &Settings,
) -> Result<(Subject, Verdict), Refusal> {
    let subject =
        candidate::subject(folder).map_err(|error| Refusal::new("package", error.to_string()))?;
    let corpus = settings.corpus.as_deref();
    let options = Options {
        regression: known(&subject, device, corpus),
        ..options.clone()
    };
    let verdict = kforge_verify::verify(&subject, device, exec, &options);
    match verdict.passed {
        true => Ok((subject, verdict)),
        false => {
            keep(&subject, &verdict, device, corpus, "a candidate");
            Err(Refusal::of_verdict(&verdict))
        }
    }
}

/// The cases of the regression corpus that refused the same function before.
pub(crate) fn known(subject: &Subject, device: &Device, corpus: Option<&Path>) -> Vec<Case> {
    let Some(path) = corpus else {
        return Vec::new();
    };
    let key = key(&subject.function.program);
    match Corpus::load(path) {
        Ok((corpus, warning)) => {
            warning.iter().for_each(|it| eprint(it));
            corpus.matching(&key, device.description().target)
        }
        Err(error) => {
            eprint(&format!("cannot read '{}': {error}", path.display()));
            Vec::new()
        }
    }
}

/// Adds the case that refused something to the regression corpus.
pub(crate) fn keep(
    subject: &Subject,
    verdict: &Verdict,
    device: &Device,
    corpus: Option<&Path>,
    found_by: &str,
) {
    let (Some(path), Some(failure)) = (corpus, verdict.failures.first()) else {
        return;
    };
    // What is too slow is not wrong.
    if failure.reason == Reason::TooSlow {
        return;
    }
    let about = About {
        program: &key(&subject.function.program),
        function: &subject.function.stage,
        target: device.description().target,
        plan: &subject.function.package.manifest.plan,
        found_by,
    };
    let again = verdict.regression_case.as_ref();
    let seed = again.map_or(verdict.seed, |case| case.seed);
    let kept = Kept::of(failure, seed, &about);
    // The refusal stands whether or not its case can be kept.
    match Corpus::record(path, kept) {
        Ok(None) => {}
        Ok(Some(warning)) => eprint(&warning),
        Err(error) => eprint(&format!("cannot write '{}': {error}", path.display())),
    }
}

fn eprint(warning: &str) {
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "warning: {warning}");
}

/// Times in turns, or of one timer at once.
fn times(
    timers: &mut [Result<Timer, Refusal>],
    repeats: usize,
    enough: Option<Duration>,
) -> Vec<Result<Time, Refusal>> {
    let alone = timers.len() == 1;
    let turns = if alone { 1 } else { TURNS.min(repeats.max(1)) };
    let most = repeats.max(1).div_ceil(turns);
    let repeats = Repeats {
        most,
        fewest: enough.map_or(most, |_| FEWEST.min(most)),
        enough: enough.unwrap_or(Duration::MAX),
    };
    let mut found: Vec<Result<Vec<Time>, Refusal>> = timers
        .iter()
        .map(|timer| timer.as_ref().map(|_| Vec::new()).map_err(Refusal::clone))
        .collect();
    for _ in 0..turns {
        for (timer, found) in timers.iter_mut().zip(&mut found) {
            let (Ok(timer), Ok(times)) = (timer, &mut *found) else {
                continue;
            };
            match once(timer, repeats) {
                Ok(time) => times.push(time),
                Err(refusal) => *found = Err(refusal),
            }
        }
    }
    let whole = |times: Vec<Time>| {
        let clock = times.first().map(|time| time.clock);
        let spreads: Vec<Spread> = times.iter().map(|time| time.ms).collect();
        let no_time = || Refusal::new("no-time", "neither the device nor the host gave a time");
        let (clock, ms) = clock.zip(Spread::merged(&spreads)).ok_or_else(no_time)?;
        Ok(Time { clock, ms })
    };
    found
        .into_iter()
        .map(|times| times.and_then(whole))
        .collect()
}

fn once(timer: &mut Timer, repeats: Repeats) -> Result<Time, Refusal> {
    let timing = timer
        .time(repeats)
        .map_err(|failure| Refusal::of_failure(&failure))?;
    time(&timing)
        .ok_or_else(|| Refusal::new("no-time", "neither the device nor the host gave a time"))
}

/// The device's time, or the host's where it has none.
pub(crate) fn time(timing: &Timing) -> Option<Time> {
    let of = |clock| move |ms| Time { clock, ms };
    let device = timing.total.gpu_ms.map(of(Clock::Device));
    device.or(timing.total.wall_ms.map(of(Clock::Host)))
}
