//! The order of passes: fusion comes before schedules, and what needs no repetition has
//! none.

use super::{Plan, Refuse, shown};
use crate::plan::Step;

const SCHEDULES: &[&str] = &[
    "kforge-tile-matmul",
    "kforge-tile-attention",
    "kforge-vectorize-layernorm",
];

/// Judges one pass by those before it.
pub(super) fn judge(index: usize, plan: &Plan, refuse: Refuse<'_>) {
    let step = &plan.passes[index];
    let before = &plan.passes[..index];
    let is_schedule = |pass: &str| SCHEDULES.contains(&pass);
    let changes_ops = step.pass.starts_with("kforge-f");
    if changes_ops && let Some(schedule) = before.iter().find(|it| is_schedule(&it.pass)) {
        refuse(format!(
            "comes after {}, whose schedule it would drop",
            schedule.pass
        ));
    }
    let epilogues = "kforge-fuse-matmul-activation";
    if step.pass == "kforge-fuse-attention" && before.iter().any(|it| it.pass == epilogues) {
        refuse(format!(
            "comes after {epilogues}, which can take the products it needs"
        ));
    }
    let same = |it: &Step| it.pass == step.pass && it.op == step.op;
    let again = before.iter().any(same);
    if again && is_schedule(&step.pass) {
        let ops = step.op.as_deref().unwrap_or("every op");
        refuse(format!("schedules {} a second time", shown(ops)));
    } else if again && step.pass.starts_with("kforge-") {
        refuse("stands in the plan twice".into());
    }
}
