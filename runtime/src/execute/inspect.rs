//! Turns what was read back into outputs and violations.

use std::collections::BTreeMap;

use super::{
    error::RunError,
    instance::{BoundBuffer, Instance},
    layout,
    poison::{Poison, first_difference, shows_unwritten},
    report::{GuardViolation, Violation},
};
use crate::{
    manifest::{BufferId, Role},
    tensor::HostTensor,
};

/// A range of a buffer as it was after a run.
pub(crate) struct Saved {
    pub buffer: BufferId,
    /// First byte of the range.
    pub start: u64,
    pub bytes: Vec<u8>,
}

/// Outputs in port order.
pub(crate) fn outputs(instance: &Instance, saved: &[Saved]) -> Result<Vec<HostTensor>, RunError> {
    let whole: BTreeMap<_, _> = saved
        .iter()
        .filter(|saved| saved.start == 0)
        .map(|saved| (saved.buffer, saved.bytes.as_slice()))
        .collect();
    let output = |port: &super::instance::BoundPort| {
        let buffer = &instance.buffers[&port.buffer];
        let bytes = layout::unpack(whole.get(&port.buffer).copied().unwrap_or_default(), buffer);
        HostTensor::new(port.dtype, port.shape.clone(), bytes).map_err(|source| RunError::Output {
            name: port.name.clone(),
            source,
        })
    };
    instance.outputs.iter().map(output).collect()
}

/// Guard zones that changed, and output elements never written.
pub(crate) fn violations(
    instance: &Instance,
    saved: &[Saved],
    poison: Option<Poison>,
    guarded: bool,
) -> Vec<GuardViolation> {
    let mut found = Vec::new();
    for saved in saved {
        let buffer = &instance.buffers[&saved.buffer];
        if guarded {
            found.extend(broken_guard(buffer, saved, poison));
        }
        if saved.start == 0 && buffer.role == Role::Output && shows_unwritten(buffer.dtype) {
            found.extend(unwritten(buffer, &saved.bytes));
        }
    }
    found
}

fn broken_guard(
    buffer: &BoundBuffer,
    saved: &Saved,
    poison: Option<Poison>,
) -> Option<GuardViolation> {
    let zone = buffer.zone;
    let part = |from: u64, to: u64| {
        let (from, to) = (from.max(saved.start), to.max(saved.start));
        &saved.bytes[(from - saved.start) as usize..(to - saved.start) as usize]
    };
    // The 1 to 3 bytes before the first whole guard word belong to the prefill.
    let sliver = (buffer.role == Role::Output)
        .then(|| first_difference(part(zone.data, zone.guard), zone.data, buffer.nan_word()))
        .flatten();
    let offset = sliver.or_else(|| {
        let word = buffer.guard_word(poison);
        first_difference(part(zone.guard, zone.end), zone.guard, word)
    })?;
    // The first byte of an element may keep its value by chance.
    let offset = offset - offset % buffer.dtype.bytes() as u64;
    Some(GuardViolation {
        buffer: buffer.name.clone(),
        offset,
        what: Violation::WrittenBehindEnd,
    })
}

fn unwritten(buffer: &BoundBuffer, bytes: &[u8]) -> Option<GuardViolation> {
    let size = buffer.dtype.bytes();
    let dense = layout::unpack(bytes, buffer);
    let word = buffer.nan_word().to_le_bytes();
    let holds_pattern = |element: &[u8]| {
        element
            .iter()
            .enumerate()
            .all(|(i, byte)| *byte == word[i % 4])
    };
    let untouched = || {
        let elements = dense.chunks_exact(size).enumerate();
        elements
            .filter(|(_, element)| holds_pattern(element))
            .map(|(index, _)| index)
    };
    let first = untouched().next()?;
    Some(GuardViolation {
        buffer: buffer.name.clone(),
        offset: (first * size) as u64,
        what: Violation::Unwritten(untouched().count() as u64),
    })
}
