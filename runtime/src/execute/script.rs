//! What one run does on a device, in order: fills, dispatches, saves.
//!
//! GPU and CPU carry out the same script, so prefills and guard checks follow
//! the very memory plan that is used without them.

use std::ops::Range;

use super::{
    instance::Instance,
    memory::{MemoryPlan, lifetimes},
    poison::Poison,
};
use crate::manifest::{BufferId, Role};

/// One action of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Repeat a word over a range of a slot.
    Fill {
        slot: usize,
        range: Range<u64>,
        word: u32,
    },
    /// Launch a dispatch of the instance.
    Dispatch { index: usize },
    /// Keep a range of a buffer's slot for the host.
    Save {
        buffer: BufferId,
        slot: usize,
        range: Range<u64>,
    },
}

/// The actions of `steps` of an instance.
///
/// Every output is prefilled before every run: a command buffer killed by a
/// watchdog may be reported as completed. Scratch is prefilled only under
/// poison, guard zones only if `guarded`.
pub(crate) fn script(
    instance: &Instance,
    memory: &MemoryPlan,
    steps: Range<usize>,
    poison: Option<Poison>,
    guarded: bool,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let offset = steps.start;
    let dispatches = &instance.dispatches[steps];
    let lifetimes = lifetimes(dispatches);
    for (id, buffer) in &instance.buffers {
        // A port may pass a buffer through that no dispatch touches.
        let used = lifetimes.contains_key(id) || is_output(instance, *id);
        if buffer.role != Role::Scratch && used {
            prefill(instance, memory, *id, poison, guarded, &mut actions);
        }
    }
    let scratch = || {
        lifetimes
            .iter()
            .filter(|(id, _)| instance.buffers[id].role == Role::Scratch)
    };
    let (mut first, mut last) = (
        vec![Vec::new(); dispatches.len()],
        vec![Vec::new(); dispatches.len()],
    );
    if poison.is_some() {
        for (id, lifetime) in scratch() {
            first[lifetime.0].push(*id);
            last[lifetime.1].push(*id);
        }
    }
    for index in 0..dispatches.len() {
        for id in &first[index] {
            prefill(instance, memory, *id, poison, guarded, &mut actions);
        }
        actions.push(Action::Dispatch {
            index: offset + index,
        });
        if guarded {
            for id in &last[index] {
                save_guard(instance, memory, *id, &mut actions);
            }
        }
    }
    for (id, buffer) in &instance.buffers {
        if is_output(instance, *id) {
            let (slot, range) = (memory.slot_of[id], 0..buffer.zone.end);
            actions.push(Action::Save {
                buffer: *id,
                slot,
                range,
            });
        } else if guarded && buffer.role != Role::Scratch && lifetimes.contains_key(id) {
            save_guard(instance, memory, *id, &mut actions);
        }
    }
    actions
}

fn is_output(instance: &Instance, id: BufferId) -> bool {
    instance.outputs.iter().any(|port| port.buffer == id)
}

/// Fills data and guard as the role demands.
fn prefill(
    instance: &Instance,
    memory: &MemoryPlan,
    id: BufferId,
    poison: Option<Poison>,
    guarded: bool,
    actions: &mut Vec<Action>,
) {
    let buffer = &instance.buffers[&id];
    let slot = memory.slot_of[&id];
    let guard = buffer.guard_word(poison);
    let data = match buffer.role {
        // Always NaN, so that an unwritten element is recognised.
        Role::Output => Some(buffer.nan_word()),
        Role::Scratch => Some(guard),
        Role::Input | Role::Weight | Role::Constant | Role::State => None,
    };
    if let Some(word) = data {
        actions.push(Action::Fill {
            slot,
            range: 0..buffer.zone.guard,
            word,
        });
    }
    if guarded {
        let range = buffer.zone.guard..buffer.zone.end;
        actions.push(Action::Fill {
            slot,
            range,
            word: guard,
        });
    }
}

fn save_guard(instance: &Instance, memory: &MemoryPlan, id: BufferId, actions: &mut Vec<Action>) {
    let buffer = &instance.buffers[&id];
    if buffer.written {
        let range = buffer.zone.guard..buffer.zone.end;
        actions.push(Action::Save {
            buffer: id,
            slot: memory.slot_of[&id],
            range,
        });
    }
}
