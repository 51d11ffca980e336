//! Running other programs: shown, captured, or only looked up.

use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A command line as a person would type it, for messages.
pub fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Prints the command line, runs it with the caller's terminal and fails when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    println!("+ {}", line(command));
    let status = command.status().map_err(|source| start(command, source))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            command: line(command),
            status: status.to_string(),
        })
    }
}

/// Like [`run`], of tests: when some fail, what they said is a part of the error, so that it
/// is read at the end and not searched for.
pub fn run_tests(command: &mut Command) -> Result<()> {
    println!("+ {}", line(command));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| start(command, source))?;
    let mut said = Failures::default();
    for line in child.stdout.take().into_iter().flat_map(lines) {
        println!("{line}");
        said.read(&line);
    }
    let status = child.wait().map_err(|source| start(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Tests {
        command: line(command),
        status: status.to_string(),
        said: said.text,
    })
}

fn lines(output: impl Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(output).split(b'\n').map_while(|it| it.ok());
    lines.map(|it| String::from_utf8_lossy(&it).into_owned())
}

/// What failed tests said, from the output of a test program: the part between the first
/// and the second line `failures:`, which is their names.
#[derive(Default)]
struct Failures {
    text: String,
    is_inside: bool,
}

impl Failures {
    fn read(&mut self, line: &str) {
        match line {
            "failures:" => self.is_inside = !self.is_inside,
            // Whatever a test printed, another program begins or one ends here.
            _ if line.starts_with("running ") || line.starts_with("test result: ") => {
                self.is_inside = false;
            }
            // Tables of injected faults have no such part.
            _ if self.is_inside || line.contains(" BROKEN ") => self.text += &format!("{line}\n"),
            _ => {}
        }
    }
}

/// Runs silently and returns standard output, trimmed; standard error is dropped.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|source| start(command, source))?;
    if !output.status.success() {
        return Err(Error::Failed {
            command: line(command),
            status: output.status.to_string(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// First folder of PATH that holds an executable file of this name.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| is_executable(file))
}

/// Whether `file` can be started.
pub fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn start(command: &Command, source: std::io::Error) -> Error {
    Error::Start {
        command: line(command),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_reads_as_typed() {
        assert_eq!(
            line(Command::new("apt-get").args(["install", "cmake"])),
            "apt-get install cmake"
        );
    }

    #[test]
    fn failing_program_is_an_error() {
        let error = capture(&mut Command::new("false")).unwrap_err();
        assert!(error.to_string().contains("`false` failed"), "{error}");
    }

    #[test]
    fn failed_tests_are_heard() {
        let mut script = Command::new("sh");
        script.args([
            "-c",
            "printf 'test a ... FAILED\\n\\nfailures:\\n\\n---- a stdout ----\\nbad\\n\\nfailures:\\n    a\\n'; false",
        ]);
        let error = run_tests(&mut script).unwrap_err().to_string();
        let said = "\n\n---- a stdout ----\nbad\n\n";
        assert!(error.ends_with(said), "{error}");
        assert!(run_tests(&mut Command::new("true")).is_ok());
    }

    #[test]
    fn which_finds_only_what_exists() {
        assert!(which("sh").is_some());
        assert!(which("no-such-program-here").is_none());
    }
}
