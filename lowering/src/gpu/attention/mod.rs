//! The attention kernel: one pass over keys and values with an online softmax,
//! generated from the knobs of its schedule.
//!
//! One workgroup computes `block-q` queries of one head, one invocation each. The
//! invocation keeps its query, scaled, and its accumulator as f32 vectors, with
//! the running maximum m and sum l of its row. With `split-head` neighbours share as many
//! queries: each keeps its part of all of them, so that what it reads of a key or a value
//! serves all, and scores are added up across the subgroup. Blocks of `block-kv` keys and
//! values pass through workgroup memory (`tile.rs`) and are taken into m, l
//! and the accumulator (`softmax.rs`), which divided by l is the result. With
//! `matrix-unit` subgroups multiply the tiles instead (`unit.rs`). Few queries have their keys
//! shared among invocations (`slices.rs`) and among workgroups (`parts.rs`).
//!
//! Blocks that no query of the workgroup sees are not visited; the bound is one
//! per workgroup, so that all of it meets at the barriers. A row that sees nothing
//! has l = 0 and gives 0.
//!
//! Limits: static shapes; head sizes up to 256; scores within ±1.7e38.

mod layout;
mod mask;
mod op;
mod parts;
mod slices;
mod softmax;
mod tile;
mod unit;

use kforge_dialect::{Element, schedule::AttentionSchedule};
use melior::ir::{Type, Value, attribute::IntegerAttribute, r#type::IntegerType};

use layout::{ceil_div, width};
pub use op::convert;

use super::kernel::{Body, Emission, Frame, storage, workgroup};
use crate::emit::{Emit, Emitted, Ix};

/// Less than every score, and finite even after any score is subtracted.
pub(super) const FLOOR: f64 = -1.7e38;

/// Everything an attention kernel depends on.
#[derive(Clone, Debug)]
pub struct AttentionKernel {
    /// Unique name in the module.
    pub name: String,
    /// Element type of all operands.
    pub element: Element,
    /// B.
    pub batch: i64,
    /// H.
    pub heads: i64,
    /// Hkv, which divides H.
    pub kv_heads: i64,
    /// Sq.
    pub queries: i64,
    /// Sk.
    pub keys: i64,
    /// D.
    pub head: i64,
    /// Dv.
    pub value_head: i64,
    /// Dimensions of the mask, aligned with [B, H, Sq, Sk]; 1 broadcasts.
    pub mask: Option<[i64; 4]>,
    /// Query i sees keys j <= i + Sk - Sq.
    pub causal: bool,
    /// Factor of the scores.
    pub scale: f64,
    /// The knobs.
    pub schedule: AttentionSchedule,
    /// Invocations of a subgroup, where heads are split or the matrix unit multiplies.
    pub subgroup_size: i64,
    /// Invocations that the device has in a workgroup.
    pub most_invocations: i64,
}

/// A row of one invocation.
pub(super) struct Row<'c, 'a> {
    /// Batch and head.
    pub plane: Ix<'c, 'a>,
    /// The query; the last one where the invocation has none.
    pub query: Ix<'c, 'a>,
    /// It sees the keys before this one, as far as the mask leaves them.
    pub end: Ix<'c, 'a>,
    /// Its elements, scaled, as far as they are this invocation's and not in memory.
    pub q: Vec<Value<'c, 'a>>,
}

/// What an invocation keeps of a row.
#[derive(Clone)]
pub(super) struct State<'c, 'a> {
    /// The largest score so far.
    pub max: Value<'c, 'a>,
    /// The sum of the weights.
    pub sum: Value<'c, 'a>,
    /// The weighted values, as far as they are this invocation's.
    pub out: Vec<Value<'c, 'a>>,
}

impl<'c, 'a> State<'c, 'a> {
    /// Loop-carried values as the states of `rows` rows.
    pub(super) fn read(values: &[Value<'c, 'a>], rows: i64) -> Vec<Self> {
        let each = values.len() / rows as usize;
        let state = |values: &[Value<'c, 'a>]| Self {
            max: values[0],
            sum: values[1],
            out: values[2..].to_vec(),
        };
        values.chunks(each).map(state).collect()
    }

    /// Them as loop-carried values.
    pub(super) fn write(states: &[Self]) -> Vec<Value<'c, 'a>> {
        let values = states.iter().flat_map(|it| {
            let first = [it.max, it.sum];
            first.into_iter().chain(it.out.iter().copied())
        });
        values.collect()
    }
}

impl AttentionKernel {
    /// Blocks of keys and values, and what else passes through workgroup memory.
    fn workgroup<'c>(&self, emit: &Emit<'c, '_>) -> Vec<Type<'c>> {
        if self.unit() {
            return self.unit_memory(emit);
        }
        let tile = |size: i64| {
            let (rows, width) = (self.schedule.block_kv, width(size));
            workgroup(emit, &[rows, size / width], self.element, width)
        };
        let mut memory = match self.staged() {
            true => vec![tile(self.head), tile(self.value_head)],
            false => Vec::new(),
        };
        memory.extend(self.slice_memory(emit));
        memory
    }

    fn rows<'c>(&self, emit: &Emit<'c, '_>, planes: i64, rows: i64, size: i64) -> Type<'c> {
        let width = width(size);
        storage(emit, &[planes, rows, size / width], self.element, width)
    }

    /// The kernels: one with the arguments q, k, v, mask where there is one, result; or one
    /// that leaves parts in scratch buffers, and one that brings them together.
    pub fn emit<'c, 'a>(&self, kernels: &Emit<'c, 'a>) -> Emitted<Vec<Emission<'c, 'a>>> {
        let main = self.emit_main(kernels)?;
        match self.parts() {
            1 => Ok(vec![main]),
            _ => Ok(vec![main, self.emit_together(kernels)?]),
        }
    }

    fn emit_main<'c, 'a>(&self, kernels: &Emit<'c, 'a>) -> Emitted<Emission<'c, 'a>> {
        let (planes, kv_planes) = (self.batch * self.heads, self.batch * self.kv_heads);
        let mut arguments = vec![
            self.rows(kernels, planes, self.queries, self.head),
            self.rows(kernels, kv_planes, self.keys, self.head),
            self.rows(kernels, kv_planes, self.keys, self.value_head),
        ];
        arguments.extend(self.mask_type(kernels));
        let split = self.parts() > 1;
        match split {
            true => arguments.extend(self.parts_types(kernels)),
            false => arguments.push(self.rows(kernels, planes, self.queries, self.value_head)),
        }
        let frame = Frame {
            name: match split {
                true => format!("{}_parts", self.name),
                false => self.name.clone(),
            },
            arguments,
            workgroup: self.workgroup(kernels),
            invocations: self.invocations(),
            workgroups: self.workgroups_of_a_part() * self.parts(),
        };
        let kernel = frame.kernel(kernels, |emit, body| match self.unit() {
            true => self.unit_body(emit, body),
            false => self.body(emit, body),
        })?;
        Ok(Emission { frame, kernel })
    }

    /// What a workgroup computes: its plane, its first query, and the keys that its queries
    /// see.
    pub(super) fn block_of<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
    ) -> Emitted<[Ix<'c, 'a>; 3]> {
        let block_q = self.schedule.block_q;
        let blocks = ceil_div(self.queries, block_q);
        let id = match self.parts() {
            1 => body.workgroup_id.clone(),
            _ => emit.shared(&body.workgroup_id % self.workgroups_of_a_part())?,
        };
        // Later queries see more keys: the longest work of all heads starts first, so that what
        // runs side by side is long and short.
        let planes = self.batch * self.heads;
        let (plane, block) = match self.causal {
            true => (&id % planes, Ix::Const(blocks - 1) - &id / planes),
            false => (&id / blocks, &id % blocks),
        };
        let plane = emit.shared(plane)?;
        let first = emit.shared(block * block_q)?;
        let seen = emit.shared(self.seen((&first + block_q).min(self.queries)))?;
        Ok([plane, first, seen])
    }

    /// Rows before the first key: nothing seen, nothing summed.
    pub(super) fn empty<'c, 'a>(&self, emit: &Emit<'c, 'a>) -> Emitted<State<'c, 'a>> {
        let f32 = Type::float32(emit.context);
        let lanes = width(self.value_head);
        let zeros = emit.float(f32, emit.vector_type(f32, lanes), 0.0)?;
        Ok(State {
            max: emit.float(f32, f32, FLOOR)?,
            sum: emit.float(f32, f32, 0.0)?,
            out: vec![zeros; self.accesses(self.value_head) as usize],
        })
    }

    fn body<'c, 'a>(&self, emit: &Emit<'c, 'a>, body: &Body<'c, 'a>) -> Emitted<()> {
        let s = &self.schedule;
        let [plane, first, seen] = self.block_of(emit, body)?;
        let split = self.split();
        let (slice, lane) = self.slice_of(emit, &body.invocation)?;
        let part = emit.shared(&lane % split)?;
        let own = emit.shared(&first + &lane / split * split)?;
        let queries = (0..split).map(|row| emit.shared(&own + row));
        let queries = queries.collect::<Emitted<Vec<_>>>()?;
        let rows = queries
            .iter()
            .map(|query| self.row(emit, plane.clone(), query));
        let rows = rows.collect::<Emitted<Vec<_>>>()?;
        let rows = rows
            .into_iter()
            .map(|row| self.with_elements(emit, body, row, &part));
        let rows = rows.collect::<Emitted<Vec<_>>>()?;
        let kv_plane = emit.shared(&plane / (self.heads / self.kv_heads))?;

        let init = State::write(&vec![self.empty(emit)?; rows.len()]);
        let turns = emit.shared((seen.clone() + (s.block_kv - 1)) / s.block_kv)?;
        let [from, to] = self.turns_of(emit, body, turns)?;
        let state = emit.for_loop(&from, &to, 1, &init, |emit, turn, state| {
            let base = emit.shared(turn * s.block_kv)?;
            let tile = self.tile(emit, body, &kv_plane, &base, &part)?;
            self.block(emit, body, &rows, (&seen, &slice), &tile, state)
        })?;

        let states = State::read(&state, split);
        let states = self.add_slices(emit, body, (&slice, &lane), states)?;
        let has_results = self.first_slice(emit, &body.invocation)?;
        emit.when_some(has_results, |emit| {
            let results = queries.into_iter().zip(rows).zip(&states);
            for (number, ((query, row), state)) in results.enumerate() {
                let result = self.result(emit, body, &first, number as i64, (query, row))?;
                self.finish(emit, body, (&result.0, &result.1), &part, state)?;
            }
            self.leave_numbers(emit, body, [&plane, &first], &part, &states)
        })
    }

    /// Keys that the first `queries` queries see, the mask aside.
    fn seen<'c, 'a>(&self, queries: Ix<'c, 'a>) -> Ix<'c, 'a> {
        match self.keys - self.queries {
            _ if !self.causal => Ix::Const(self.keys),
            more @ 0.. => queries + more,
            fewer => {
                // That many queries at the beginning see nothing.
                let blind = -fewer;
                queries.max(blind) - blind
            }
        }
    }

    /// The row of a query, without its elements.
    pub(super) fn row<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        plane: Ix<'c, 'a>,
        query: &Ix<'c, 'a>,
    ) -> Emitted<Row<'c, 'a>> {
        let query = match self.queries % self.schedule.block_q {
            0 => query.clone(),
            _ => emit.shared(query.clone().min(self.queries - 1))?,
        };
        let end = emit.shared(self.seen(&query + 1))?;
        Ok(Row {
            plane,
            query,
            end,
            q: Vec::new(),
        })
    }

    fn with_elements<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        mut row: Row<'c, 'a>,
        part: &Ix<'c, 'a>,
    ) -> Emitted<Row<'c, 'a>> {
        let (f32, width) = (Type::float32(emit.context), width(self.head));
        let element = self.element.to_mlir(emit.context);
        let scale = emit.float(f32, emit.vector_type(f32, width), self.scale)?;
        let q = (0..self.accesses(self.head)).map(|d| {
            let column = self.column(part, d, self.head);
            let at = [row.plane.clone(), row.query.clone(), column];
            let value = emit.load(body.arguments[0], &at)?;
            let value = emit.to_f32(value, element, width)?;
            emit.same("arith.mulf", &[value, scale])
        });
        row.q = q.collect::<Emitted<_>>()?;
        Ok(row)
    }

    /// Stores O/l, or 0 where nothing was visible, or leaves a part, if there is such a query.
    pub(super) fn finish<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        (query, row): (&Ix<'c, 'a>, &Row<'c, 'a>),
        part: &Ix<'c, 'a>,
        state: &State<'c, 'a>,
    ) -> Emitted<()> {
        let block_q = self.schedule.block_q;
        let bound = ceil_div(self.queries, block_q) * block_q;
        let inside = emit.below(query, bound, self.queries)?;
        emit.when_some(inside, |emit| match self.parts() {
            1 => self.write(emit, body, row, part, state),
            _ => self.leave(emit, body, row, part, state),
        })
    }

    fn write<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        row: &Row<'c, 'a>,
        part: &Ix<'c, 'a>,
        state: &State<'c, 'a>,
    ) -> Emitted<()> {
        let result = body.arguments[body.arguments.len() - 1];
        for (d, value) in state.out.iter().enumerate() {
            let value = self.divided(emit, *value, state.sum)?;
            let column = self.column(part, d as i64, self.value_head);
            let at = [row.plane.clone(), row.query.clone(), column];
            emit.store(value, result, &at)?;
        }
        Ok(())
    }

    /// O/l of an access as it is stored, or 0 where nothing was visible.
    fn divided<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        out: Value<'c, 'a>,
        sum: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        const OEQ: i64 = 1;
        let f32 = Type::float32(emit.context);
        let (element, lanes) = (self.element.to_mlir(emit.context), width(self.value_head));
        let (zero, one) = (emit.float(f32, f32, 0.0)?, emit.float(f32, f32, 1.0)?);
        // O is 0 as well then.
        let nothing = compare(emit, OEQ, sum, zero)?;
        let sum = emit.value("arith.select", &[nothing, one, sum], f32, &[])?;
        let sum = emit.broadcast(sum, f32, lanes)?;
        let value = emit.same("arith.divf", &[out, sum])?;
        emit.from_f32(value, element, lanes)
    }
}

/// `arith.cmpf` with a predicate by its number.
pub(super) fn compare<'c, 'a>(
    emit: &Emit<'c, 'a>,
    predicate: i64,
    a: Value<'c, 'a>,
    b: Value<'c, 'a>,
) -> Emitted<Value<'c, 'a>> {
    let boolean = IntegerType::new(emit.context, 1).into();
    let predicate = IntegerAttribute::new(IntegerType::new(emit.context, 64).into(), predicate);
    let predicate = [("predicate", predicate.into())];
    emit.value("arith.cmpf", &[a, b], boolean, &predicate)
}
