//! The attention kernel: one pass over keys and values with an online softmax,
//! generated from the knobs of its schedule.
//!
//! One workgroup computes `block-q` queries of one head, one invocation each. The
//! invocation keeps its query, scaled, and its accumulator as f32 vectors, with
//! the running maximum m and sum l of its row. With `split-head` neighbours share as many
//! queries: each keeps its part of all of them, so that what it reads of a key or a value
//! serves all, and scores are added up across the subgroup. Blocks of `block-kv` keys and
//! values pass through workgroup memory (`attention_tile.rs`) and are taken into m, l
//! and the accumulator (`attention_softmax.rs`), which divided by l is the result.
//!
//! Blocks that no query of the workgroup sees are not visited; the bound is one
//! per workgroup, so that all of it meets at the barriers. A row that sees nothing
//! has l = 0 and gives 0.
//!
//! Limits: static shapes; head sizes up to 256; scores within ±1.7e38.

use kforge_dialect::{Element, schedule::AttentionSchedule};
use melior::ir::{Type, Value, attribute::IntegerAttribute, r#type::IntegerType};

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
    /// Invocations of a subgroup, where heads are split.
    pub subgroup_size: i64,
}

/// A row of one invocation.
pub(super) struct Row<'c, 'a> {
    /// Batch and head.
    pub plane: Ix<'c, 'a>,
    /// The query; the last one where the invocation has none.
    pub query: Ix<'c, 'a>,
    /// It sees the keys before this one, as far as the mask leaves them.
    pub end: Ix<'c, 'a>,
    /// Its elements, scaled, as far as they are this invocation's.
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

    /// Accesses of a row of `size` elements that are one invocation's.
    pub(super) fn accesses(&self, size: i64) -> i64 {
        size / width(size) / self.split()
    }

    /// Keys scored together: a divisor of block-kv, fewer for large heads and for several
    /// rows, whose code would grow.
    pub(super) fn chunk(&self) -> i64 {
        let most = match self.head + self.value_head {
            ..=128 => 8,
            129..=256 => 4,
            _ => 2,
        };
        let most = (most / self.split()).max(2);
        let fits = |chunk: &i64| self.schedule.block_kv % chunk == 0;
        (1..=most).rev().find(fits).unwrap_or(1)
    }

    /// Keys and values pass through workgroup memory, unless only one invocation
    /// would read them.
    pub(super) fn staged(&self) -> bool {
        self.schedule.block_q > 1
    }

    fn rows<'c>(&self, emit: &Emit<'c, '_>, planes: i64, rows: i64, size: i64) -> Type<'c> {
        let width = width(size);
        storage(emit, &[planes, rows, size / width], self.element, width)
    }

    /// The kernel, with the arguments q, k, v, mask where there is one, result.
    pub fn emit<'c, 'a>(&self, kernels: &Emit<'c, 'a>) -> Emitted<Emission<'c, 'a>> {
        let (planes, kv_planes) = (self.batch * self.heads, self.batch * self.kv_heads);
        let mut arguments = vec![
            self.rows(kernels, planes, self.queries, self.head),
            self.rows(kernels, kv_planes, self.keys, self.head),
            self.rows(kernels, kv_planes, self.keys, self.value_head),
        ];
        arguments.extend(self.mask_type(kernels));
        arguments.push(self.rows(kernels, planes, self.queries, self.value_head));
        let tile = |size: i64| {
            let (rows, width) = (self.schedule.block_kv, width(size));
            workgroup(kernels, &[rows, size / width], self.element, width)
        };
        let frame = Frame {
            name: self.name.clone(),
            arguments,
            workgroup: match self.staged() {
                true => vec![tile(self.head), tile(self.value_head)],
                false => Vec::new(),
            },
            invocations: self.schedule.block_q,
            workgroups: planes * ceil_div(self.queries, self.schedule.block_q),
        };
        let kernel = frame.kernel(kernels, |emit, body| self.body(emit, body))?;
        Ok(Emission { frame, kernel })
    }

    fn body<'c, 'a>(&self, emit: &Emit<'c, 'a>, body: &Body<'c, 'a>) -> Emitted<()> {
        let s = &self.schedule;
        let blocks = ceil_div(self.queries, s.block_q);
        let plane = emit.shared(&body.workgroup_id / blocks)?;
        let mut block = &body.workgroup_id % blocks;
        if self.causal {
            // Later queries see more keys: the longest work starts first.
            block = Ix::Const(blocks - 1) - block;
        }
        let first = emit.shared(block * s.block_q)?;
        let split = self.split();
        let part = emit.shared(&body.invocation % split)?;
        let own = emit.shared(&first + &body.invocation / split * split)?;
        let queries = (0..split).map(|row| emit.shared(&own + row));
        let queries = queries.collect::<Emitted<Vec<_>>>()?;
        let rows = queries
            .iter()
            .map(|query| self.row(emit, body, plane.clone(), query, &part));
        let rows = rows.collect::<Emitted<Vec<_>>>()?;
        let seen = emit.shared(self.seen((first + s.block_q).min(self.queries)))?;
        let kv_plane = emit.shared(&plane / (self.heads / self.kv_heads))?;

        let f32 = Type::float32(emit.context);
        let lanes = width(self.value_head);
        let zeros = emit.float(f32, emit.vector_type(f32, lanes), 0.0)?;
        let empty = State {
            max: emit.float(f32, f32, FLOOR)?,
            sum: emit.float(f32, f32, 0.0)?,
            out: vec![zeros; self.accesses(self.value_head) as usize],
        };
        let init = State::write(&vec![empty; rows.len()]);
        let turns = emit.shared((seen.clone() + (s.block_kv - 1)) / s.block_kv)?;
        let state = emit.for_loop(&Ix::Const(0), &turns, 1, &init, |emit, turn, state| {
            let base = emit.shared(turn * s.block_kv)?;
            let tile = self.tile(emit, body, &kv_plane, &base, &part)?;
            self.block(emit, body, &rows, &seen, &tile, state)
        })?;

        let result = body.arguments[body.arguments.len() - 1];
        let states = State::read(&state, split);
        for ((query, row), state) in queries.iter().zip(&rows).zip(&states) {
            let inside = emit.below(query, blocks * s.block_q, self.queries)?;
            emit.when_some(inside, |emit| self.finish(emit, result, row, &part, state))?;
        }
        Ok(())
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

    fn row<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        plane: Ix<'c, 'a>,
        query: &Ix<'c, 'a>,
        part: &Ix<'c, 'a>,
    ) -> Emitted<Row<'c, 'a>> {
        let query = match self.queries % self.schedule.block_q {
            0 => query.clone(),
            _ => emit.shared(query.clone().min(self.queries - 1))?,
        };
        let end = emit.shared(self.seen(&query + 1))?;
        let (f32, width) = (Type::float32(emit.context), width(self.head));
        let element = self.element.to_mlir(emit.context);
        let scale = emit.float(f32, emit.vector_type(f32, width), self.scale)?;
        let accesses = self.accesses(self.head);
        let q = (0..accesses)
            .map(|d| {
                let at = [plane.clone(), query.clone(), part * accesses + d];
                let value = emit.load(body.arguments[0], &at)?;
                let value = emit.to_f32(value, element, width)?;
                emit.same("arith.mulf", &[value, scale])
            })
            .collect::<Emitted<_>>()?;
        Ok(Row {
            plane,
            query,
            end,
            q,
        })
    }

    /// Stores O/l, or 0 where nothing was visible.
    fn finish<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        result: Value<'c, 'a>,
        row: &Row<'c, 'a>,
        part: &Ix<'c, 'a>,
        state: &State<'c, 'a>,
    ) -> Emitted<()> {
        const OEQ: i64 = 1;
        let f32 = Type::float32(emit.context);
        let (element, lanes) = (self.element.to_mlir(emit.context), width(self.value_head));
        let (zero, one) = (emit.float(f32, f32, 0.0)?, emit.float(f32, f32, 1.0)?);
        // O is 0 as well then.
        let nothing = compare(emit, OEQ, state.sum, zero)?;
        let sum = emit.value("arith.select", &[nothing, one, state.sum], f32, &[])?;
        let sum = emit.broadcast(sum, f32, lanes)?;
        for (d, value) in state.out.iter().enumerate() {
            let value = emit.same("arith.divf", &[*value, sum])?;
            let value = emit.from_f32(value, element, lanes)?;
            let column = part * state.out.len() as i64 + d as i64;
            let at = [row.plane.clone(), row.query.clone(), column];
            emit.store(value, result, &at)?;
        }
        Ok(())
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
