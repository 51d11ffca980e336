//! What `kforge-verify` and kforge-run share: from a lowered module to a verdict.

use kforge_dialect::device::{Device as Target, Target as Kind};
use kforge_lowering::serialize::{self, Serialized};
use kforge_oracle::Level;
use kforge_runtime::{Device, DeviceChoice, DeviceError, ExecOptions, PackageError};
use kforge_verify::{Options, Subject, SubjectError, Verdict};
use melior::ir::OperationRef;

use crate::variants;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The module cannot become a package.
    #[error(transparent)]
    Serialize(#[from] serialize::SerializeError),
    /// There is nothing to hold the package against.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The package is not valid.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// No device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The CPU target's code could not be made.
    #[error("{0}")]
    Cpu(String),
    /// The knobs of a stage do not lower at another shape.
    #[error("stage '{stage}' cannot be generated: {reason}")]
    Shape {
        /// Stage and shape.
        stage: String,
        /// What was refused.
        reason: String,
    },
}

/// The device that the module's target asks for.
pub fn open_device(module: OperationRef, choice: DeviceChoice) -> Result<Device, DeviceError> {
    match Target::of(module).target {
        Kind::Gpu => Device::open(choice),
        Kind::Cpu => Device::open(DeviceChoice::Cpu),
    }
}

/// Everything the gate checks about `entry`: the function, its units, and the
/// knobs of its units at other shapes.
pub fn subject(
    target: &Target,
    serialized: &Serialized,
    entry: &str,
    cases: Level,
) -> Result<Subject, VerifyError> {
    let mut subject = Subject::of_package(&serialized.package, entry)?;
    let variants = variants::of_units(target, serialized, entry, cases)?;
    subject.variants = variants.tried;
    subject.own_shape_only = variants.own_shape_only;
    Ok(subject)
}

/// Runs the gate on every entry; the first refusal ends it.
pub fn verify(
    target: &Target,
    serialized: &Serialized,
    device: &Device,
    options: &Options,
) -> Result<Vec<(String, Verdict)>, VerifyError> {
    let exec = ExecOptions {
        native: serialized.functions(),
        ..ExecOptions::default()
    };
    let mut verdicts = Vec::new();
    for entry in serialized.package.manifest.entries.keys() {
        let subject = subject(target, serialized, entry, options.cases)?;
        let verdict = kforge_verify::verify(&subject, device, &exec, options);
        let passed = verdict.passed;
        verdicts.push((entry.clone(), verdict));
        if !passed {
            break;
        }
    }
    Ok(verdicts)
}
