//! Runs kinds: several runs of one at once, a run that was not hit again.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use crate::{
    adversary::ATTACKS,
    archive,
    base::Base,
    damaged, device, http,
    kind::{Broken, Flaw, Happened, Kind, Run},
    limits, outputs,
};

/// Adversarial tries where every change is tested.
const FEW_TRIES: usize = 150;

/// What the command line asks for.
pub(crate) struct Wanted {
    pub runs: Option<usize>,
    only: Option<String>,
    except: Option<String>,
    pub tries: Option<usize>,
}

impl Wanted {
    /// Arguments of the test harness that mean nothing here are passed over.
    pub fn from_arguments() -> Self {
        let mut wanted = Self {
            runs: None,
            only: None,
            except: None,
            tries: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|it| it.parse().ok());
            match argument.as_str() {
                "--runs" => wanted.runs = number(),
                "--tries" => wanted.tries = number(),
                "--except" => wanted.except = arguments.next(),
                "--only" => wanted.only = arguments.next(),
                "--help" | "-h" => {
                    println!("--runs N, --tries N, --only KIND,..., --except KIND,...");
                    std::process::exit(0);
                }
                word if !word.starts_with('-') => wanted.only = Some(word.to_owned()),
                _ => {}
            }
        }
        wanted
    }

    pub fn wants(&self, name: &str) -> bool {
        let named = |words: &String| words.split(',').any(|it| name.contains(it));
        self.only.as_ref().is_none_or(named) && !self.except.as_ref().is_some_and(named)
    }
}

/// What became of all runs of a kind.
pub(crate) struct Ran {
    pub name: &'static str,
    pub injected: &'static str,
    pub runs: usize,
    pub happened: BTreeMap<String, usize>,
    pub skipped: Option<String>,
    pub broken: Vec<Broken>,
    pub seconds: f64,
}

/// Every kind, in the order of the table.
fn kinds() -> impl Iterator<Item = &'static Kind> {
    [
        archive::KINDS,
        outputs::KINDS,
        damaged::KINDS,
        limits::KINDS,
        device::KINDS,
        http::KINDS,
        http::OTHERS,
    ]
    .into_iter()
    .flatten()
}

pub(crate) fn run(base: &Base, wanted: &Wanted) -> Vec<Ran> {
    let cheap = wanted.runs.is_none();
    let runs = wanted.runs.unwrap_or(1);
    let chosen = kinds().filter(|kind| wanted.wants(kind.name) && (kind.cheap || !cheap));
    // Asked for tries alone, it makes no runs.
    let chosen = chosen.filter(|_| wanted.runs.is_some() || wanted.tries.is_none());
    let mut results: Vec<Ran> = chosen.map(|kind| all(base, kind, runs)).collect();
    if wanted.runs.is_none() || wanted.tries.is_some() {
        let tries = wanted.tries.unwrap_or(FEW_TRIES);
        let attacks = ATTACKS.iter().filter(|it| wanted.wants(it.kind.name));
        results.extend(attacks.map(|it| {
            let share = (it.share * tries).div_ceil(10_000);
            all(base, &it.kind, share)
        }));
    }
    results
}

/// Runs until as many were hit, or as many again were not.
fn all(base: &Base, kind: &Kind, runs: usize) -> Ran {
    let start = Instant::now();
    let (next, hit) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ran = Mutex::new(Ran {
        name: kind.name,
        injected: kind.injected,
        runs: 0,
        happened: BTreeMap::new(),
        skipped: None,
        broken: Vec::new(),
        seconds: 0.0,
    });
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= 4 * runs + 8 {
                return;
            }
            if hit.fetch_add(1, Ordering::Relaxed) >= runs {
                // Of those under way one may not be hit, and is made again by who made it.
                hit.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            let result = once(base, kind, index);
            let Ok(mut ran) = ran.lock() else { return };
            match result {
                Ok(Happened::As(what)) => {
                    ran.runs += 1;
                    *ran.happened.entry(what).or_default() += 1;
                }
                Ok(Happened::NotInjected) => {
                    hit.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(Happened::Skipped(why)) => {
                    ran.skipped = Some(why);
                    return;
                }
                Err(broken) => {
                    ran.runs += 1;
                    println!(
                        "{} run {index}: {:?}: {}",
                        kind.name, broken.flaw, broken.detail
                    );
                    ran.broken.push(broken);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..kind.at_once.min(runs) {
            scope.spawn(worker);
        }
    });
    let mut ran = ran.into_inner().unwrap_or_else(|it| it.into_inner());
    ran.seconds = start.elapsed().as_secs_f64();
    if ran.runs < runs && ran.skipped.is_none() {
        ran.broken.push(Broken {
            flaw: Flaw::Other,
            detail: format!("only {} of {runs} runs were hit by the fault", ran.runs),
        });
    }
    println!("{}: {} runs in {:.1} s", ran.name, ran.runs, ran.seconds);
    ran
}

fn once(base: &Base, kind: &Kind, index: usize) -> Result<Happened, Broken> {
    let mut run = Run::new(base, kind.name, index)?;
    (kind.run)(&mut run)
}
