//! Who of a workgroup has what: invocations, their parts of rows, and keys taken together.

use super::AttentionKernel;
use crate::emit::Ix;

/// Elements per access of rows of `size` elements.
pub(super) fn width(size: i64) -> i64 {
    [4, 2].into_iter().find(|w| size % w == 0).unwrap_or(1)
}

pub(super) fn ceil_div(a: i64, b: i64) -> i64 {
    a.unsigned_abs().div_ceil(b.unsigned_abs()) as i64
}

impl AttentionKernel {
    /// Invocations that share heads and queries: as many as are asked for, or as divide the
    /// accesses of a head.
    pub(super) fn split(&self) -> i64 {
        let fits = |split: &i64| {
            let divides = |size: i64| size / width(size) % split == 0;
            divides(self.head) && divides(self.value_head)
        };
        let asked = self.schedule.split_head;
        std::iter::successors(Some(asked), |it| Some(it / 2))
            .take_while(|it| *it > 1)
            .find(fits)
            .unwrap_or(1)
    }

    /// Whether the matrix unit multiplies.
    pub(super) fn unit(&self) -> bool {
        self.schedule.matrix_unit > 0
    }

    /// Invocations of a workgroup.
    pub(super) fn invocations(&self) -> i64 {
        self.schedule.invocations(self.subgroup_size)
    }

    /// Invocations that a row is shared among.
    pub(super) fn sharers(&self) -> i64 {
        match self.unit() {
            true => self.invocations() / self.schedule.block_q,
            false => self.split(),
        }
    }

    /// Accesses of a row of `size` elements that are one invocation's.
    pub(super) fn accesses(&self, size: i64) -> i64 {
        size / width(size) / self.sharers()
    }

    /// The place in a row of `size` elements of access `d` of part `part`: neighbours beside
    /// each other where they read rows of workgroup memory of their own.
    pub(super) fn column<'c, 'a>(&self, part: &Ix<'c, 'a>, d: i64, size: i64) -> Ix<'c, 'a> {
        match self.unit() {
            true => part + d * self.sharers(),
            false => part * self.accesses(size) + d,
        }
    }

    /// Whether rows go on together, beyond their own last key.
    pub(super) fn together(&self) -> bool {
        self.split() > 1 || self.schedule.slice_kv > 1 || self.unit()
    }

    /// Keys that are gone through together.
    pub(super) fn span(&self) -> i64 {
        match self.unit() || self.schedule.slice_kv > 1 {
            true => self.schedule.block_kv,
            false => self.chunk(),
        }
    }

    /// Keys scored together: a divisor of block-kv, fewer for large heads and for several
    /// rows, whose code would grow. With the matrix unit those of one access.
    pub(super) fn chunk(&self) -> i64 {
        if self.unit() {
            return width(self.schedule.block_kv);
        }
        let most = match self.head + self.value_head {
            ..=128 => 8,
            129..=256 => 4,
            _ => 2,
        };
        let most = (most / self.split()).max(2);
        let share = self.schedule.block_kv / self.schedule.slice_kv;
        let fits = |chunk: &i64| share % chunk == 0;
        (1..=most).rev().find(fits).unwrap_or(1)
    }

    /// Keys and values pass through workgroup memory, unless only one invocation
    /// would read them.
    pub(super) fn staged(&self) -> bool {
        self.schedule.block_q > 1
    }
}
