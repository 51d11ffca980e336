//! The child process that candidates run in.
//!
//! The parent writes one job per line, which names one candidate or several to compare, and
//! reads one line with their results. No answer by the deadline, or a closed pipe, is the
//! candidates' refusal; the child is killed and the next job gets a new one.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    job::{Ask, Candidate, Job},
    process::{Lost, Process},
    result::{Measured, Refusal, Result as Outcome},
};

/// How candidates are measured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As `--device`.
    pub device: String,
    /// Timed runs per candidate.
    pub repeats: usize,
    /// Seed of the inputs.
    pub seed: u64,
    /// Whether candidates may be machine code, which can do whatever their user can.
    pub native: bool,
    /// Longest a candidate may take.
    pub deadline: Duration,
    /// The regression corpus, whose cases run first and to which that of a refusal is added;
    /// `None`: none.
    pub corpus: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            device: "auto".into(),
            repeats: 10,
            seed: 0,
            native: false,
            deadline: Duration::from_secs(120),
            corpus: None,
        }
    }
}

/// A child process, started when it is needed.
#[derive(Debug)]
pub struct Worker {
    program: PathBuf,
    settings: Settings,
    running: Option<Process>,
}

impl Worker {
    /// A worker that runs `program`, which is a kforge-run.
    pub fn new(program: PathBuf, settings: Settings) -> Self {
        Self {
            program,
            settings,
            running: None,
        }
    }

    /// The kforge-run beside this program, or in the folder above it. Never one that PATH
    /// finds: its answer is a verdict, and PATH may name anybody's program.
    pub fn beside() -> PathBuf {
        let name = format!("kforge-run{}", std::env::consts::EXE_SUFFIX);
        let own = std::env::current_exe().unwrap_or_default();
        let mut folders = own.ancestors().skip(1).take(2);
        let found = folders.find_map(|folder| Some(folder.join(&name)).filter(|it| it.is_file()));
        found.unwrap_or_else(|| own.with_file_name(name))
    }

    /// Verifies and times one candidate. Never fails: what goes wrong is its refusal.
    pub fn measure(&mut self, candidate: Candidate, ask: Ask) -> Measured {
        let mut results = self.measure_in_turns(vec![candidate], ask);
        // There is one result per candidate.
        results.remove(0)
    }

    /// Verifies candidates and times them in turns, so that a device that slows down
    /// slows all of them. One result per candidate, in order.
    pub fn measure_in_turns(&mut self, candidates: Vec<Candidate>, ask: Ask) -> Vec<Measured> {
        let names: Vec<String> = candidates.iter().map(|it| name(&it.folder)).collect();
        match self.ask(candidates, ask) {
            Ok(measured) => measured,
            Err(refusal) => {
                self.running = None;
                let refused = |candidate| Measured {
                    candidate,
                    device: None,
                    version: env!("CARGO_PKG_VERSION").into(),
                    result: Outcome::Refused(refusal.clone()),
                };
                names.into_iter().map(refused).collect()
            }
        }
    }

    fn ask(&mut self, mut candidates: Vec<Candidate>, ask: Ask) -> Result<Vec<Measured>, Refusal> {
        let broken = |error: &dyn std::fmt::Display| Refusal::new("crash", error.to_string());
        let count = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        let deadline = self.settings.deadline.saturating_mul(count);
        for candidate in &mut candidates {
            candidate.folder = std::path::absolute(&candidate.folder).map_err(|it| broken(&it))?;
        }
        let names: Vec<String> = candidates.iter().map(|it| name(&it.folder)).collect();
        let job = serde_json::to_string(&Job { candidates, ask }).map_err(|it| broken(&it))?;
        let lost = |lost: Lost| Refusal::new(lost.reason(), lost.to_string());
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(start(&self.program, &self.settings).map_err(lost)?),
        };
        let line = running.ask(&job, deadline).map_err(lost)?;
        let results: Vec<Measured> = serde_json::from_str(&line)
            .map_err(|error| broken(&format!("the worker's answer is not readable: {error}")))?;
        if results.len() != names.len() {
            return Err(broken(&format!(
                "the worker answered for {} candidates, not {count}",
                results.len()
            )));
        }
        let own = env!("CARGO_PKG_VERSION");
        for (name, result) in names.iter().zip(&results) {
            if result.candidate != *name {
                return Err(broken(&format!(
                    "the worker answered for another than '{name}'"
                )));
            }
            // What another version passes may be refused by this one.
            if result.result.time().is_some() && result.version != own {
                let program = self.program.display();
                return Err(broken(&format!(
                    "'{program}' is of another version than this program, which is {own}"
                )));
            }
        }
        Ok(results)
    }
}

fn start(program: &Path, settings: &Settings) -> Result<Process, Lost> {
    let (repeats, seed) = (settings.repeats.to_string(), settings.seed.to_string());
    let mut arguments = vec![".", "--measure-worker", "--device", &settings.device];
    arguments.extend(["--time", &repeats, "--seed", &seed]);
    if settings.native {
        arguments.push("--allow-native-code");
    }
    let corpus = settings.corpus.as_ref().and_then(|path| path.to_str());
    if let Some(corpus) = corpus {
        arguments.extend(["--corpus", corpus]);
    }
    Process::start(program, &arguments)
}

pub(super) fn name(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
