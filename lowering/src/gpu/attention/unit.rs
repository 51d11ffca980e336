//! Attention on the matrix unit: subgroups multiply queries by keys and weights by values.
//!
//! A subgroup has as many queries as a matrix has rows. For each block of keys its scores
//! pass through workgroup memory to the invocations, several to a row, which weigh them
//! (`softmax.rs`); the weights go back as f16, and their products with the values
//! come the same way to the accumulators, where they are added after rescaling. So O stays in
//! f32 registers, and no invocation needs to know how a matrix is spread over a subgroup.
//!
//! Weights are written 2^14 times as large, which l makes up for: the smallest f16 is then
//! 2^-38 of the largest weight, below what f32 sums keep.
//!
//! Which invocations read a row is counted in invocations, which subgroup has multiplied it
//! in subgroups; barriers stand between, so they need not be the same.

use kforge_dialect::{Element, schedule::MATRIX_PADDING};
use melior::ir::{Type, Value};

use super::{
    AttentionKernel, Row, State,
    mask::Absent,
    tile::{Copy, Tile},
};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::{
        kernel::{Body, workgroup},
        matrix::{Matrices, Place, Role},
        shuffle,
    },
};

/// Elements per access of everything in workgroup memory.
const WIDTH: i64 = 4;
/// How much larger weights are written than they are.
const WEIGHT_SCALE: f64 = 16384.0;

/// What passes through workgroup memory beside keys and values.
struct Passing<'c, 'a> {
    /// Scores, then products with values: f32.
    sums: Value<'c, 'a>,
    /// Queries, then weights: f16.
    operands: Value<'c, 'a>,
}

/// The first row of a subgroup in workgroup memory.
type Own<'k, 'c, 'a> = &'k Ix<'c, 'a>;

impl AttentionKernel {
    /// Keys, values, sums and operands.
    pub(super) fn unit_memory<'c>(&self, emit: &Emit<'c, '_>) -> Vec<Type<'c>> {
        let (q, kv) = (self.schedule.block_q, self.schedule.block_kv);
        let [sums, operands] = self.pitches();
        let rows = |rows, pitch, element| workgroup(emit, &[rows, pitch], element, WIDTH);
        vec![
            rows(kv, pitch(self.head), self.element),
            rows(kv, pitch(self.value_head), self.element),
            rows(q, sums, Element::F32),
            rows(q, operands, self.element),
        ]
    }

    /// Accesses from row to row of sums and of operands.
    fn pitches(&self) -> [i64; 2] {
        let kv = self.schedule.block_kv;
        [pitch(kv.max(self.value_head)), pitch(kv.max(self.head))]
    }

    fn square(&self) -> Matrices {
        Matrices {
            edge: self.schedule.matrix_unit,
            element: self.element,
        }
    }

    pub(super) fn unit_body<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
    ) -> Emitted<()> {
        let block_kv = self.schedule.block_kv;
        let [plane, first, seen] = self.block_of(emit, body)?;
        let kv_plane = emit.shared(&plane / (self.heads / self.kv_heads))?;
        let passing = Passing {
            sums: body.workgroup[2],
            operands: body.workgroup[3],
        };
        let subgroup = emit.value("gpu.subgroup_id", &[], emit.index_type(), &[])?;
        let own = emit.shared(Ix::from(subgroup) * self.schedule.matrix_unit)?;
        let queries = self.query_matrices(emit, body, &passing, &own, [&plane, &first])?;

        let number = emit.shared(&body.invocation / self.sharers())?;
        let part = emit.shared(&body.invocation % self.sharers())?;
        let query = emit.shared(first + number.clone())?;
        let row = self.row(emit, plane, &query)?;

        let mut init = State::write(&[self.empty(emit)?]);
        let carried = init.len();
        let turns = emit.shared((seen + (block_kv - 1)) / block_kv)?;
        let ahead = self.schedule.prefetch > 0 && self.keys > 0;
        if ahead {
            init.extend(self.ahead(emit, body, &kv_plane, &Ix::Const(0))?);
        }
        let state = emit.for_loop(&Ix::Const(0), &turns, 1, &init, |emit, turn, values| {
            let base = emit.shared(&turn * block_kv)?;
            let (state, here) = values.split_at(carried);
            let tile = if ahead {
                self.arrive(emit, body, here)?;
                self.brought(body, &kv_plane, &base, &part)
            } else {
                self.tile(emit, body, &kv_plane, &base, &part)?
            };
            let next = match ahead {
                true => {
                    let next = (turn + 1).min(turns.clone() - 1) * block_kv;
                    self.ahead(emit, body, &kv_plane, &emit.shared(next)?)?
                }
                false => Vec::new(),
            };
            self.score_matrices(emit, &tile, &passing, &own, &queries)?;
            emit.barrier()?;
            let state = State::read(state, 1).remove(0);
            let place = [&number, &part];
            let (state, rescale) =
                self.weigh_row(emit, body, &row, &base, place, &passing, state)?;
            emit.barrier()?;
            self.value_matrices(emit, &tile, &passing, &own)?;
            emit.barrier()?;
            let state = self.add_row(emit, place, &passing, state, rescale)?;
            Ok([State::write(&[state]), next].concat())
        })?;

        let mut state = State::read(&state[..carried], 1).remove(0);
        let f32 = Type::float32(emit.context);
        let (sharers, size) = (self.sharers(), self.subgroup_size);
        let sum = shuffle::combine(emit, "arith.addf", state.sum, sharers, size)?;
        let scale = emit.float(f32, f32, WEIGHT_SCALE)?;
        state.sum = emit.same("arith.mulf", &[sum, scale])?;
        self.finish(emit, body, (&query, &row), &part, &state)
    }

    /// The subgroup's queries, which stay in its registers.
    fn query_matrices<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        passing: &Passing<'c, 'a>,
        own: Own<'_, 'c, 'a>,
        [plane, first]: [&Ix<'c, 'a>; 2],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let copy = Copy {
            from: body.arguments[0],
            to: passing.operands,
            plane,
            base: first,
            rows: self.schedule.block_q,
            limit: self.queries,
            size: self.head,
        };
        self.copy(emit, &body.invocation, &copy)?;
        emit.barrier()?;
        self.operand_matrices(emit, passing, own, self.head)
    }

    /// The subgroup's rows of the operands, of `size` elements each.
    fn operand_matrices<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        passing: &Passing<'c, 'a>,
        own: Own<'_, 'c, 'a>,
        size: i64,
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let edge = self.schedule.matrix_unit;
        let columns = (0..size).step_by(edge as usize).map(|column| {
            let place = Place {
                memory: passing.operands,
                at: vec![own.clone(), Ix::Const(column / WIDTH)],
                pitch: self.pitches()[1],
            };
            self.square().load(emit, Role::A, &place, false)
        });
        columns.collect()
    }

    /// sums = left · right, where `right` gives a matrix by its row and column of elements.
    fn product<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        passing: &Passing<'c, 'a>,
        own: Own<'_, 'c, 'a>,
        left: &[Value<'c, 'a>],
        columns: i64,
        right: impl Fn(i64, i64) -> Emitted<Value<'c, 'a>>,
    ) -> Emitted<()> {
        let (square, edge) = (self.square(), self.schedule.matrix_unit);
        let mut sums = vec![square.zero(emit)?; (columns / edge) as usize];
        for (k, left) in left.iter().enumerate() {
            for (n, sum) in sums.iter_mut().enumerate() {
                let right = right(k as i64 * edge, n as i64 * edge)?;
                *sum = square.multiply(emit, *left, right, *sum)?;
            }
        }
        for (n, sum) in sums.into_iter().enumerate() {
            let place = Place {
                memory: passing.sums,
                at: vec![own.clone(), Ix::Const(n as i64 * edge / WIDTH)],
                pitch: self.pitches()[0],
            };
            square.store(emit, sum, &place)?;
        }
        Ok(())
    }

    /// Scores of a block, not scaled.
    fn score_matrices<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        tile: &Tile<'c, 'a>,
        passing: &Passing<'c, 'a>,
        own: Own<'_, 'c, 'a>,
        queries: &[Value<'c, 'a>],
    ) -> Emitted<()> {
        let keys = self.schedule.block_kv;
        self.product(emit, passing, own, queries, keys, |d, key| {
            let place = Place {
                memory: tile.keys,
                at: vec![Ix::Const(key), Ix::Const(d / WIDTH)],
                pitch: pitch(self.head),
            };
            self.square().load(emit, Role::B, &place, true)
        })
    }

    /// Weights of a block times values.
    fn value_matrices<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        tile: &Tile<'c, 'a>,
        passing: &Passing<'c, 'a>,
        own: Own<'_, 'c, 'a>,
    ) -> Emitted<()> {
        let weights = self.operand_matrices(emit, passing, own, self.schedule.block_kv)?;
        let columns = self.value_head;
        self.product(emit, passing, own, &weights, columns, |key, d| {
            let place = Place {
                memory: tile.values,
                at: vec![Ix::Const(key), Ix::Const(d / WIDTH)],
                pitch: pitch(self.value_head),
            };
            self.square().load(emit, Role::B, &place, false)
        })
    }

    /// Weighs this invocation's part of a row's scores. Gives the row's state before its
    /// products are added, and the factor that its accumulator needs then.
    #[allow(clippy::too_many_arguments)]
    fn weigh_row<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        row: &Row<'c, 'a>,
        base: &Ix<'c, 'a>,
        [number, part]: [&Ix<'c, 'a>; 2],
        passing: &Passing<'c, 'a>,
        old: State<'c, 'a>,
    ) -> Emitted<(State<'c, 'a>, Value<'c, 'a>)> {
        let f32 = Type::float32(emit.context);
        let size = self.schedule.block_kv;
        let columns = (0..self.accesses(size)).map(|c| emit.shared(self.column(part, c, size)));
        let columns = columns.collect::<Emitted<Vec<_>>>()?;
        let (mut scores, mut absent) = (Vec::new(), Vec::<Absent>::new());
        let scale = emit.float(f32, emit.vector_type(f32, WIDTH), self.scale)?;
        for column in &columns {
            let value = emit.load(passing.sums, &[number.clone(), column.clone()])?;
            let value = emit.same("arith.mulf", &[value, scale])?;
            for lane in 0..WIDTH {
                scores.push(emit.lane(value, f32, WIDTH, lane)?);
            }
            let first = emit.shared(column * WIDTH)?;
            absent.extend(self.absent(emit, body, row, base, &first)?);
        }
        let old_row = [old.max, old.sum];
        let weighed = self.weights(emit, &scores, &absent, old_row, self.sharers())?;
        let scale = emit.float(f32, f32, WEIGHT_SCALE)?;
        let element = self.element.to_mlir(emit.context);
        for (weights, column) in weighed.weights.chunks(WIDTH as usize).zip(&columns) {
            let scaled = weights
                .iter()
                .map(|weight| emit.same("arith.mulf", &[*weight, scale]));
            let value = emit.compose(&scaled.collect::<Emitted<Vec<_>>>()?, f32)?;
            let value = emit.from_f32(value, element, WIDTH)?;
            emit.store(value, passing.operands, &[number.clone(), column.clone()])?;
        }
        let state = State {
            max: weighed.max,
            sum: weighed.sum,
            out: old.out,
        };
        Ok((state, weighed.rescale))
    }

    /// O·r and this invocation's part of a row's products.
    fn add_row<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        [number, part]: [&Ix<'c, 'a>; 2],
        passing: &Passing<'c, 'a>,
        mut state: State<'c, 'a>,
        rescale: Value<'c, 'a>,
    ) -> Emitted<State<'c, 'a>> {
        let f32 = Type::float32(emit.context);
        let rescale = emit.broadcast(rescale, f32, WIDTH)?;
        for (d, out) in state.out.iter_mut().enumerate() {
            let column = self.column(part, d as i64, self.value_head);
            let value = emit.load(passing.sums, &[number.clone(), column])?;
            *out = emit.same("math.fma", &[*out, rescale, value])?;
        }
        Ok(state)
    }
}

/// Accesses from row to row of `size` elements: padded, so that rows begin in other banks.
fn pitch(size: i64) -> i64 {
    (size + MATRIX_PADDING) / WIDTH
}
