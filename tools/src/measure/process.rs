//! A child process that answers a line with a line, within a deadline or not at all.
//!
//! After a missed deadline or a closed pipe it is of no more use; dropping it kills it.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The deadline has passed.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// It ended, or cannot be spoken to.
    #[error("{0}")]
    Crash(String),
}

impl Lost {
    /// The reason in results, in kebab-case.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::Crash(_) => "crash",
        }
    }
}

impl Process {
    /// Starts `program` with its pipes.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Self, Lost> {
        let failed = |error| Lost::Crash(format!("cannot start '{}': {error}", program.display()));
        let mut command = Command::new(program);
        command.args(arguments);
        // Ctrl-C is for the parent, which lets the candidate at hand end.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Lost::Crash(format!("'{}' has no pipes", program.display())));
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
        Ok(Self {
            child,
            input,
            lines,
        })
    }

    /// Writes a line and waits for one.
    pub(crate) fn ask(&mut self, line: &str, deadline: Duration) -> Result<String, Lost> {
        let broken = |error: std::io::Error| Lost::Crash(error.to_string());
        writeln!(self.input, "{line}").map_err(broken)?;
        let mut patience = Patience::new(deadline);
        loop {
            match self.lines.recv_timeout(TURN) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) if patience.is_over() => {
                    return Err(Lost::Timeout(deadline));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().map_err(broken)?;
                    let problem = format!("the process that ran it ended with {status}");
                    return Err(Lost::Crash(problem));
                }
            }
        }
    }
}

/// How often the time is looked at while waiting.
pub(crate) const TURN: Duration = Duration::from_millis(20);
/// Longest that one turn counts: beyond it this process did not run, nor did its children.
const MOST_OF_A_TURN: Duration = Duration::from_millis(500);

/// A deadline that does not go on while the machine sleeps or the processes are stopped.
#[derive(Debug)]
pub(crate) struct Patience {
    left: Duration,
    last: Instant,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            left: limit,
            last: Instant::now(),
        }
    }

    /// Whether the time is over; to be asked every [`TURN`].
    pub(crate) fn is_over(&mut self) -> bool {
        let now = Instant::now();
        let spent = (now - self.last).min(MOST_OF_A_TURN);
        (self.left, self.last) = (self.left.saturating_sub(spent), now);
        self.left.is_zero()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Path::new("/bin/sh"), &["-c", script]).expect("a shell starts")
    }

    #[test]
    fn a_line_is_answered_by_a_line() {
        let mut process = shell("while read x; do echo \"<$x>\"; done");
        for word in ["a", "b"] {
            let answer = process.ask(word, Duration::from_secs(60)).unwrap();
            assert_eq!(answer, format!("<{word}>"));
        }
    }

    #[test]
    fn who_ends_or_never_answers_is_lost() {
        let mut killed = shell("read x; kill -9 $$");
        let lost = killed.ask("a", Duration::from_secs(60)).unwrap_err();
        assert_eq!(lost.reason(), "crash");
        assert!(lost.to_string().contains("signal: 9"), "{lost}");
        let start = Instant::now();
        let mut silent = shell("exec sleep 100");
        let lost = silent.ask("a", Duration::from_millis(200)).unwrap_err();
        assert_eq!(lost.to_string(), "no answer within 0.2 s");
        drop(silent);
        assert!(start.elapsed() < Duration::from_secs(60));
        let missing = Process::start(Path::new("/nowhere"), &[]).unwrap_err();
        assert!(
            missing.to_string().contains("cannot start '/nowhere'"),
            "{missing}"
        );
    }

    #[test]
    fn a_deadline_waits_while_nobody_runs() {
        let mut patience = Patience::new(Duration::from_secs(2));
        patience.last -= Duration::from_secs(60);
        assert!(!patience.is_over());
        for _ in 0..3 {
            patience.last -= Duration::from_secs(60);
            patience.is_over();
        }
        assert!(patience.is_over());
    }
}
