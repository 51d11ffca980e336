//! Keys and values of an attention kernel: a block of them in workgroup memory,
//! brought there by all invocations together.
//!
//! Rows beyond the last key are zeros, so that a weight of 0 leaves nothing of
//! them. With one invocation per workgroup nothing is brought anywhere: it reads
//! the operands, at the last key in place of the rows beyond it.

use melior::ir::Value;

use super::{
    AttentionKernel,
    layout::{ceil_div, width},
};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::kernel::Body,
};

/// Loads one invocation has under way at a time.
const LOADS: i64 = 4;

/// A block of keys and values.
pub(super) struct Tile<'c, 'a> {
    /// The first key.
    pub base: Ix<'c, 'a>,
    /// Which part of a head is this invocation's.
    part: Ix<'c, 'a>,
    plane: Ix<'c, 'a>,
    pub keys: Value<'c, 'a>,
    pub values: Value<'c, 'a>,
}

/// What is copied: rows of one plane of an operand, and where they go.
pub(super) struct Copy<'k, 'c, 'a> {
    pub from: Value<'c, 'a>,
    pub to: Value<'c, 'a>,
    pub plane: &'k Ix<'c, 'a>,
    /// The first row.
    pub base: &'k Ix<'c, 'a>,
    /// How many go there.
    pub rows: i64,
    /// Rows of the operand; behind them are zeros.
    pub limit: i64,
    /// Elements per row.
    pub size: i64,
}

impl Copy<'_, '_, '_> {
    /// Vectors of a row.
    fn per_row(&self) -> i64 {
        self.size / width(self.size)
    }
}

/// How a block is copied: loads of an invocation that are under way together, and how often.
#[derive(Clone, Copy)]
struct Turn {
    loads: i64,
    turns: i64,
}

impl AttentionKernel {
    /// The block from `base` on, ready to be read by the whole workgroup.
    pub(super) fn tile<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        plane: &Ix<'c, 'a>,
        base: &Ix<'c, 'a>,
        part: &Ix<'c, 'a>,
    ) -> Emitted<Tile<'c, 'a>> {
        if !self.staged() {
            return Ok(Tile {
                base: base.clone(),
                part: part.clone(),
                plane: plane.clone(),
                keys: body.arguments[1],
                values: body.arguments[2],
            });
        }
        // The previous block must have been read by all before it is replaced.
        emit.barrier()?;
        for copy in self.copies(body, plane, base) {
            self.copy(emit, &body.invocation, &copy)?;
        }
        emit.barrier()?;
        Ok(self.brought(body, plane, base, part))
    }

    /// The block from `base` on, as it lies in workgroup memory.
    pub(super) fn brought<'c, 'a>(
        &self,
        body: &Body<'c, 'a>,
        plane: &Ix<'c, 'a>,
        base: &Ix<'c, 'a>,
        part: &Ix<'c, 'a>,
    ) -> Tile<'c, 'a> {
        Tile {
            base: base.clone(),
            part: part.clone(),
            plane: plane.clone(),
            keys: body.workgroup[0],
            values: body.workgroup[1],
        }
    }

    /// Keys and values of the block from `base` on.
    fn copies<'k, 'c, 'a>(
        &self,
        body: &Body<'c, 'a>,
        plane: &'k Ix<'c, 'a>,
        base: &'k Ix<'c, 'a>,
    ) -> [Copy<'k, 'c, 'a>; 2] {
        [(0, self.head), (1, self.value_head)].map(|(operand, size)| Copy {
            from: body.arguments[1 + operand],
            to: body.workgroup[operand],
            plane,
            base,
            rows: self.schedule.block_kv,
            limit: self.keys,
            size,
        })
    }

    /// The block from `base` on in registers, as far as this invocation brings it.
    pub(super) fn ahead<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        plane: &Ix<'c, 'a>,
        base: &Ix<'c, 'a>,
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let mut values = Vec::new();
        for copy in self.copies(body, plane, base) {
            let turn = self.whole(&copy);
            let places = self.places(emit, &body.invocation, &copy, turn)?;
            values.extend(self.fetch(emit, &copy, turn, &places)?);
        }
        Ok(values)
    }

    /// Puts what [`Self::ahead`] gave where the whole workgroup reads it.
    pub(super) fn arrive<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        mut values: &[Value<'c, 'a>],
    ) -> Emitted<()> {
        emit.barrier()?;
        let nowhere = Ix::Const(0);
        for copy in self.copies(body, &nowhere, &nowhere) {
            let turn = self.whole(&copy);
            let places = self.places(emit, &body.invocation, &copy, turn)?;
            let (own, others) = values.split_at(places.len());
            self.put(emit, &copy, turn, places, own)?;
            values = others;
        }
        emit.barrier()
    }

    /// Copies, by all invocations together.
    pub(super) fn copy<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        invocation: &Ix<'c, 'a>,
        copy: &Copy<'_, 'c, 'a>,
    ) -> Emitted<()> {
        let turn = self.turn(copy, LOADS);
        if turn.loads == 0 {
            return Ok(());
        }
        let stride = turn.loads * self.invocations();
        let (from, to) = (Ix::Const(0), Ix::Const(turn.turns));
        emit.for_loop(&from, &to, 1, &[], |emit, number, _| {
            let first = emit.shared(number * stride + invocation.clone())?;
            let places = self.places(emit, &first, copy, turn)?;
            let values = self.fetch(emit, copy, turn, &places)?;
            self.put(emit, copy, turn, places, &values)?;
            Ok(Vec::new())
        })?;
        Ok(())
    }

    /// All of a copy at once.
    fn whole(&self, copy: &Copy) -> Turn {
        self.turn(copy, i64::MAX)
    }

    /// How it is copied with at most so many loads of an invocation under way.
    fn turn(&self, copy: &Copy, most: i64) -> Turn {
        let vectors = copy.rows * copy.per_row();
        let loads = ceil_div(vectors, self.invocations()).min(most);
        Turn {
            loads,
            turns: ceil_div(vectors, (loads * self.invocations()).max(1)),
        }
    }

    /// Vectors of an invocation in a turn that begins with vector `first` for it: number, row
    /// and column of each.
    fn places<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        first: &Ix<'c, 'a>,
        copy: &Copy<'_, 'c, 'a>,
        turn: Turn,
    ) -> Emitted<Vec<[Ix<'c, 'a>; 3]>> {
        let place = |load| {
            let number = emit.shared(first + load * self.invocations())?;
            let row = emit.shared(&number / copy.per_row())?;
            let column = emit.shared(&number % copy.per_row())?;
            Ok([number, row, column])
        };
        (0..turn.loads).map(place).collect()
    }

    /// Vectors of a block; zeros beyond the last row.
    fn fetch<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        copy: &Copy<'_, 'c, 'a>,
        turn: Turn,
        places: &[[Ix<'c, 'a>; 3]],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let past_end = self.all(turn) != copy.rows * copy.per_row();
        let element = self.element.to_mlir(emit.context);
        let one = |[_, row, column]: &[Ix<'c, 'a>; 3]| {
            let mut row = emit.shared(copy.base + row.clone())?;
            let mut inside = None;
            if past_end || copy.limit % copy.rows != 0 {
                inside = Some(emit.less(&row, &Ix::Const(copy.limit))?);
                row = row.min(copy.limit - 1);
            }
            let value = emit.load(copy.from, &[copy.plane.clone(), row, column.clone()])?;
            emit.or_zero(inside, value, element)
        };
        places.iter().map(one).collect()
    }

    fn put<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        copy: &Copy<'_, 'c, 'a>,
        turn: Turn,
        places: Vec<[Ix<'c, 'a>; 3]>,
        values: &[Value<'c, 'a>],
    ) -> Emitted<()> {
        let vectors = copy.rows * copy.per_row();
        for ([number, row, column], value) in places.into_iter().zip(values) {
            // The last turn may pass the end of the block.
            let inside = emit.below(&number, self.all(turn), vectors)?;
            emit.when_some(inside, |emit| emit.store(*value, copy.to, &[row, column]))?;
        }
        Ok(())
    }

    /// Vectors of all invocations in all turns.
    fn all(&self, turn: Turn) -> i64 {
        turn.turns * turn.loads * self.invocations()
    }

    /// Vector `d` of this invocation's part of key number `index` of a block, in f32.
    pub(super) fn key<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        tile: &Tile<'c, 'a>,
        index: &Ix<'c, 'a>,
        d: i64,
    ) -> Emitted<Value<'c, 'a>> {
        self.read(emit, tile, tile.keys, self.head, index, d)
    }

    /// Vector `d` of this invocation's part of value number `index` of a block, in f32.
    pub(super) fn value<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        tile: &Tile<'c, 'a>,
        index: &Ix<'c, 'a>,
        d: i64,
    ) -> Emitted<Value<'c, 'a>> {
        self.read(emit, tile, tile.values, self.value_head, index, d)
    }

    fn read<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        tile: &Tile<'c, 'a>,
        memory: Value<'c, 'a>,
        size: i64,
        index: &Ix<'c, 'a>,
        d: i64,
    ) -> Emitted<Value<'c, 'a>> {
        let column = self.column(&tile.part, d, size);
        let value = if self.staged() {
            emit.load(memory, &[index.clone(), column])?
        } else {
            let mut row = &tile.base + index.clone();
            if self.keys % self.span() != 0 {
                row = row.min(self.keys - 1);
            }
            emit.load(memory, &[tile.plane.clone(), row, column])?
        };
        emit.to_f32(value, self.element.to_mlir(emit.context), width(size))
    }
}
