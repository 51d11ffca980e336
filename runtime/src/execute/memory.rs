//! Which buffers share memory.
//!
//! Scratch buffers whose lifetimes do not overlap take turns in one slot. Whole
//! slots are reused, never parts: wgpu tracks usage per buffer, and an arena
//! could not be read and written in one dispatch.

use std::collections::BTreeMap;

use super::instance::{BoundDispatch, Instance};
use crate::manifest::{BufferId, Role};

/// Slots of memory, and which buffer lives where.
#[derive(Debug)]
pub(crate) struct MemoryPlan {
    /// Bytes of each slot.
    pub slots: Vec<u64>,
    /// Slot of each buffer.
    pub slot_of: BTreeMap<BufferId, usize>,
}

/// First and last dispatch that uses each buffer.
pub(crate) fn lifetimes(dispatches: &[BoundDispatch]) -> BTreeMap<BufferId, (usize, usize)> {
    let mut lifetimes = BTreeMap::new();
    for (index, dispatch) in dispatches.iter().enumerate() {
        for (buffer, _) in &dispatch.args {
            lifetimes.entry(*buffer).or_insert((index, index)).1 = index;
        }
    }
    lifetimes
}

/// Gives every buffer a slot.
pub(crate) fn plan(instance: &Instance) -> MemoryPlan {
    let mut plan = MemoryPlan {
        slots: Vec::new(),
        slot_of: BTreeMap::new(),
    };
    let lifetimes = lifetimes(&instance.dispatches);
    let mut scratch = Vec::new();
    for (id, buffer) in &instance.buffers {
        match lifetimes.get(id) {
            Some(lifetime) if buffer.role == Role::Scratch => scratch.push((*lifetime, *id)),
            _ => {
                plan.slot_of.insert(*id, plan.slots.len());
                plan.slots.push(buffer.zone.end);
            }
        }
    }
    scratch.sort_unstable();
    // Shared slots with the last use of their present tenant.
    let mut shared: Vec<(usize, usize)> = Vec::new();
    for ((first, last), id) in scratch {
        let bytes = instance.buffers[&id].zone.end;
        // Among the free slots the one whose size is closest; a slot grows if
        // its new tenant is larger.
        let free = shared
            .iter_mut()
            .filter(|(_, busy_until)| *busy_until < first)
            .min_by_key(|(slot, _)| plan.slots[*slot].abs_diff(bytes));
        let slot = match free {
            Some((slot, busy_until)) => {
                *busy_until = last;
                *slot
            }
            None => {
                shared.push((plan.slots.len(), last));
                plan.slots.push(0);
                plan.slots.len() - 1
            }
        };
        plan.slots[slot] = plan.slots[slot].max(bytes);
        plan.slot_of.insert(id, slot);
    }
    plan
}
