//! `kforge diagnose-gpu`: what a GPU can do, and whether it computes.
//!
//! Opens the device, prints its limits and features, runs a matmul of
//! 64x64x128 on it and compares every element with the same product in f64.
//! Ends with exit code 1 when the device gives a wrong result, 3 when there is
//! no GPU. A CPU is only described.

use std::{fmt::Write as _, io::Write as _};

use kforge_runtime::{Diagnosis, device::Target, diagnose};
use serde_json::{Value, json};

use super::{
    Failure,
    device::{DeviceArgument, open},
};

/// Describe a GPU and run a smoke test on it, or describe the CPU
///
/// A matmul of 64x64x128 is held against the same product in f64, element by element.
/// `--json` prints the description that planners and the archive read.
///
/// Examples:
///   kforge diagnose-gpu
///   kforge diagnose-gpu --device vulkan --json
///   kforge diagnose-gpu --target cpu
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(flatten)]
    device: DeviceArgument,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, target: Option<Target>) -> Result<(), Failure> {
    let choice = arguments.device.choice(target)?.unwrap_or_default();
    let device = open(choice)?;
    let diagnosis = diagnose(&device)?;
    let report = if arguments.json {
        format!("{:#}\n", as_json(&diagnosis))
    } else {
        as_text(&diagnosis)
    };
    std::io::stdout().write_all(report.as_bytes())?;
    match diagnosis.smoke_test {
        Some(test) if !test.passed => Err(Failure::Reported(
            "the GPU computes wrong results; update its driver, or choose another with --device",
        )),
        _ => Ok(()),
    }
}

/// Why the smoke test has no time, if it has none.
fn untimed(diagnosis: &Diagnosis) -> Option<&'static str> {
    match diagnosis.smoke_test {
        None if diagnosis.device.target == Target::Cpu => None,
        Some(test) if test.gpu_ms.is_some() => None,
        _ if diagnosis.device.timestamps => Some("the device's clock gave no believable time"),
        _ => Some("the device has no timestamp queries"),
    }
}

fn as_text(diagnosis: &Diagnosis) -> String {
    let mut text = diagnosis.to_string();
    if let Some(reason) = untimed(diagnosis) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "GPU time could not be measured: {reason}");
    }
    text
}

/// The error is `null` where an element is not finite, the time where there is none.
fn as_json(diagnosis: &Diagnosis) -> Value {
    let smoke_test = diagnosis.smoke_test.map(|test| {
        json!({
            "max_abs_error": test.max_abs_error,
            "gpu_ms": test.gpu_ms,
            "why_no_time": untimed(diagnosis),
            "passed": test.passed,
        })
    });
    json!({ "device": diagnosis.device, "smoke_test": smoke_test })
}

#[cfg(test)]
mod tests {
    use kforge_runtime::{DeviceDescription, SmokeTest};

    use super::*;

    fn diagnosis(timestamps: bool, gpu_ms: Option<f64>) -> Diagnosis {
        Diagnosis {
            device: DeviceDescription {
                timestamps,
                ..DeviceDescription::default()
            },
            smoke_test: Some(SmokeTest {
                max_abs_error: 1e-6,
                gpu_ms,
                passed: true,
            }),
        }
    }

    #[test]
    fn a_missing_time_is_explained_and_never_zero() {
        for timestamps in [false, true] {
            let untimed = diagnosis(timestamps, None);
            let text = as_text(&untimed);
            assert!(text.contains("could not be measured"), "{text}");
            assert!(
                !text.contains("0.000 ms") && !text.contains("=0ms"),
                "{text}"
            );
            assert_eq!(as_json(&untimed)["smoke_test"]["gpu_ms"], Value::Null);
            assert!(as_json(&untimed)["smoke_test"]["why_no_time"].is_string());
        }
    }

    #[test]
    fn a_short_time_keeps_its_digits() {
        let text = as_text(&diagnosis(true, Some(0.000_123)));
        assert!(text.contains("gpu_time=0.0001230ms"), "{text}");
        assert!(!text.contains("could not be measured"), "{text}");
    }
}
