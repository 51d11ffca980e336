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

use melior::ir::{Attribute, Type, Value, r#type::IntegerType};

use super::{
    attention::{AttentionKernel, Row, State, width},
    attention_mask::Absent,
    attention_tile::Tile,
    kernel::Body,
};
use crate::emit::{Emit, Emitted, Ix};

impl AttentionKernel {
    /// One block of keys and values, a chunk at a time, as far as the rows see it.
    pub(super) fn block<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        rows: &[Row<'c, 'a>],
        seen: &Ix<'c, 'a>,
        tile: &Tile<'c, 'a>,
        state: &[Value<'c, 'a>],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let chunk = self.chunk();
        let all = self.schedule.block_kv / chunk;
        let chunks = if !self.causal && self.keys % self.schedule.block_kv == 0 {
            Ix::Const(all)
        } else {
            // Rows of a subgroup go on together, as far as one of the workgroup sees.
            let end = match rows {
                [row] => &row.end,
                _ => seen,
            };
            let left = end.clone() - end.clone().min(tile.base.clone());
            emit.shared(((left + (chunk - 1)) / chunk).min(all))?
        };
        emit.for_loop(&Ix::Const(0), &chunks, 1, state, |emit, turn, state| {
            let first = emit.shared(turn * chunk)?;
            let scores = self.scores(emit, rows, tile, &first)?;
            let states = State::read(state, self.split());
            let (mut weights, mut next) = (Vec::new(), Vec::new());
            for ((row, scores), state) in rows.iter().zip(&scores).zip(states) {
                let absent = self.absent(emit, body, row, &tile.base, &first)?;
                let (state, weight) = self.weigh(emit, scores, &absent, state)?;
                next.push(state);
                weights.push(weight);
            }
            self.accumulate(emit, tile, &first, &weights, &mut next)?;
            Ok(State::write(&next))
        })
    }

    /// q·k of each row and each key of a chunk.
    fn scores<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        rows: &[Row<'c, 'a>],
        tile: &Tile<'c, 'a>,
        first: &Ix<'c, 'a>,
    ) -> Emitted<Vec<Vec<Value<'c, 'a>>>> {
        let f32 = Type::float32(emit.context);
        let zero = emit.float(f32, emit.vector_type(f32, width(self.head)), 0.0)?;
        let mut sums = vec![vec![zero; self.chunk() as usize]; rows.len()];
        // Keys inside, so that neighbouring operations do not wait for each other.
        for d in 0..self.accesses(self.head) {
            for index in 0..self.chunk() {
                let k = self.key(emit, tile, &(first + index), d)?;
                for (row, sums) in rows.iter().zip(&mut sums) {
                    let (q, sum) = (row.q[d as usize], &mut sums[index as usize]);
                    *sum = match d {
                        0 => emit.same("arith.mulf", &[q, k])?,
                        _ => emit.same("math.fma", &[q, k, *sum])?,
                    };
                }
            }
        }
        let whole = |sum: Value<'c, 'a>| {
            let sum = match width(self.head) {
                1 => sum,
                _ => add_lanes(emit, sum)?,
            };
            self.add_parts(emit, sum)
        };
        let rows = sums.into_iter();
        rows.map(|sums| sums.into_iter().map(whole).collect())
            .collect()
    }

    /// The sum of the neighbours' parts of a score.
    fn add_parts<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        mut sum: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let i32 = IntegerType::new(emit.context, 32).into();
        let types = [
            Type::float32(emit.context),
            IntegerType::new(emit.context, 1).into(),
        ];
        let mut distance = 1;
        while distance < self.split() {
            let operands = [
                sum,
                emit.integer(i32, distance)?,
                emit.integer(i32, self.subgroup_size)?,
            ];
            let mode =
                Attribute::parse(emit.context, "#gpu<shuffle_mode xor>").ok_or_else(|| {
                    kforge_dialect::Error::Message("the gpu dialect is not loaded".into())
                })?;
            let other = emit.op("gpu.shuffle", &operands, &types, &[("mode", mode)])?;
            let other = other.result(0)?.into();
            sum = emit.same("arith.addf", &[sum, other])?;
            distance *= 2;
        }
        Ok(sum)
    }

    /// Takes the keys of a chunk into m and l of a row, rescales its O, and gives their
    /// weights.
    fn weigh<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        scores: &[Value<'c, 'a>],
        absent: &[Absent<'c, 'a>],
        old: State<'c, 'a>,
    ) -> Emitted<(State<'c, 'a>, Vec<Value<'c, 'a>>)> {
        let f32 = Type::float32(emit.context);
        let lanes = width(self.value_head);
        let scores: Vec<Value> = scores
            .iter()
            .zip(absent)
            .map(|(score, absent)| absent.score(emit, *score))
            .collect::<Emitted<_>>()?;
        let mut max = old.max;
        for score in &scores {
            max = emit.same("arith.maximumf", &[max, *score])?;
        }
        let below = |value: Value<'c, 'a>| -> Emitted<Value<'c, 'a>> {
            let difference = emit.same("arith.subf", &[value, max])?;
            emit.same("math.exp", &[difference])
        };
        let rescale = below(old.max)?;
        let mut sum = emit.same("arith.mulf", &[old.sum, rescale])?;
        let mut weights = Vec::new();
        for (score, absent) in scores.iter().zip(absent) {
            let weight = emit.or_zero(absent.visible, below(*score)?, f32)?;
            sum = emit.same("arith.addf", &[sum, weight])?;
            weights.push(emit.broadcast(weight, f32, lanes)?);
        }
        let rescale = emit.broadcast(rescale, f32, lanes)?;
        let rescaled = |out: &Value<'c, 'a>| emit.same("arith.mulf", &[*out, rescale]);
        let out = old.out.iter().map(rescaled).collect::<Emitted<_>>()?;
        Ok((State { max, sum, out }, weights))
    }

    /// Takes the values of a chunk into O of every row.
    fn accumulate<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        tile: &Tile<'c, 'a>,
        first: &Ix<'c, 'a>,
        weights: &[Vec<Value<'c, 'a>>],
        states: &mut [State<'c, 'a>],
    ) -> Emitted<()> {
        for d in 0..self.accesses(self.value_head) {
            for index in 0..self.chunk() {
                let v = self.value(emit, tile, &(first + index), d)?;
                for (weights, state) in weights.iter().zip(&mut *states) {
                    let out = &mut state.out[d as usize];
                    *out = emit.same("math.fma", &[weights[index as usize], v, *out])?;
                }
            }
        }
        Ok(())
    }
}

fn add_lanes<'c, 'a>(emit: &Emit<'c, 'a>, vector: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
    let kind = Attribute::parse(emit.context, "#vector.kind<add>")
        .ok_or_else(|| kforge_dialect::Error::Message("the vector dialect is not loaded".into()))?;
    let f32 = Type::float32(emit.context);
    emit.value("vector.reduction", &[vector], f32, &[("kind", kind)])
}
