//! One question: is this case refused, and why? Asked of a `kforge verify` of its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{Case, limits::Left};
use crate::measure::{Patience, TURN};

/// Time that a probe may take for compiling, beside the deadline of the kernels.
const COMPILING: Duration = Duration::from_secs(30);

/// A kernel of somebody else's, as files.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// The stage.
    pub stage: String,
    /// WGSL.
    pub wgsl: String,
    /// The interface, as TOML.
    pub interface: String,
}

/// How cases are tried.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The `kforge` that is asked.
    pub program: PathBuf,
    /// As `--device`.
    pub device: String,
    /// As `--cases`.
    pub cases: String,
    /// As `--seed`.
    pub seed: u64,
    /// As `--deadline` of one probe, in seconds.
    pub deadline: u64,
}

/// What a probe says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Verified,
    Refused(Refusal),
    /// It could not be tried.
    Input(String),
}

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub reason: String,
    pub detail: String,
    /// The stage, with its shape if it was another than the module's.
    pub stage: String,
}

impl Refusal {
    /// Whether both are refused for one reason; a failure of the module's own shape must not
    /// become one of another shape, which would say nothing of the module's sizes.
    pub fn is_like(&self, earlier: &Self) -> bool {
        let elsewhere = |refusal: &Self| refusal.place().1.is_some();
        self.reason == earlier.reason && (!elsewhere(self) || elsewhere(earlier))
    }

    /// The stage and, if it was refused at another shape, its operands' sizes there.
    pub fn place(&self) -> (String, Option<Vec<Vec<u64>>>) {
        let Some((stage, shape)) = self.stage.split_once(" at (") else {
            return (self.stage.clone(), None);
        };
        let stage = stage.strip_suffix(", as emitted,").unwrap_or(stage);
        let operand = |text: &str| -> Option<Vec<u64>> {
            let text = text
                .trim()
                .trim_start_matches("tensor<")
                .trim_end_matches('>');
            let (sizes, _element) = text.rsplit_once('x')?;
            sizes.split('x').map(|size| size.parse().ok()).collect()
        };
        let operands = shape.trim_end_matches(')').split(", ");
        (stage.to_owned(), operands.map(operand).collect())
    }
}

impl Kernel {
    /// Its files in a folder.
    pub fn files(&self) -> [(String, String); 2] {
        [
            (format!("{}.wgsl", self.stage), self.wgsl.clone()),
            (format!("{}.toml", self.stage), self.interface.clone()),
        ]
    }
}

impl Probe {
    /// Verifies a case.
    pub(super) fn run(&self, case: &Case) -> Outcome {
        match self.asked(case) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Input(error.to_string()),
        }
    }

    fn asked(&self, case: &Case) -> io::Result<Outcome> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("reduced.mlir");
        fs::write(&file, &case.text)?;
        for (name, text) in case.kernels.iter().flat_map(Kernel::files) {
            fs::write(folder.path().join(name), text)?;
        }
        let report = folder.path().join("report.json");
        let mut command = Command::new(&self.program);
        command.current_dir(folder.path());
        command
            .args(self.arguments(case))
            .arg("--report")
            .arg(&report);
        let errors = folder.path().join("errors.txt");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(&errors)?);
        let limit = Duration::from_secs(self.deadline) + COMPILING;
        let status = wait(apart(&mut command).spawn()?, limit, &AtomicBool::new(false))?;
        let Some(status) = status else {
            return Ok(lost("compile-timeout", "the compiler did not end"));
        };
        match status.code() {
            Some(0) => Ok(Outcome::Verified),
            Some(2) => Ok(read(&report)),
            Some(_) => {
                let text = fs::read_to_string(&errors).unwrap_or_default();
                let last = text.lines().rfind(|line| line.starts_with("error: "));
                Ok(Outcome::Input(last.unwrap_or("no report").to_owned()))
            }
            None => Ok(lost(
                "compile-crash",
                &format!("the compiler ended with {status}"),
            )),
        }
    }

    /// What `kforge` is called with, in a folder with the case's files.
    fn arguments(&self, case: &Case) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "verify",
            "reduced.mlir",
            "--no-corpus",
            "--no-reduce",
            "--device",
            &self.device,
        ]
        .map(str::to_owned)
        .into();
        let (seed, deadline) = (self.seed.to_string(), self.deadline.to_string());
        for (name, value) in [
            ("--cases", &self.cases),
            ("--seed", &seed),
            ("--deadline", &deadline),
        ] {
            arguments.extend([name.to_owned(), value.clone()]);
        }
        for kernel in &case.kernels {
            arguments.push("--kernel".into());
            arguments.push(format!("{0}={0}.wgsl", kernel.stage));
        }
        if let Some(pipeline) = &case.pipeline {
            arguments.extend(["--pass-pipeline".to_owned(), pipeline.clone()]);
        }
        arguments
    }

    /// The command that shows the failure again, in the folder that a case is written to.
    pub(super) fn command_line(&self, case: &Case) -> String {
        let quoted: Vec<String> = self.arguments(case).iter().map(|it| quoted(it)).collect();
        let line = format!("kforge {}", quoted.join(" "));
        match &case.pipeline {
            Some(pipeline) => line.replace(&quoted_text(pipeline), "\"$(cat pipeline.txt)\""),
            None => line,
        }
    }

    /// Lets `kforge-reduce` shrink the module; the text and how often it asked.
    pub(super) fn mlir_reduce(
        &self,
        case: &Case,
        refusal: &Refusal,
        left: &Left,
        stop: &AtomicBool,
    ) -> Option<(String, usize)> {
        if !cfg!(unix) {
            return None;
        }
        let allowed = left.probes;
        let reducer = self.program.with_file_name("kforge-reduce");
        let folder = tempfile::tempdir().ok()?;
        let path = |name: &str| folder.path().join(name);
        let text = |path: PathBuf| path.display().to_string();
        for name in ["in.mlir", "kept.mlir"] {
            fs::write(path(name), &case.text).ok()?;
        }
        for (name, contents) in case.kernels.iter().flat_map(Kernel::files) {
            fs::write(path(&name), contents).ok()?;
        }
        // The reducer keeps what the test answers with 1.
        let arguments: Vec<String> = self.arguments(case).iter().map(|it| quoted(it)).collect();
        let script = format!(
            "#!/bin/sh\ncd {folder} || exit 0\n\
             echo . >> asked\n[ \"$(wc -l < asked)\" -gt {allowed} ] && exit 0\n\
             [ \"$(date +%s)\" -gt {end} ] && exit 0\n\
             cp \"$1\" reduced.mlir || exit 0\nrm -f report.json\n\
             timeout {limit} {program} {arguments} --report report.json > /dev/null 2>&1\n\
             [ $? -eq 2 ] || exit 0\n\
             grep -q '\"reason\": \"{reason}\"' report.json || exit 0\n\
             [ \"$(wc -c < reduced.mlir)\" -lt \"$(wc -c < kept.mlir)\" ] && cp reduced.mlir kept.mlir\n\
             exit 1\n",
            folder = quoted(&text(folder.path().to_path_buf())),
            limit = self.deadline + COMPILING.as_secs(),
            end = left.end(),
            program = quoted(&text(self.program.clone())),
            arguments = arguments.join(" "),
            reason = refusal.reason,
        );
        fs::write(path("test.sh"), script).ok()?;
        executable(&path("test.sh")).ok()?;
        let mut command = Command::new(reducer);
        command.arg(path("in.mlir"));
        command.arg(format!(
            "--reduction-tree=traversal-mode=0 test={}",
            text(path("test.sh"))
        ));
        command.arg("-o").arg(path("out.mlir"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let each = Duration::from_secs(self.deadline) + COMPILING;
        let all = each.saturating_mul(u32::try_from(allowed).unwrap_or(u32::MAX));
        // The script ends it in time, but for the probe at hand.
        let limit = left.time.map_or(all, |time| all.min(time + each));
        // The reducer may crash on modules that it made itself; what it had found is kept.
        wait(apart(&mut command).spawn().ok()?, limit, stop).ok()?;
        let asked = fs::read_to_string(path("asked")).unwrap_or_default();
        let reduced = fs::read_to_string(path("kept.mlir")).ok()?;
        Some((reduced, asked.lines().count()))
    }
}

fn lost(reason: &str, detail: &str) -> Outcome {
    Outcome::Refused(Refusal {
        reason: reason.to_owned(),
        detail: detail.to_owned(),
        stage: String::new(),
    })
}

/// The refusal in a report of `kforge verify`.
fn read(report: &Path) -> Outcome {
    let report = fs::read_to_string(report).ok();
    let report: Option<Value> = report.and_then(|text| serde_json::from_str(&text).ok());
    let refusal = report.and_then(|report| {
        let refused = &report["refused"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let stage = text(&report["verdict"]["failures"][0]["stage"]);
        Some(Refusal {
            reason: text(&refused["reason"])?,
            detail: text(&refused["detail"])?,
            stage: stage.unwrap_or_default(),
        })
    });
    match refusal {
        Some(refusal) => Outcome::Refused(refusal),
        None => Outcome::Input("the report is not readable".into()),
    }
}

/// A command that Ctrl-C does not reach: the answer at hand is still an answer.
fn apart(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command
}

/// The exit status; none after the limit or when it is to stop: the child is killed then.
fn wait(
    mut child: Child,
    limit: Duration,
    stop: &AtomicBool,
) -> io::Result<Option<std::process::ExitStatus>> {
    let mut patience = Patience::new(limit);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if patience.is_over() || stop.load(Ordering::Relaxed) {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(TURN);
    }
}

#[cfg(unix)]
fn executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// For a shell, in quotes where it needs them.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => quoted_text(text),
    }
}

fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(stage: &str) -> Refusal {
        Refusal {
            reason: "poison".into(),
            detail: String::new(),
            stage: stage.into(),
        }
    }

    #[test]
    fn stages_say_at_which_sizes_they_were_refused() {
        assert_eq!(refusal("q").place(), ("q".into(), None));
        let sizes = Some(vec![vec![16, 17], vec![17, 16]]);
        let at = refusal("q at (16x17xf32, 17x16xf32)");
        assert_eq!(at.place(), ("q".into(), sizes.clone()));
        let emitted = refusal("q, as emitted, at (tensor<16x17xf32>, tensor<17x16xf32>)");
        assert_eq!(emitted.place(), ("q".into(), sizes));
        assert!(refusal("q").is_like(&at) && !at.is_like(&refusal("q")));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a-b.c/d=1"), "a-b.c/d=1");
        assert_eq!(quoted("it's $x"), "'it'\\''s $x'");
    }
}
