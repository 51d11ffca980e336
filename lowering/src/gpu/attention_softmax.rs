//! The online softmax of an attention kernel: a block of keys and values is taken
//! into the running maximum m, the sum l and the accumulator O of a row.
//!
//! A few keys at a time are scored, so that one rescaling serves all of them:
//!
//! ```text
//! m' = max(m, s...)   r = exp(m - m')   p = exp(s - m')
//! l' = l·r + Σp       O' = O·r + Σ p·v
//! ```
//!
//! Absent keys (`attention_mask.rs`) never count: their p is selected away.

use melior::ir::{Attribute, Type, Value};

use super::{
    attention::{AttentionKernel, Row, width},
    attention_mask::Absent,
    attention_tile::Tile,
    kernel::Body,
};
use crate::emit::{Emit, Emitted, Ix};

impl AttentionKernel {
    /// One block of keys and values, a chunk at a time, as far as the row sees it.
    pub(super) fn block<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        row: &Row<'c, 'a>,
        tile: &Tile<'c, 'a>,
        state: &[Value<'c, 'a>],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let chunk = self.chunk();
        let all = self.schedule.block_kv / chunk;
        let chunks = if !self.causal && self.keys % self.schedule.block_kv == 0 {
            Ix::Const(all)
        } else {
            let left = row.end.clone() - row.end.clone().min(tile.base.clone());
            emit.shared(((left + (chunk - 1)) / chunk).min(all))?
        };
        emit.for_loop(&Ix::Const(0), &chunks, 1, state, |emit, turn, state| {
            let first = emit.shared(turn * chunk)?;
            let scores = self.scores(emit, row, tile, &first)?;
            let absent = self.absent(emit, body, row, &tile.base, &first)?;
            self.accumulate(emit, tile, &first, &scores, &absent, state)
        })
    }

    /// q·k of the keys of a chunk.
    fn scores<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        row: &Row<'c, 'a>,
        tile: &Tile<'c, 'a>,
        first: &Ix<'c, 'a>,
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let f32 = Type::float32(emit.context);
        let zero = emit.float(f32, emit.vector_type(f32, width(self.head)), 0.0)?;
        let mut sums = vec![zero; self.chunk() as usize];
        // Keys inside, so that neighbouring operations do not wait for each other.
        for (d, q) in row.q.iter().enumerate() {
            for (index, sum) in sums.iter_mut().enumerate() {
                let k = self.key(emit, tile, &(first + index as i64), d as i64)?;
                *sum = match d {
                    0 => emit.same("arith.mulf", &[*q, k])?,
                    _ => emit.same("math.fma", &[*q, k, *sum])?,
                };
            }
        }
        if width(self.head) == 1 {
            return Ok(sums);
        }
        sums.into_iter().map(|sum| add_lanes(emit, sum)).collect()
    }

    /// Takes the keys of a chunk into m, l and O.
    fn accumulate<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        tile: &Tile<'c, 'a>,
        first: &Ix<'c, 'a>,
        scores: &[Value<'c, 'a>],
        absent: &[Absent<'c, 'a>],
        state: &[Value<'c, 'a>],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let f32 = Type::float32(emit.context);
        let (old, lanes) = (state[0], width(self.value_head));
        let scores: Vec<Value> = scores
            .iter()
            .zip(absent)
            .map(|(score, absent)| absent.score(emit, *score))
            .collect::<Emitted<_>>()?;
        let mut max = old;
        for score in &scores {
            max = emit.same("arith.maximumf", &[max, *score])?;
        }
        let below = |value: Value<'c, 'a>| -> Emitted<Value<'c, 'a>> {
            let difference = emit.same("arith.subf", &[value, max])?;
            emit.same("math.exp", &[difference])
        };
        let rescale = below(old)?;
        let mut sum = emit.same("arith.mulf", &[state[1], rescale])?;
        let mut weights = Vec::new();
        for (score, absent) in scores.iter().zip(absent) {
            let weight = emit.or_zero(absent.visible, below(*score)?, f32)?;
            sum = emit.same("arith.addf", &[sum, weight])?;
            weights.push(emit.broadcast(weight, f32, lanes)?);
        }
        let rescale = emit.broadcast(rescale, f32, lanes)?;
        let mut next = vec![max, sum];
        for (d, old) in state[2..].iter().enumerate() {
            let mut value = emit.same("arith.mulf", &[*old, rescale])?;
            for (index, weight) in weights.iter().enumerate() {
                let v = self.value(emit, tile, &(first + index as i64), d as i64)?;
                value = emit.same("math.fma", &[*weight, v, value])?;
            }
            next.push(value);
        }
        Ok(next)
    }
}

fn add_lanes<'c, 'a>(emit: &Emit<'c, 'a>, vector: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
    let kind = Attribute::parse(emit.context, "#vector.kind<add>")
        .ok_or_else(|| kforge_dialect::Error::Message("the vector dialect is not loaded".into()))?;
    let f32 = Type::float32(emit.context);
    emit.value("vector.reduction", &[vector], f32, &[("kind", kind)])
}
