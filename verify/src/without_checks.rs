//! Shader checks off, where level L1 shows that no launch needs them.
//!
//! Robust access and bounded loops cost time in every loop. Once a function has passed with
//! them, and every launch of it is proved (all indices in bounds, all loops counted), it is
//! verified once more without them, and from then on runs and is timed that way. Checks of
//! divisions stay: of data, the proof says nothing.

mod ffi;

use kforge_runtime::{Device, ExecOptions, Package, device::Target};

use crate::{Options, Scope, Verdict, device, subject::Runnable};

/// Verifies a proved function without checks. What fails only then is refused.
pub(crate) fn verify(
    function: &Runnable,
    device: &Device,
    exec: &ExecOptions,
    options: &Options,
    verdict: &mut Verdict,
) {
    let proved = verdict.levels.iter().any(|level| level == "L1");
    let package = &function.package;
    // The proof is of the sizes that a manifest gives.
    let fixed = package.manifest.symbols.is_empty();
    if device.description().target != Target::Gpu || options.keep_checks || !proved || !fixed {
        return;
    }
    let mut again = Verdict::new(device.description(), options);
    let exec = ffi::relaxed(exec);
    device::check(
        function,
        Scope::Function,
        device,
        &exec,
        options,
        &mut again,
    );
    if again.failures.is_empty() {
        (verdict.without_checks, verdict.unchecked) = (true, identity(package));
        return;
    }
    verdict.passed = false;
    verdict.levels.clear();
    for mut failure in again.failures {
        failure.detail = format!("with shader checks off: {}", failure.detail);
        verdict.failures.push(failure);
    }
}

impl Verdict {
    /// How a package that passed is run: without the checks that this verdict shows needless,
    /// if it is about this package and made in this process.
    pub fn exec(&self, package: &Package, exec: &ExecOptions) -> ExecOptions {
        let same = self.passed && self.unchecked.is_some() && identity(package) == self.unchecked;
        match same {
            true => ffi::relaxed(exec),
            false => exec.clone(),
        }
    }
}

/// What launches and kernels of a package are, whatever its own hashes say.
fn identity(package: &Package) -> Option<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(package.content_hash().ok()?.as_bytes());
    for name in package.manifest.kernels.keys() {
        hasher.update(package.wgsl(name)?.as_bytes());
    }
    Some(*hasher.finalize().as_bytes())
}
