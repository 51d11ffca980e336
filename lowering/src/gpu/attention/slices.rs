//! Slices of an attention kernel: several invocations take the keys of a query in turns, and
//! what each has of m, l and O is brought together in workgroup memory at the end.
//!
//! ```text
//! M = max m...   r = exp(m - M)   l = Σ l·r   O = Σ O·r
//! ```

use kforge_dialect::Element;
use melior::ir::{Type, Value};

use super::{AttentionKernel, Row, State, layout::width};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::{
        kernel::{Body, workgroup},
        tree,
    },
};

/// An invocation as a slice, and its number in that.
type Number<'k, 'c, 'a> = (&'k Ix<'c, 'a>, &'k Ix<'c, 'a>);

impl AttentionKernel {
    fn slices(&self) -> i64 {
        self.schedule.slice_kv
    }

    /// Workgroup memory for what slices add up: accumulators, and a number of each row.
    pub(super) fn slice_memory<'c>(&self, emit: &Emit<'c, '_>) -> Vec<Type<'c>> {
        if self.slices() == 1 {
            return Vec::new();
        }
        let (rows, lanes) = (
            self.slices() * self.schedule.block_q,
            width(self.value_head),
        );
        let accesses = self.split() * self.accesses(self.value_head);
        vec![
            workgroup(emit, &[rows, accesses], Element::F32, lanes),
            workgroup(emit, &[rows, self.split()], Element::F32, 1),
        ]
    }

    /// The slice of an invocation, and its number in it.
    pub(super) fn slice_of<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        invocation: &Ix<'c, 'a>,
    ) -> Emitted<(Ix<'c, 'a>, Ix<'c, 'a>)> {
        if self.slices() == 1 {
            return Ok((Ix::Const(0), invocation.clone()));
        }
        let block_q = self.schedule.block_q;
        Ok((
            emit.shared(invocation / block_q)?,
            emit.shared(invocation % block_q)?,
        ))
    }

    /// Whether an invocation is of the slice that has the results, where there are others.
    pub(super) fn first_slice<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        invocation: &Ix<'c, 'a>,
    ) -> Emitted<Option<Value<'c, 'a>>> {
        emit.below(invocation, self.invocations(), self.schedule.block_q)
    }

    /// Row `number` of an invocation that has results. In the first slice an invocation's number
    /// is that of its lane; said by it, rows of different invocations are seen to be apart.
    pub(super) fn result<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        first: &Ix<'c, 'a>,
        number: i64,
        (query, row): (Ix<'c, 'a>, Row<'c, 'a>),
    ) -> Emitted<(Ix<'c, 'a>, Row<'c, 'a>)> {
        if self.slices() == 1 {
            return Ok((query, row));
        }
        let split = self.split();
        let query = emit.shared(first + &body.invocation / split * split + number)?;
        let row = Row {
            query: query.clone(),
            ..row
        };
        Ok((query, row))
    }

    /// The rows' states with those of all slices, in the first one.
    pub(super) fn add_slices<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        number: Number<'_, 'c, 'a>,
        states: Vec<State<'c, 'a>>,
    ) -> Emitted<Vec<State<'c, 'a>>> {
        if self.slices() == 1 {
            return Ok(states);
        }
        let [.., accumulators, numbers] = body.workgroup[..] else {
            return Ok(states);
        };
        let maxima: Vec<Value> = states.iter().map(|state| state.max).collect();
        let maxima = self.combined(emit, "arith.maximumf", numbers, number, &maxima)?;
        let (f32, lanes) = (Type::float32(emit.context), width(self.value_head));
        let (mut sums, mut outs) = (Vec::new(), Vec::new());
        for (state, max) in states.iter().zip(&maxima) {
            let difference = emit.same("arith.subf", &[state.max, *max])?;
            let rescale = emit.same("math.exp", &[difference])?;
            sums.push(emit.same("arith.mulf", &[state.sum, rescale])?);
            let rescale = emit.broadcast(rescale, f32, lanes)?;
            for out in &state.out {
                outs.push(emit.same("arith.mulf", &[*out, rescale])?);
            }
        }
        // What is there of the maxima must have been read by all.
        emit.barrier()?;
        let sums = self.combined(emit, "arith.addf", numbers, number, &sums)?;
        let outs = self.combined(emit, "arith.addf", accumulators, number, &outs)?;
        let each = outs.len() / states.len();
        let states = maxima.into_iter().zip(sums).zip(outs.chunks(each.max(1)));
        let state = |((max, sum), out): ((_, _), &[Value<'c, 'a>])| State {
            max,
            sum,
            out: out.to_vec(),
        };
        Ok(states.map(state).collect())
    }

    /// Values of all slices, combined in a tree.
    fn combined<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        op: &str,
        memory: Value<'c, 'a>,
        (slice, lane): Number<'_, 'c, 'a>,
        values: &[Value<'c, 'a>],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let block_q = self.schedule.block_q;
        let at = |slice: Ix<'c, 'a>, index: usize| {
            [slice * block_q + lane.clone(), Ix::Const(index as i64)]
        };
        for (index, value) in values.iter().enumerate() {
            emit.store(*value, memory, &at(slice.clone(), index))?;
        }
        let own = (slice, self.slices());
        tree::combine(emit, op, memory, own, values.len(), at)?;
        let results = (0..values.len()).map(|index| emit.load(memory, &at(Ix::Const(0), index)));
        results.collect()
    }
}
