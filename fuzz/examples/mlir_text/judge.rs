//! One run of a tool on a file, within limits, and what is to be thought of it.

use std::{
    fmt,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Address space in KiB. Threads and libraries take 2 GiB of it before anything is read.
const MEMORY: u64 = 6 << 20;
/// Processor seconds.
const SECONDS: u64 = 60;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// With results.
    Done,
    /// With an exit code and a message at a place in the file.
    Located,
    /// With an exit code and another message.
    Refused,
    /// In a way that no input may cause.
    Finding(String),
}

impl Outcome {
    /// Whether it must be looked into.
    pub const fn is_finding(&self) -> bool {
        matches!(self, Self::Finding(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Located => f.write_str("refused with a place"),
            Self::Refused => f.write_str("refused"),
            Self::Finding(what) => write!(f, "FINDING: {what}"),
        }
    }
}

/// Runs `command`, whose word `FILE` is the file.
pub fn run(tools: &Path, command: &[&str], file: &Path) -> Outcome {
    let words = command
        .iter()
        .enumerate()
        .map(|(index, word)| match (index, *word) {
            (0, tool) => tools.join(tool),
            (_, "FILE") => file.to_owned(),
            (_, word) => word.into(),
        });
    // The shell sets the limits and becomes the tool.
    let limits = format!("ulimit -v {MEMORY} -t {SECONDS} -c 0; exec \"$@\"");
    let output = Command::new("bash")
        .args(["-c", &limits, "limited"])
        .args(words)
        .env("RAYON_NUM_THREADS", "2")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => judge(&output, &file.to_string_lossy()),
        Err(error) => Outcome::Finding(format!("the tool does not start: {error}")),
    }
}

fn judge(output: &Output, file: &str) -> Outcome {
    let said = String::from_utf8_lossy(&output.stderr);
    for words in [
        "panicked at",
        "PLEASE submit a bug report",
        "Assertion `",
        "LLVM ERROR",
    ] {
        if said.contains(words) {
            return Outcome::Finding(format!("says '{words}'"));
        }
    }
    match output.status.code() {
        None => Outcome::Finding(format!("{}", output.status)),
        Some(0) => Outcome::Done,
        Some(1..=3) if located(&said, file) => Outcome::Located,
        Some(1..=3) if said.contains("error:") => Outcome::Refused,
        Some(code) => Outcome::Finding(format!("exit code {code} without a message")),
    }
}

/// Whether a line of the message begins with a place: `file:line:column: error:`.
fn located(said: &str, file: &str) -> bool {
    let places = said.lines().filter_map(|line| {
        let at = line.find(file)? + file.len();
        line.get(at..)
    });
    let is_place = |rest: &str| {
        let numbers = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
        rest.starts_with(':') && numbers.starts_with(" error:")
    };
    places.into_iter().any(is_place)
}
