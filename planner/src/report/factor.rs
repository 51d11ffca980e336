//! A plan as settings: every knob of every op, and every pass that is there.

use std::collections::BTreeMap;

use crate::plan::Plan;

/// The settings of a plan by name: `up tile-m` is an op's knob, `kforge-fuse-attention`
/// whether a pass runs, and `kforge-x level` the knob of a pass for all ops.
///
/// A pass that schedules ops is told by its knobs; a pass that stands in the plan more
/// than once is one setting.
pub fn settings(plan: &Plan) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for step in &plan.passes {
        let of = step.op.as_ref().unwrap_or(&step.pass);
        if step.op.is_none() {
            settings.insert(step.pass.clone(), "on".to_owned());
        }
        for (knob, value) in &step.knobs {
            settings.insert(format!("{of} {knob}"), value.to_string());
        }
    }
    settings
}

/// Whether a setting is that a pass runs, which plans without it have as `off`.
pub(super) fn is_pass(setting: &str) -> bool {
    !setting.contains(' ')
}
