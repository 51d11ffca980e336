//! Keeps the list of units in step with an entry's launches.

use kforge_runtime::{
    Package,
    manifest::{Access, Step, Unit},
};
use serde_json::Value;

/// Changes the units of a package, as stored in its program.
pub fn change(package: &mut Package, change: impl FnOnce(&mut Vec<Unit>)) {
    let Ok(mut units) = package.units() else {
        return;
    };
    change(&mut units);
    let text = serde_json::to_value(units);
    if let (Some(Value::Object(program)), Ok(units)) = (&mut package.program, text) {
        program.insert("units".into(), units);
    }
}

/// Steps from `at` on moved by one; a unit that had only the step `at` is gone.
pub fn without_step(units: &mut Vec<Unit>, entry: &str, at: usize) {
    units.retain(|unit| unit.entry != entry || unit.steps != (at..at + 1));
    for unit in units.iter_mut().filter(|unit| unit.entry == entry) {
        if unit.steps.start > at {
            unit.steps.start -= 1;
        }
        if unit.steps.end > at {
            unit.steps.end -= 1;
        }
    }
}

/// The unit of step `at` has it twice.
pub fn with_step_again(units: &mut [Unit], entry: &str, at: usize) {
    for unit in units.iter_mut().filter(|unit| unit.entry == entry) {
        if unit.steps.start > at {
            unit.steps.start += 1;
        }
        if unit.steps.end > at {
            unit.steps.end += 1;
        }
    }
}

/// What each unit of one launch reads and writes, as its launch now says.
pub fn refresh(package: &mut Package, entry: &str) {
    let manifest = package.manifest.clone();
    let Some(entry_of) = manifest.entries.get(entry) else {
        return;
    };
    change(package, |units| {
        for unit in units.iter_mut().filter(|unit| unit.entry == entry) {
            let [Step::Dispatch(step)] = entry_of.steps.get(unit.steps.clone()).unwrap_or(&[])
            else {
                continue;
            };
            let Some(kernel) = manifest.kernels.get(&step.kernel) else {
                continue;
            };
            let used = |wanted: fn(Access) -> bool| {
                let pairs = step.args.iter().zip(&kernel.bindings);
                let wanted = pairs.filter(|(_, binding)| wanted(binding.access));
                wanted.map(|(argument, _)| argument.buffer).collect()
            };
            unit.inputs = used(Access::reads);
            unit.outputs = used(Access::writes);
        }
    });
}
