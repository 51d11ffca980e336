//! Memory of an interpreted kernel, and who touched what between two barriers.

use super::{Domain, Run, Stop, unsupported};

/// One scalar in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<V> {
    /// Nothing has written it.
    Unwritten,
    /// An integer or a boolean.
    Integer(i64),
    /// A float.
    Float(V),
}

/// Scalars of one size.
#[derive(Clone, Debug)]
pub(super) struct Memory<V> {
    pub name: String,
    pub cells: Vec<Cell<V>>,
    /// Bytes of a scalar.
    pub unit: usize,
    /// Who touched each scalar, where several invocations may.
    pub shadow: Option<Vec<Shadow>>,
    /// Whether workgroups share it.
    pub is_storage: bool,
    /// The first element to which two invocations wrote one value: a race all the same,
    /// but none that makes a value wrong.
    pub doubled: Option<usize>,
}

/// The last write of a scalar and the reads since.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shadow {
    write: Stamp,
    read: Stamp,
}

/// Who, and between which barriers. `by` 0 is nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// One more than the invocation, or [`MANY`].
    pub by: u32,
    /// Barriers passed, counted through all workgroups.
    pub interval: u32,
    pub workgroup: u32,
}

const MANY: u32 = u32::MAX;

impl Stamp {
    /// Whether what both did is not ordered by a barrier.
    fn meets(self, other: Stamp, is_storage: bool) -> bool {
        let unordered = match self.workgroup == other.workgroup {
            true => self.by != other.by && self.interval == other.interval,
            false => is_storage,
        };
        self.by != 0 && unordered
    }
}

impl<V: Copy + std::fmt::Debug> Memory<V> {
    fn race(&self, cell: usize, what: &str, other: Stamp, own: Stamp) -> Stop {
        let who = match other.by {
            MANY => "several invocations".to_owned(),
            by => format!("invocation {}", by - 1),
        };
        let place = match other.workgroup == own.workgroup {
            true => "with no barrier between".to_owned(),
            false => format!("of workgroup {}", other.workgroup),
        };
        Stop::Refused(format!(
            "invocation {} of workgroup {} {what} element {cell} of '{}' that {who} {place} \
             {} as well",
            own.by - 1,
            own.workgroup,
            self.name,
            if what == "reads" { "writes" } else { "touches" }
        ))
    }

    /// The scalar at a byte, `None` beyond the end.
    pub fn read(&mut self, byte: i64, own: Stamp) -> Run<Option<Cell<V>>> {
        let Some(cell) = self.cell(byte)? else {
            return Ok(None);
        };
        if let Some(shadow) = &mut self.shadow {
            let seen = &mut shadow[cell];
            if seen.write.meets(own, self.is_storage) {
                let other = seen.write;
                return Err(self.race(cell, "reads", other, own));
            }
            let last = seen.read;
            let ordered = !self.is_storage && last.interval != own.interval;
            seen.read = match last.by == 0
                || ordered
                || (last.by, last.workgroup) == (own.by, own.workgroup)
            {
                true => own,
                false => Stamp {
                    by: MANY,
                    // Readers of two workgroups meet every writer.
                    workgroup: if last.workgroup == own.workgroup {
                        own.workgroup
                    } else {
                        MANY
                    },
                    ..own
                },
            };
        }
        Ok(Some(self.cells[cell]))
    }

    /// Writes the scalar at a byte.
    pub fn write<D: Domain<Value = V>>(
        &mut self,
        domain: &D,
        byte: i64,
        value: Cell<V>,
        own: Stamp,
    ) -> Run<()> {
        let Some(cell) = self.cell(byte)? else {
            return Err(Stop::Refused(format!(
                "invocation {} of workgroup {} writes element {} of '{}', which has {}",
                own.by - 1,
                own.workgroup,
                byte / self.unit as i64,
                self.name,
                self.cells.len()
            )));
        };
        if let Some(shadow) = &mut self.shadow {
            let seen = shadow[cell];
            for other in [seen.write, seen.read] {
                if !other.meets(own, self.is_storage) {
                    continue;
                }
                if other == seen.write && same(domain, &self.cells[cell], &value) {
                    self.doubled.get_or_insert(cell);
                    continue;
                }
                return Err(self.race(cell, "writes", other, own));
            }
            shadow[cell].write = own;
        }
        self.cells[cell] = value;
        Ok(())
    }

    fn cell(&self, byte: i64) -> Run<Option<usize>> {
        let unit = self.unit as i64;
        if byte < 0 {
            return Err(Stop::Refused(format!(
                "an index of '{}' is outside its array",
                self.name
            )));
        }
        if byte % unit != 0 {
            return unsupported(format!("'{}' is read as another type", self.name));
        }
        let cell = (byte / unit) as usize;
        Ok((cell < self.cells.len()).then_some(cell))
    }
}

fn same<D: Domain>(domain: &D, a: &Cell<D::Value>, b: &Cell<D::Value>) -> bool {
    match (a, b) {
        (Cell::Integer(a), Cell::Integer(b)) => a == b,
        (Cell::Float(a), Cell::Float(b)) => domain.same(a, b),
        _ => false,
    }
}
