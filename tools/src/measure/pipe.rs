//! A child process that answers lines with lines.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PipeError {
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The process cannot be started, or it is gone.
    #[error("{0}")]
    Broken(String),
}

/// A running child; dropping it ends the process.
#[derive(Debug)]
pub struct Pipe {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Pipe {
    /// Starts a program.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self, PipeError> {
        let failed =
            |error| PipeError::Broken(format!("cannot start '{}': {error}", program.display()));
        let mut command = Command::new(program);
        command.args(arguments);
        // Ctrl-C is for the parent, which lets the candidate at hand end.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            let why = format!("'{}' has no pipes", program.display());
            return Err(PipeError::Broken(why));
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

    /// Sends a line and waits for one.
    pub fn ask(&mut self, line: &str, deadline: Duration) -> Result<String, PipeError> {
        let broken = |error: std::io::Error| PipeError::Broken(error.to_string());
        writeln!(self.input, "{line}").map_err(broken)?;
        match self.lines.recv_timeout(deadline) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(PipeError::Timeout(deadline)),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map_err(broken)?;
                let why = format!("the process that ran it ended with {status}");
                Err(PipeError::Broken(why))
            }
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
