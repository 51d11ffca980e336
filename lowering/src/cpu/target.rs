//! Which processor objects are for, and their emission.

use kforge_runtime::{Device, DeviceChoice};
use melior::Context;

use super::{CpuError, Lowered, ffi};

/// A processor of this machine's architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuTarget {
    /// Target triple, such as `x86_64-unknown-linux-gnu`.
    pub triple: String,
    /// Instruction sets the code may use, in LLVM's names without sign. What they
    /// imply is added; nothing else is used.
    pub features: Vec<String>,
    /// LLVM's name of the processor whose instructions are timed; changes the
    /// order of instructions, never which ones there are.
    pub tune: String,
}

impl CpuTarget {
    /// The processor this runs on, with those of its features that
    /// [`kforge_runtime`] can check before it runs a package.
    ///
    /// # Errors
    /// If LLVM does not know this machine.
    pub fn host() -> Result<Self, CpuError> {
        let features = Device::open(DeviceChoice::Cpu)?
            .description()
            .features
            .clone();
        let (triple, tune) = ffi::host()?;
        Ok(Self {
            triple,
            features,
            tune,
        })
    }

    /// The list as LLVM takes it.
    pub(super) fn feature_text(&self) -> Result<String, CpuError> {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if let Some(bad) = self
            .features
            .iter()
            .find(|name| name.is_empty() || !name.chars().all(part))
        {
            return Err(CpuError::Feature {
                feature: bad.escape_default().to_string(),
            });
        }
        let signed: Vec<String> = self
            .features
            .iter()
            .map(|name| format!("+{name}"))
            .collect();
        Ok(signed.join(","))
    }

    /// The processor without any optional instruction set.
    pub(super) fn base(&self) -> &'static str {
        if self.triple.starts_with("x86_64") {
            "x86-64"
        } else {
            "generic"
        }
    }
}

/// Optimises kernels (LLVM's O3) and makes a relocatable object of them.
///
/// # Errors
/// LLVM's message if it refuses the module or the target.
pub fn emit_object(
    context: &Context,
    lowered: &Lowered,
    target: &CpuTarget,
) -> Result<Vec<u8>, CpuError> {
    ffi::emit(context, &lowered.module, target, ffi::Format::Object)
}

/// As [`emit_object`], but as assembly text.
///
/// # Errors
/// As [`emit_object`].
pub fn emit_assembly(
    context: &Context,
    lowered: &Lowered,
    target: &CpuTarget,
) -> Result<String, CpuError> {
    let text = ffi::emit(context, &lowered.module, target, ffi::Format::Assembly)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
