//! Whether a unit's kernels are what the generator makes of its specification.
//!
//! Only then do other shapes of the specification say anything about the unit. A
//! kernel that was written by hand, or changed behind the conversion, is not. Code
//! is compared as text, names of entry points left out, as it is emitted and as
//! canonicalize and cse leave it.
//!
//! Does nothing when: the code is for a CPU, where it is no text.

use kforge_dialect::{attributes, device::Device, ir};
use kforge_lowering::serialize::{self, Serialized};
use kforge_runtime::{
    Package,
    manifest::{Expr, Step, Unit},
};
use melior::{Context, ir::Module};

use super::rebuild;

/// A launch: the code that runs, and how many workgroups of it.
type Launch = (String, [Expr; 3]);

/// Refuses, in a sentence, a unit that was not generated.
pub fn check(
    context: &Context,
    device: &Device,
    serialized: &Serialized,
    unit: &Unit,
) -> Result<(), String> {
    let Some(own) = launches(&serialized.package, &unit.entry, unit.steps.clone()) else {
        return Ok(());
    };
    let spec = unit.spec.as_deref().unwrap_or_default();
    for simplified in [true, false] {
        let mut module = Module::parse(context, spec).ok_or("its specification cannot be read")?;
        ir::set_attribute(
            module.as_operation(),
            attributes::DEVICE,
            device.to_attribute(context),
        );
        rebuild::lower(context, &mut module)?;
        if simplified {
            rebuild::simplify(context, &mut module)?;
        }
        let made = serialize::package(module.as_operation(), &serialize::Options::default())
            .map_err(|error| error.to_string())?;
        let entry = made.package.manifest.entries.iter().next();
        let made =
            entry.and_then(|(name, entry)| launches(&made.package, name, 0..entry.steps.len()));
        if made.as_ref() == Some(&own) {
            return Ok(());
        }
    }
    Err("its kernels are not what its specification is lowered to, so no knobs made them".into())
}

/// The launches of some steps; none where code is no text.
fn launches(package: &Package, entry: &str, steps: std::ops::Range<usize>) -> Option<Vec<Launch>> {
    let steps = package.manifest.entries.get(entry)?.steps.get(steps)?;
    let launch = |step: &Step| {
        let Step::Dispatch(dispatch) = step;
        let name = &package.manifest.kernels.get(&dispatch.kernel)?.entry_point;
        let code = package.wgsl(&dispatch.kernel)?;
        let code = code.replace(&format!("fn {name}("), "fn kernel(");
        Some((code, dispatch.workgroups.clone()))
    };
    steps.iter().map(launch).collect()
}
