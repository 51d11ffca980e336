//! A function must leave what it is given as it was.
//!
//! The reference is a function of tensors, so whoever calls may use an argument
//! again. A result that is right but was put over an argument, a weight or a
//! constant passes every comparison of outputs; the manifest shows it.

use kforge_runtime::manifest::{Role, Step};

use crate::{Reason, Scope, Verdict, subject::Runnable};

/// Refuses every argument, weight and constant that a kernel writes to, once.
pub fn check(function: &Runnable, verdict: &mut Verdict) {
    let manifest = &function.package.manifest;
    let Some(entry) = manifest.entries.get(&function.entry) else {
        return;
    };
    let mut seen = Vec::new();
    for Step::Dispatch(dispatch) in &entry.steps {
        let Some(kernel) = manifest.kernels.get(&dispatch.kernel) else {
            continue;
        };
        for (argument, binding) in dispatch.args.iter().zip(&kernel.bindings) {
            let Some(buffer) = manifest.buffer(argument.buffer) else {
                continue;
            };
            let given = matches!(buffer.role, Role::Input | Role::Weight | Role::Constant);
            if !given || !binding.access.writes() || seen.contains(&argument.buffer) {
                continue;
            }
            seen.push(argument.buffer);
            let detail = format!(
                "writes to '{}', which is given to '{}' and must stay as it was",
                buffer.name.escape_default(),
                function.stage
            );
            verdict.refuse(&kernel.stage, Scope::Function, None, Reason::Poison, detail);
        }
    }
}
