//! Products without tiles in workgroup memory: for results of few rows, whose other operand
//! is read once, so that memory decides.
//!
//! slice-k invocations share the contraction of the same results: they take accesses of it
//! in turns, straight from the buffers. What they have summed is added up in a tree in
//! workgroup memory. Neighbours read what lies side by side: slices where `b` is stored
//! along the contraction, columns where it is not.

use kforge_dialect::Element;
use melior::ir::{Type, Value};

use super::{
    MatmulKernel,
    tiles::{Operand, Tile},
};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::{
        kernel::{Body, workgroup},
        tree,
    },
};

/// Which part of a tile an invocation computes.
pub(super) struct ShareOf<'c, 'a> {
    /// First row and column within the tile.
    pub(super) row: Ix<'c, 'a>,
    pub(super) col: Ix<'c, 'a>,
    /// Number of the share, and of the slice of its contraction.
    number: Ix<'c, 'a>,
    slice: Ix<'c, 'a>,
}

impl MatmulKernel {
    /// Workgroup memory for the sums of all slices: per slice, every share's accumulators,
    /// those of neighbours side by side.
    pub(super) fn slice_sums<'c>(&self, emit: &Emit<'c, '_>) -> Option<Type<'c>> {
        let s = &self.schedule;
        let accumulators = s.thread_m * s.thread_n / s.vector_width;
        let dims = [s.slice_k, accumulators, s.shares()];
        (s.slice_k > 1).then(|| workgroup(emit, &dims, Element::F32, s.vector_width))
    }

    /// This invocation's part of the tile.
    pub(super) fn share_of<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        a: &Operand,
        b: &Operand,
    ) -> Emitted<ShareOf<'c, 'a>> {
        let s = &self.schedule;
        let (slice, number) = match b.k_inner || s.slice_k == 1 {
            true => (&body.invocation % s.slice_k, &body.invocation / s.slice_k),
            false => (&body.invocation / s.shares(), &body.invocation % s.shares()),
        };
        let (slice, number) = (emit.shared(slice)?, emit.shared(number)?);
        let [row, col] = self.begin(emit, a, &number)?;
        Ok(ShareOf {
            row,
            col,
            number,
            slice,
        })
    }

    /// First row and column of share `number` within a tile.
    fn begin<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        a: &Operand,
        number: &Ix<'c, 'a>,
    ) -> Emitted<[Ix<'c, 'a>; 2]> {
        let columns = self.schedule.tile_n / self.schedule.thread_n;
        Ok([
            emit.shared(number / columns * self.rows(a).run)?,
            emit.shared(number % columns * self.columns().run)?,
        ])
    }

    /// sums += the slice's part of a tile · b tile.
    pub(super) fn multiply_slice<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        [a, b]: [&Operand; 2],
        [tile_a, tile_b]: [Tile<'c, 'a>; 2],
        share: &ShareOf<'c, 'a>,
        sums: &[Value<'c, 'a>],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let s = &self.schedule;
        let first = emit.shared(&share.slice * s.vector_width)?;
        // All is loaded before anything is multiplied, so that much is under way at a time.
        let mut steps = Vec::new();
        for k in (0..s.tile_k).step_by((s.slice_k * s.vector_width) as usize) {
            let k = emit.shared(&first + k)?;
            let rows = (s.thread_m, self.rows(a));
            let left = self.fragment(emit, a, &share.row, &k, rows, |row, col| {
                self.read(emit, body, 0, a, &tile_a, &row, &col)
            })?;
            let columns = (s.thread_n, self.columns());
            let right = self.fragment(emit, b, &share.col, &k, columns, |row, col| {
                self.read(emit, body, 1, b, &tile_b, &row, &col)
            })?;
            steps.extend(left.into_iter().zip(right));
        }
        let mut sums = sums.to_vec();
        for (left, right) in &steps {
            self.rank_one(emit, left, right, &mut sums)?;
        }
        Ok(sums)
    }

    /// Calls `store` with the sums of the whole contraction and their place in the tile: at
    /// once, or in the first invocations, once those of all slices are added up.
    pub(super) fn whole<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        a: &Operand,
        share: &ShareOf<'c, 'a>,
        sums: &[Value<'c, 'a>],
        store: impl FnOnce(&Emit<'c, 'a>, [&Ix<'c, 'a>; 2], &[Value<'c, 'a>]) -> Emitted<()>,
    ) -> Emitted<()> {
        let slices = self.schedule.slice_k;
        if slices == 1 {
            return store(emit, [&share.row, &share.col], sums);
        }
        let memory = body.workgroup[0];
        let place = |slice: Ix<'c, 'a>, index: usize| {
            let index = Ix::Const(index as i64);
            [slice, index, share.number.clone()]
        };
        for (index, sum) in sums.iter().enumerate() {
            emit.store(*sum, memory, &place(share.slice.clone(), index))?;
        }
        let all = (&share.slice, slices);
        tree::combine(emit, "arith.addf", memory, all, sums.len(), place)?;
        let number = &body.invocation;
        let first = emit.less(number, &Ix::Const(self.schedule.shares()))?;
        emit.when(first, |emit| {
            let [row, col] = self.begin(emit, a, number)?;
            let load = |index: usize| {
                let at = [Ix::Const(0), Ix::Const(index as i64), number.clone()];
                emit.load(memory, &at)
            };
            let sums = (0..sums.len()).map(load).collect::<Emitted<Vec<_>>>()?;
            store(emit, [&row, &col], &sums)
        })
    }
}
