//! Accesses of several invocations, byte by byte, and where two of them meet.

use std::collections::HashMap;

use super::{Who, machine::Event, name};
use crate::prove::{
    code::Code,
    finding::Defect,
    launch::Launch,
    trace::{Kind, Line, Memory},
};

/// Bytes of a cell: no element is smaller.
const CELL: i64 = 2;

#[derive(Clone, Copy)]
struct Touch {
    who: Who,
    kind: Kind,
    line: Line,
    /// Barriers before it that order the memory: one of the other kind lets invocations
    /// meet and makes nothing visible.
    after: u32,
    address: i64,
}

/// A race.
pub(super) struct Race {
    memory: Memory,
    first: Touch,
    second: Touch,
}

/// What all invocations did so far.
#[derive(Default)]
pub(super) struct Memories {
    /// By cell of workgroup memory and interval; of the present workgroup.
    workgroup: HashMap<(Memory, u32, i64), Vec<Touch>>,
    buffers: HashMap<(Memory, i64), Vec<Touch>>,
    written: std::collections::BTreeSet<Memory>,
}

impl Memories {
    pub(super) fn next_workgroup(&mut self) {
        self.workgroup.clear();
    }

    /// Buffers that were written.
    pub(super) fn buffers(&self) -> usize {
        let is_buffer = |memory: &&Memory| matches!(memory, Memory::Buffer(_));
        self.written.iter().filter(is_buffer).count()
    }

    /// Adds what an invocation did.
    pub(super) fn take(&mut self, who: Who, events: &[Event]) -> Option<Race> {
        let (mut workgroup, mut storage) = (0, 0);
        for event in events {
            match *event {
                Event::Barrier {
                    orders_workgroup,
                    orders_storage,
                    ..
                } => {
                    workgroup += u32::from(orders_workgroup);
                    storage += u32::from(orders_storage);
                }
                Event::Access {
                    memory,
                    kind,
                    address,
                    size,
                    line,
                } => {
                    if kind != Kind::Read {
                        self.written.insert(memory);
                    }
                    let first = address.div_euclid(CELL);
                    let last = (address + size - 1).div_euclid(CELL);
                    for cell in first..=last {
                        let (touches, after) = match memory {
                            Memory::Workgroup(_) => (
                                self.workgroup.entry((memory, workgroup, cell)).or_default(),
                                workgroup,
                            ),
                            Memory::Buffer(_) => {
                                (self.buffers.entry((memory, cell)).or_default(), storage)
                            }
                        };
                        let touch = Touch {
                            who,
                            kind,
                            line,
                            after,
                            address,
                        };
                        if let Some(first) = met(touches, &touch) {
                            return Some(Race {
                                memory,
                                first,
                                second: touch,
                            });
                        }
                        keep(touches, touch);
                    }
                }
            }
        }
        None
    }
}

/// The access that another meets.
fn met(touches: &[Touch], new: &Touch) -> Option<Touch> {
    let meets = |old: &&Touch| {
        // Barriers order nothing between workgroups.
        let unordered = old.who.workgroup != new.who.workgroup || old.after == new.after;
        old.who != new.who && !old.kind.agrees_with(new.kind) && unordered
    };
    touches.iter().find(meets).copied()
}

/// Remembers a touch, unless one that says as much is there.
fn keep(touches: &mut Vec<Touch>, new: Touch) {
    let alike = touches
        .iter()
        .filter(|old| old.kind == new.kind && old.after == new.after)
        .collect::<Vec<_>>();
    let same = alike.iter().any(|old| old.who == new.who);
    // Two of different invocations meet whatever a third would, per workgroup.
    let own = alike
        .iter()
        .filter(|old| old.who.workgroup == new.who.workgroup)
        .count();
    let workgroups = alike.len();
    if !same && own < 2 && workgroups < 4 {
        touches.push(new);
    }
}

impl Race {
    pub(super) fn defect(&self, code: &Code, launch: &Launch) -> Defect {
        let Self {
            memory,
            first,
            second,
        } = self;
        Defect {
            what: format!(
                "a data race: {} {} byte {} of {} at line {}, {} {} it at line {}, and no barrier \
                 that orders it is between them; line {}: {}",
                first.who,
                first.kind.name(),
                second.address,
                name(code, launch, *memory),
                first.line,
                second.who,
                second.kind.name(),
                second.line,
                second.line,
                code.text(second.line)
            ),
            line: second.line,
        }
    }
}
