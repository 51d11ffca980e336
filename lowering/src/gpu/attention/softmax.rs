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
//! Absent keys (`mask.rs`) never count: their p is selected away.

use melior::ir::{Attribute, Type, Value};

use super::{AttentionKernel, Row, State, layout::width, mask::Absent, tile::Tile};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::{kernel::Body, shuffle},
};

/// Keys taken into a row.
pub(super) struct Weighed<'c, 'a> {
    /// m'.
    pub max: Value<'c, 'a>,
    /// l'.
    pub sum: Value<'c, 'a>,
    /// r.
    pub rescale: Value<'c, 'a>,
    /// p of each key.
    pub weights: Vec<Value<'c, 'a>>,
}

impl AttentionKernel {
    /// One block of keys and values, a chunk at a time, as far as the rows see it.
    pub(super) fn block<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        rows: &[Row<'c, 'a>],
        (seen, slice): (&Ix<'c, 'a>, &Ix<'c, 'a>),
        tile: &Tile<'c, 'a>,
        state: &[Value<'c, 'a>],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        // Slices take chunks in turns.
        let (chunk, slices) = (self.chunk(), self.schedule.slice_kv);
        let step = chunk * slices;
        let all = self.schedule.block_kv / step;
        let chunks = if !self.causal && self.keys % self.schedule.block_kv == 0 {
            Ix::Const(all)
        } else {
            // Rows of a subgroup go on together, as far as one of the workgroup sees.
            let end = match rows {
                [row] if !self.together() => &row.end,
                _ => seen,
            };
            let left = end.clone() - end.clone().min(tile.base.clone());
            emit.shared(((left + (step - 1)) / step).min(all))?
        };
        emit.for_loop(&Ix::Const(0), &chunks, 1, state, |emit, turn, state| {
            let first = emit.shared((turn * slices + slice.clone()) * chunk)?;
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
            let size = self.subgroup_size;
            shuffle::combine(emit, "arith.addf", sum, self.split(), size)
        };
        let rows = sums.into_iter();
        rows.map(|sums| sums.into_iter().map(whole).collect())
            .collect()
    }

    /// Takes the keys of a chunk into m and l of a row, rescales its O, and gives their
    /// weights beside an access of a value.
    fn weigh<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        scores: &[Value<'c, 'a>],
        absent: &[Absent<'c, 'a>],
        old: State<'c, 'a>,
    ) -> Emitted<(State<'c, 'a>, Vec<Value<'c, 'a>>)> {
        let f32 = Type::float32(emit.context);
        let lanes = width(self.value_head);
        let mut weighed = self.weights(emit, scores, absent, [old.max, old.sum], 1)?;
        for weight in &mut weighed.weights {
            *weight = emit.broadcast(*weight, f32, lanes)?;
        }
        let rescale = emit.broadcast(weighed.rescale, f32, lanes)?;
        let rescaled = |out: &Value<'c, 'a>| emit.same("arith.mulf", &[*out, rescale]);
        let state = State {
            max: weighed.max,
            sum: weighed.sum,
            out: old.out.iter().map(rescaled).collect::<Emitted<_>>()?,
        };
        Ok((state, weighed.weights))
    }

    /// Takes keys into m, which `sharers` neighbours have in common, and into this
    /// invocation's part of l.
    pub(super) fn weights<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        scores: &[Value<'c, 'a>],
        absent: &[Absent<'c, 'a>],
        [old_max, old_sum]: [Value<'c, 'a>; 2],
        sharers: i64,
    ) -> Emitted<Weighed<'c, 'a>> {
        let f32 = Type::float32(emit.context);
        let scores: Vec<Value> = scores
            .iter()
            .zip(absent)
            .map(|(score, absent)| absent.score(emit, *score))
            .collect::<Emitted<_>>()?;
        let max = fold(emit, "arith.maximumf", scores.clone(), old_max)?;
        let size = self.subgroup_size;
        let max = shuffle::combine(emit, "arith.maximumf", max, sharers, size)?;
        let below = |value: Value<'c, 'a>| -> Emitted<Value<'c, 'a>> {
            let difference = emit.same("arith.subf", &[value, max])?;
            emit.same("math.exp", &[difference])
        };
        let rescale = below(old_max)?;
        let sum = emit.same("arith.mulf", &[old_sum, rescale])?;
        let weights = scores.iter().zip(absent);
        let weights = weights
            .map(|(score, absent)| emit.or_zero(absent.visible, below(*score)?, f32))
            .collect::<Emitted<Vec<_>>>()?;
        let sum = fold(emit, "arith.addf", weights.clone(), sum)?;
        Ok(Weighed {
            max,
            sum,
            rescale,
            weights,
        })
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

/// Combines `values` two by two, then with `first`, so that few wait for each other.
fn fold<'c, 'a>(
    emit: &Emit<'c, 'a>,
    op: &str,
    mut values: Vec<Value<'c, 'a>>,
    first: Value<'c, 'a>,
) -> Emitted<Value<'c, 'a>> {
    while values.len() > 1 {
        let pairs = values.chunks(2).map(|pair| match pair {
            [a, b] => emit.same(op, &[*a, *b]),
            _ => Ok(pair[0]),
        });
        values = pairs.collect::<Emitted<_>>()?;
    }
    match values[..] {
        [value] => emit.same(op, &[first, value]),
        _ => Ok(first),
    }
}

fn add_lanes<'c, 'a>(emit: &Emit<'c, 'a>, vector: Value<'c, 'a>) -> Emitted<Value<'c, 'a>> {
    let kind = Attribute::parse(emit.context, "#vector.kind<add>")
        .ok_or_else(|| kforge_dialect::Error::Message("the vector dialect is not loaded".into()))?;
    let f32 = Type::float32(emit.context);
    emit.value("vector.reduction", &[vector], f32, &[("kind", kind)])
}
