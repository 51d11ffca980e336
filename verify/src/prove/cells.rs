//! Who touched which cell of a memory: the place where accesses of several invocations
//! meet, cell by cell.

use super::trace::{Kind, Line};

/// Nobody.
const NOBODY: u32 = u32::MAX;
/// Several invocations.
const SEVERAL: u32 = u32::MAX - 1;

/// Most cells of one memory.
pub(super) const CELLS: i64 = 1 << 22;

#[derive(Clone, Copy)]
struct Touch {
    who: u32,
    line: Line,
}

#[derive(Clone, Copy)]
struct Cell {
    by: [Touch; 3],
}

/// A memory in cells of equal size.
pub(super) struct Cells {
    cells: Vec<Cell>,
}

/// Two accesses that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meeting {
    /// Number of the cell.
    pub(super) cell: i64,
    /// What the two do, and where.
    pub(super) kinds: [Kind; 2],
    pub(super) lines: [Line; 2],
}

const KINDS: [Kind; 3] = [Kind::Read, Kind::Write, Kind::Atomic];

impl Cells {
    pub(super) fn new(count: usize) -> Self {
        let nobody = Touch {
            who: NOBODY,
            line: 0,
        };
        Self {
            cells: vec![Cell { by: [nobody; 3] }; count],
        }
    }

    /// Makes room for `count` cells.
    pub(super) fn grow(&mut self, count: usize) {
        let empty = Self::new(1).cells;
        self.cells.resize(count.max(self.cells.len()), empty[0]);
    }

    /// Invocation `who`, or all of them where it is `None`, touches `count` cells. `None`
    /// where the cells do not exist.
    pub(super) fn touch(
        &mut self,
        who: Option<u32>,
        kind: Kind,
        first: i64,
        count: i64,
        line: Line,
    ) -> Option<Result<(), Meeting>> {
        let who = who.unwrap_or(SEVERAL);
        for number in first..first.checked_add(count)? {
            let cell = self.cells.get_mut(usize::try_from(number).ok()?)?;
            let own = KINDS.iter().position(|it| *it == kind)?;
            for (other, touch) in KINDS.iter().zip(&cell.by) {
                let apart = touch.who == NOBODY || (touch.who == who && who != SEVERAL);
                if !apart && !kind.agrees_with(*other) {
                    return Some(Err(Meeting {
                        cell: number,
                        kinds: [*other, kind],
                        lines: [touch.line, line],
                    }));
                }
            }
            if who == SEVERAL && kind == Kind::Write {
                return Some(Err(Meeting {
                    cell: number,
                    kinds: [kind, kind],
                    lines: [line, line],
                }));
            }
            let touch = &mut cell.by[own];
            touch.who = match touch.who {
                NOBODY => who,
                same if same == who => who,
                _ => SEVERAL,
            };
            touch.line = line;
        }
        Some(Ok(()))
    }
}
