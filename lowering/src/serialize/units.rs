//! Which launches compute a stage together.

use std::collections::BTreeSet;

use kforge_runtime::manifest::{Access, BufferId, Dispatch, Unit};

use super::function::Host;

/// A launch that was serialised.
pub(super) struct Launched {
    pub(super) stage: String,
    pub(super) spec: Option<String>,
    /// Buffer and use of each binding.
    pub(super) accesses: Vec<(BufferId, Access)>,
    pub(super) dispatch: Dispatch,
}

impl Launched {
    /// The buffers it writes, in the order of its arguments.
    pub(super) fn written(&self) -> Vec<BufferId> {
        let mut written = Vec::new();
        for (buffer, access) in &self.accesses {
            if access.writes() && !written.contains(buffer) {
                written.push(*buffer);
            }
        }
        written
    }
}

/// The units of an entry. A launch whose kernel has a specification ends a unit,
/// which starts behind the previous one: only the last kernel of several that
/// work together has it. Launches behind the last one are units of their own.
pub(super) fn of_entry(entry: &str, host: &Host) -> Vec<Unit> {
    let launches = &host.launches;
    let last = launches
        .iter()
        .rposition(|launched| launched.spec.is_some());
    let mut filled = host.filled.clone();
    let mut units = Vec::new();
    let mut start = 0;
    for (index, launched) in launches.iter().enumerate() {
        if launched.spec.is_none() && last.is_some_and(|last| index < last) {
            continue;
        }
        let steps = start..index + 1;
        let part = &launches[steps.clone()];
        units.push(Unit {
            stage: launched.stage.clone(),
            entry: entry.to_owned(),
            inputs: inputs(part, &filled),
            outputs: launched.written(),
            program: None,
            spec: launched.spec.clone(),
            steps,
        });
        filled.extend(part.iter().flat_map(Launched::written));
        start = index + 1;
    }
    units
}

/// What the launches read and did not write themselves, one per argument. A
/// buffer that is read and written counts only if it has contents to read. What
/// an earlier launch of the unit has read is the same input to a later one.
fn inputs(part: &[Launched], filled: &BTreeSet<BufferId>) -> Vec<BufferId> {
    let mut written = BTreeSet::new();
    let mut inputs = Vec::new();
    for launched in part {
        let mut read = Vec::new();
        for (buffer, access) in &launched.accesses {
            let reads = *access == Access::Read || (access.reads() && filled.contains(buffer));
            if reads && !written.contains(buffer) {
                read.push(*buffer);
                if count(&read, *buffer) > count(&inputs, *buffer) {
                    inputs.push(*buffer);
                }
            }
            if access.writes() {
                written.insert(*buffer);
            }
        }
    }
    inputs
}

fn count(buffers: &[BufferId], buffer: BufferId) -> usize {
    buffers.iter().filter(|other| **other == buffer).count()
}
