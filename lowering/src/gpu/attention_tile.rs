//! Keys and values of an attention kernel: a block of them in workgroup memory,
//! brought there by all invocations together.
//!
//! Rows beyond the last key are zeros, so that a weight of 0 leaves nothing of
//! them. With one invocation per workgroup nothing is brought anywhere: it reads
//! the operands, at the last key in place of the rows beyond it.

use melior::ir::Value;

use super::{
    attention::{AttentionKernel, ceil_div, width},
    kernel::Body,
};
use crate::emit::{Emit, Emitted, Ix};

/// Loads one invocation has under way at a time.
const LOADS: i64 = 4;

/// A block of keys and values.
pub(super) struct Tile<'c, 'a> {
    /// The first key.
    pub base: Ix<'c, 'a>,
    /// Which part of a head is this invocation's.
    part: Ix<'c, 'a>,
    plane: Ix<'c, 'a>,
    keys: Value<'c, 'a>,
    values: Value<'c, 'a>,
}

/// What is copied: one operand, its rows' size and where they go.
struct Copy<'c, 'a> {
    from: Value<'c, 'a>,
    to: Value<'c, 'a>,
    /// Elements per row.
    size: i64,
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
        let (keys, values) = (body.arguments[1], body.arguments[2]);
        let tile = |keys, values| Tile {
            base: base.clone(),
            part: part.clone(),
            plane: plane.clone(),
            keys,
            values,
        };
        if !self.staged() {
            return Ok(tile(keys, values));
        }
        let tile = tile(body.workgroup[0], body.workgroup[1]);
        // The previous block must have been read by all before it is replaced.
        emit.barrier()?;
        for (from, to, size) in [
            (keys, tile.keys, self.head),
            (values, tile.values, self.value_head),
        ] {
            self.copy(emit, &body.invocation, &tile, &Copy { from, to, size })?;
        }
        emit.barrier()?;
        Ok(tile)
    }

    fn copy<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        invocation: &Ix<'c, 'a>,
        tile: &Tile<'c, 'a>,
        copy: &Copy<'c, 'a>,
    ) -> Emitted<()> {
        let invocations = self.schedule.block_q;
        let per_row = copy.size / width(copy.size);
        let vectors = self.schedule.block_kv * per_row;
        if vectors == 0 {
            return Ok(());
        }
        let loads = ceil_div(vectors, invocations).min(LOADS);
        let stride = loads * invocations;
        let turns = ceil_div(vectors, stride);
        let past_end = turns * stride != vectors;
        let (from, to) = (Ix::Const(0), Ix::Const(turns));
        emit.for_loop(&from, &to, 1, &[], |emit, turn, _| {
            let first = emit.shared(turn * stride + invocation.clone())?;
            let places: Vec<[Ix; 3]> = (0..loads)
                .map(|load| {
                    let number = emit.shared(&first + load * invocations)?;
                    let row = emit.shared(&number / per_row)?;
                    let column = emit.shared(&number % per_row)?;
                    Ok([number, row, column])
                })
                .collect::<Emitted<_>>()?;
            let loaded: Vec<Value> = places
                .iter()
                .map(|[_, row, column]| self.fetch(emit, tile, copy, past_end, row, column))
                .collect::<Emitted<_>>()?;
            for ([number, row, column], value) in places.into_iter().zip(loaded) {
                // The last turn may pass the end of the block.
                let inside = emit.below(&number, turns * stride, vectors)?;
                emit.when_some(inside, |emit| emit.store(value, copy.to, &[row, column]))?;
            }
            Ok(Vec::new())
        })?;
        Ok(())
    }

    /// One vector of a block; zeros beyond the last key.
    fn fetch<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        tile: &Tile<'c, 'a>,
        copy: &Copy<'c, 'a>,
        past_end: bool,
        row: &Ix<'c, 'a>,
        column: &Ix<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let mut key = emit.shared(&tile.base + row.clone())?;
        let mut inside = None;
        if past_end || self.keys % self.schedule.block_kv != 0 {
            inside = Some(emit.less(&key, &Ix::Const(self.keys))?);
            key = key.min(self.keys - 1);
        }
        let value = emit.load(copy.from, &[tile.plane.clone(), key, column.clone()])?;
        emit.or_zero(inside, value, self.element.to_mlir(emit.context))
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
        let column = &tile.part * self.accesses(size) + d;
        let value = if self.staged() {
            emit.load(memory, &[index.clone(), column])?
        } else {
            let mut row = &tile.base + index.clone();
            if self.keys % self.chunk() != 0 {
                row = row.min(self.keys - 1);
            }
            emit.load(memory, &[tile.plane.clone(), row, column])?
        };
        emit.to_f32(value, self.element.to_mlir(emit.context), width(size))
    }
}
