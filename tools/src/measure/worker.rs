//! The child process that candidates run in.
//!
//! The parent writes one job per line, which names one candidate or several to compare, and
//! reads one line with their results. No answer by the deadline, or a closed pipe, is the
//! candidates' refusal; the child is killed and the next job gets a new one.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use super::{
    job::{Ask, Candidate, Job},
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            device: "auto".into(),
            repeats: 10,
            seed: 0,
            native: false,
            deadline: Duration::from_secs(120),
        }
    }
}

/// A child process, started when it is needed.
#[derive(Debug)]
pub struct Worker {
    program: PathBuf,
    settings: Settings,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
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

    /// The kforge-run beside this program, or in the folder above it.
    pub fn beside() -> PathBuf {
        let name = format!("kforge-run{}", std::env::consts::EXE_SUFFIX);
        let own = std::env::current_exe().unwrap_or_default();
        let mut folders = own.ancestors().skip(1).take(2);
        let found = folders.find_map(|folder| Some(folder.join(&name)).filter(|it| it.is_file()));
        // Otherwise the one that PATH finds.
        found.unwrap_or_else(|| name.into())
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
                self.stop();
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
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(start(&self.program, &self.settings).map_err(|it| broken(&it))?),
        };
        for candidate in &mut candidates {
            candidate.folder = std::path::absolute(&candidate.folder).map_err(|it| broken(&it))?;
        }
        let job = serde_json::to_string(&Job { candidates, ask }).map_err(|it| broken(&it))?;
        writeln!(running.input, "{job}").map_err(|error| broken(&error))?;
        match running.lines.recv_timeout(deadline) {
            Ok(line) => {
                let results: Vec<Measured> = serde_json::from_str(&line).map_err(|error| {
                    broken(&format!("the worker's answer is not readable: {error}"))
                })?;
                match results.len() == count as usize {
                    true => Ok(results),
                    false => Err(broken(&format!(
                        "the worker answered for {} candidates, not {count}",
                        results.len()
                    ))),
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let seconds = deadline.as_secs_f64();
                Err(Refusal::new(
                    "timeout",
                    format!("no answer within {seconds} s"),
                ))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = running.child.wait().map_err(|error| broken(&error))?;
                Err(broken(&format!(
                    "the process that ran it ended with {status}"
                )))
            }
        }
    }

    fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // It may have ended by itself; either way it is gone afterwards.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(program: &Path, settings: &Settings) -> Result<Running, String> {
    let failed = |error| format!("cannot start '{}': {error}", program.display());
    let mut command = Command::new(program);
    command.args([".", "--measure-worker", "--device", &settings.device]);
    command.args([
        "--time",
        &settings.repeats.to_string(),
        "--seed",
        &settings.seed.to_string(),
    ]);
    if settings.native {
        command.arg("--allow-native-code");
    }
    // Ctrl-C is for the parent, which lets the candidate at hand end.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().map_err(failed)?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(format!("'{}' has no pipes", program.display()));
    };
    let (send, lines) = channel();
    // It ends with the child, whose pipe then closes.
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    Ok(Running {
        child,
        input,
        lines,
    })
}

pub(super) fn name(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
