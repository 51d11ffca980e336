//! `kforge doctor`: what this machine has and lacks, and what mends it.
//!
//! Looks only: nothing is installed, made, renamed or sent.

#[cfg(feature = "mlir")]
mod compiler;

use std::{
    fmt,
    io::{self, Write},
    process::Command,
};

use kforge_runtime::{Device, DeviceChoice, DeviceDescription, device::DeviceKind, diagnose};
use serde::Serialize;
use serde_json::json;

use super::Failure;
use crate::measure::Worker;

/// Say what this machine has and lacks for kforge, and what mends it
///
/// Changes nothing, and never shows a key. Exit code 1: something needed is missing.
///
/// Examples:
///   kforge doctor
///   kforge doctor --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    /// What is there, or why it is not.
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Something is done without it.
    Warn,
    /// Needed.
    Missing,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    #[cfg(feature = "mlir")]
    let mut findings = compiler::tools();
    #[cfg(not(feature = "mlir"))]
    let mut findings = vec![warn(
        "LLVM",
        "this program was built without it, so nothing is compiled here",
        "build kforge-tools with its default features",
    )];
    findings.push(runner());
    findings.extend(gpus());
    findings.push(processor());
    #[cfg(feature = "mlir")]
    findings.extend(compiler::knowledge());
    let text = match arguments.json {
        true => {
            let version = env!("CARGO_PKG_VERSION");
            let report = json!({ "version": version, "findings": findings });
            serde_json::to_string_pretty(&report).map_err(io::Error::from)? + "\n"
        }
        false => findings.iter().map(ToString::to_string).collect(),
    };
    io::stdout().write_all(text.as_bytes())?;
    match findings.iter().any(|it| it.state == State::Missing) {
        true => Err(Failure::Reported("something needed is missing")),
        false => Ok(()),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Missing => "MISSING",
        };
        writeln!(f, "{state:<8} {:<15} {}", self.what, self.found)?;
        match &self.mend {
            Some(mend) => writeln!(f, "{:<24} -> {mend}", ""),
            None => Ok(()),
        }
    }
}

fn ok(what: &'static str, found: impl Into<String>) -> Finding {
    Finding {
        what,
        state: State::Ok,
        found: found.into(),
        mend: None,
    }
}

fn warn(what: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding {
        state: State::Warn,
        mend: Some(mend.into()),
        ..ok(what, found)
    }
}

fn missing(what: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding {
        state: State::Missing,
        ..warn(what, found, mend)
    }
}

/// The program that verifies and measures candidates in a process of its own.
fn runner() -> Finding {
    let what = "kforge-run";
    let path = Worker::beside();
    let own = env!("CARGO_PKG_VERSION");
    let mend = "put the kforge-run of this build beside kforge";
    match first_line(&mut Command::new(&path)) {
        Ok(line) if line == format!("kforge-run {own}") => {
            ok(what, format!("{own} in '{}'", path.display()))
        }
        Ok(line) => missing(
            what,
            format!("'{}' is {line}, not {own}", path.display()),
            mend,
        ),
        Err(error) => missing(what, format!("'{}': {error}", path.display()), mend),
    }
}

/// The first line of what `--version` prints.
fn first_line(program: &mut Command) -> io::Result<String> {
    let output = program.arg("--version").output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("it ends with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Every adapter, and whether the best one computes.
fn gpus() -> Vec<Finding> {
    let found = Device::adapters(DeviceChoice::Auto);
    let Some(best) = found.first() else {
        let mend = "install its driver (on Debian without a GPU: apt install mesa-vulkan-drivers \
                    libvulkan1); without one, work with --target cpu";
        return vec![missing("GPU", "no adapter answers", mend)];
    };
    let mut findings: Vec<Finding> = found.iter().map(|it| ok("GPU", adapter(it))).collect();
    if best.kind == DeviceKind::Software {
        findings[0].state = State::Warn;
        findings[0].mend =
            Some("it is software, right but slow; if there is a GPU, install its driver".into());
    }
    findings.push(smoke_test());
    findings
}

fn adapter(device: &DeviceDescription) -> String {
    let DeviceDescription {
        name,
        backend,
        driver,
        driver_info,
        ..
    } = device;
    format!("{name} ({backend}, {driver} {driver_info})")
}

fn smoke_test() -> Finding {
    let (what, mend) = (
        "GPU test",
        "update the driver of the first GPU above; `kforge diagnose-gpu --device API` tries others",
    );
    let diagnosis = match Device::open(DeviceChoice::Auto) {
        Ok(device) => diagnose(&device).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match diagnosis.map(|it| it.smoke_test) {
        Ok(Some(test)) if test.passed => {
            let error = test.max_abs_error;
            ok(
                what,
                format!("matmul 64x64x128 right, max_abs_error={error:.3e}"),
            )
        }
        Ok(_) => missing(what, "the first GPU computes wrong results", mend),
        Err(error) => missing(what, error, mend),
    }
}

fn processor() -> Finding {
    match Device::open(DeviceChoice::Cpu) {
        Ok(device) => {
            let cpu = device.description();
            let features = cpu.features.join(" ");
            let DeviceDescription {
                name,
                cores,
                simd_bits,
                ..
            } = cpu;
            ok(
                "CPU",
                format!("{name}, {cores} threads, {simd_bits}-bit vectors; {features}"),
            )
        }
        Err(error) => warn("CPU", error.to_string(), "work with --target gpu"),
    }
}
