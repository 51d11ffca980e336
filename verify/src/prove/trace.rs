//! What a kernel does to memory, as a tree: accesses and barriers under conditions and
//! loops. `walk/` makes it, `bounds.rs`, `barriers.rs`, `workgroup.rs` and `storage.rs`
//! judge it.

use std::rc::Rc;

use super::{
    expr::{Cond, Expr, Var, Vars},
    range::Place,
};

/// Which memory an access touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Memory {
    /// A buffer of the launch: bindings of one buffer are one memory.
    Buffer(u32),
    /// A variable in workgroup memory.
    Workgroup(u32),
}

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// An atomic operation.
    Atomic,
}

impl Kind {
    /// Whether two invocations may do both at once.
    pub(super) const fn agrees_with(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Read, Self::Read) | (Self::Atomic, Self::Atomic)
        )
    }

    /// As a verb.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Atomic => "updates",
        }
    }
}

/// A place in the text: its line, counted from 1; 0 where it is not known.
pub(super) type Line = u32;

/// An access.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) memory: Memory,
    pub(super) kind: Kind,
    /// First byte, from the start of the memory.
    pub(super) address: Expr,
    /// Bytes.
    pub(super) size: i64,
    pub(super) place: Place,
    /// The conditions on the way.
    pub(super) path: Rc<[Cond]>,
    pub(super) line: Line,
}

/// An index and what it must stay below.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) index: Expr,
    /// Elements.
    pub(super) length: i64,
    pub(super) place: Place,
    pub(super) path: Rc<[Cond]>,
    pub(super) line: Line,
    /// What is indexed.
    pub(super) what: String,
}

/// A loop.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    /// The number of the iteration.
    pub(super) var: Var,
    /// Fewest and most iterations.
    pub(super) trips: (i64, i64),
    /// What the number of iterations depends on.
    pub(super) depends: Vars,
    /// Invocations may leave it one by one, before its condition ends it.
    pub(super) ragged: bool,
    pub(super) body: Vec<Item>,
}

/// A node of the tree.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Access(Access),
    /// A barrier of a whole workgroup, and whether it orders workgroup memory.
    Barrier {
        orders_workgroup: bool,
        line: Line,
    },
    If {
        cond: Cond,
        accept: Vec<Item>,
        reject: Vec<Item>,
    },
    Loop(Loop),
}

/// Everything that is judged.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) items: Vec<Item>,
    pub(super) bounds: Vec<Bound>,
}

/// Whether a barrier is among `items`.
pub(super) fn has_barrier(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Access(_) => false,
        Item::Barrier { .. } => true,
        Item::If { accept, reject, .. } => has_barrier(accept) || has_barrier(reject),
        Item::Loop(inner) => has_barrier(&inner.body),
    })
}

/// Calls `visit` with every access.
pub(super) fn for_each_access<'t>(items: &'t [Item], visit: &mut impl FnMut(&'t Access)) {
    for item in items {
        match item {
            Item::Access(access) => visit(access),
            Item::Barrier { .. } => {}
            Item::If { accept, reject, .. } => {
                for_each_access(accept, visit);
                for_each_access(reject, visit);
            }
            Item::Loop(inner) => for_each_access(&inner.body, visit),
        }
    }
}
