//! The matmul kernel, generated from the knobs of its schedule.
//!
//! One workgroup computes a tile of the result; each invocation keeps
//! thread-m x thread-n accumulators in registers. Tiles of both operands pass
//! through workgroup memory in their storage order, so that every access, global
//! and shared, is a whole vector; `stages` of them are kept, loaded ahead of use.
//! Edges are masked in every dimension, only where tiles do not divide the
//! problem. With split-k each workgroup sums a part of the contraction and a
//! second kernel adds the parts up.
//!
//! Limits: static shapes; fewer than 2^31 elements per operand.

use kforge_dialect::{
    ActivationKind, Element,
    schedule::{MatmulProblem, MatmulSchedule},
};
use melior::ir::{Type, Value};

use super::{
    activation::activation,
    kernel::{Body, Emission, Frame, storage, workgroup},
};
use crate::emit::{Emit, Emitted, Ix};

/// Everything a matmul kernel depends on.
#[derive(Clone, Debug)]
pub struct MatmulKernel {
    /// Unique name in the module.
    pub name: String,
    /// Sizes and element type.
    pub problem: MatmulProblem,
    /// Batch dimensions of the result.
    pub batch: Vec<i64>,
    /// Batch dimensions of `a`, aligned with those of the result; 1 broadcasts.
    pub batch_a: Vec<i64>,
    /// Batch dimensions of `b`, likewise.
    pub batch_b: Vec<i64>,
    /// `a` is stored [K, M].
    pub transpose_a: bool,
    /// `b` is stored [N, K].
    pub transpose_b: bool,
    /// A bias of N elements is added.
    pub bias: bool,
    /// A factor of the result's shape is multiplied in after the activation.
    pub factor: bool,
    /// A residual of the result's shape is added after that.
    pub residual: bool,
    /// What is applied after the bias.
    pub activation: ActivationKind,
    /// The knobs.
    pub schedule: MatmulSchedule,
}

/// One operand: how it lies in memory and which tile of it a workgroup needs.
#[derive(Clone, Debug)]
struct Operand {
    /// Stored rows and columns.
    rows: i64,
    cols: i64,
    /// Tile of the same orientation.
    tile_rows: i64,
    tile_cols: i64,
    /// Elements per access.
    width: i64,
    /// The contraction runs along the stored columns.
    k_inner: bool,
}

impl Operand {
    fn tile_shape(&self, stages: i64) -> [i64; 3] {
        // One vector of padding keeps the rows of a tile off the same banks.
        [stages, self.tile_rows, self.tile_cols / self.width + 1]
    }
}

/// A tile position: which rows and columns, and whether the contraction may end inside.
struct Tile<'c, 'a> {
    batch: Ix<'c, 'a>,
    outer: Ix<'c, 'a>,
    k: Ix<'c, 'a>,
}

impl MatmulKernel {
    fn operands(&self) -> (Operand, Operand) {
        let (s, p) = (&self.schedule, &self.problem);
        let (m, n, k) = (p.m as i64, p.n as i64, p.k as i64);
        let operand = |outer: i64, tile_outer: i64, thread: i64, k_inner: bool| {
            let (rows, cols, tile_rows, tile_cols) = if k_inner {
                (outer, k, tile_outer, s.tile_k)
            } else {
                (k, outer, s.tile_k, tile_outer)
            };
            let fits = cols % s.vector_width == 0
                && tile_cols % s.vector_width == 0
                && (k_inner || thread % s.vector_width == 0);
            let width = if fits { s.vector_width } else { 1 };
            Operand {
                rows,
                cols,
                tile_rows,
                tile_cols,
                width,
                k_inner,
            }
        };
        (
            operand(m, s.tile_m, s.thread_m, !self.transpose_a),
            operand(n, s.tile_n, s.thread_n, self.transpose_b),
        )
    }

    /// Elements per access of result, bias and residual.
    fn result_width(&self) -> i64 {
        if self.problem.n as i64 % self.schedule.vector_width == 0 {
            self.schedule.vector_width
        } else {
            1
        }
    }

    fn result_type<'c>(&self, emit: &Emit<'c, '_>, batch: i64, element: Element) -> Type<'c> {
        let width = self.result_width();
        storage(
            emit,
            &[batch, self.problem.m as i64, self.problem.n as i64 / width],
            element,
            width,
        )
    }

    fn epilogue_types<'c>(&self, emit: &Emit<'c, '_>) -> Vec<Type<'c>> {
        let (width, element) = (self.result_width(), self.problem.element);
        let mut types = Vec::new();
        if self.bias {
            types.push(storage(
                emit,
                &[self.problem.n as i64 / width],
                element,
                width,
            ));
        }
        for _ in [self.factor, self.residual].into_iter().filter(|given| *given) {
            types.push(self.result_type(emit, self.problem.batch as i64, element));
        }
        types
    }

    fn tiles(&self) -> [i64; 3] {
        let (s, p) = (&self.schedule, &self.problem);
        let count = |size: u64, tile: i64| size.div_ceil(tile as u64) as i64;
        [
            count(p.m, s.tile_m),
            count(p.n, s.tile_n),
            count(p.k, s.tile_k),
        ]
    }

    /// The kernels, each with the arguments its launch needs.
    pub fn emit<'c, 'a>(&self, kernels: &Emit<'c, 'a>) -> Emitted<Vec<Emission<'c, 'a>>> {
        let main = self.emit_main(kernels)?;
        if self.schedule.split_k == 1 {
            return Ok(vec![main]);
        }
        Ok(vec![main, self.emit_reduction(kernels)?])
    }

    /// Parts of one result that split-k keeps until they are added up: the shape
    /// of the scratch buffer of f32.
    pub fn parts_shape(&self) -> Option<[i64; 3]> {
        let (s, p) = (&self.schedule, &self.problem);
        (s.split_k > 1).then(|| [s.split_k * p.batch as i64, p.m as i64, p.n as i64])
    }

    fn emit_main<'c, 'a>(&self, kernels: &Emit<'c, 'a>) -> Emitted<Emission<'c, 'a>> {
        let (s, p) = (&self.schedule, &self.problem);
        let (a, b) = self.operands();
        let operand_type = |operand: &Operand, batch: &[i64]| {
            let batch: i64 = batch.iter().product();
            storage(
                kernels,
                &[batch, operand.rows, operand.cols / operand.width],
                p.element,
                operand.width,
            )
        };
        let mut arguments = vec![
            operand_type(&a, &self.batch_a),
            operand_type(&b, &self.batch_b),
        ];
        let split = s.split_k > 1;
        if split {
            arguments.push(self.result_type(kernels, s.split_k * p.batch as i64, Element::F32));
        } else {
            arguments.extend(self.epilogue_types(kernels));
            arguments.push(self.result_type(kernels, p.batch as i64, p.element));
        }
        let shared = |operand: &Operand| {
            workgroup(
                kernels,
                &operand.tile_shape(s.stages),
                p.element,
                operand.width,
            )
        };
        let [tiles_m, tiles_n, _] = self.tiles();
        let frame = Frame {
            name: if split {
                format!("{}_parts", self.name)
            } else {
                self.name.clone()
            },
            arguments,
            workgroup: vec![shared(&a), shared(&b)],
            invocations: s.invocations(),
            workgroups: tiles_m * tiles_n * p.batch as i64 * s.split_k,
        };
        let kernel = frame.kernel(kernels, |emit, body| self.body(emit, body, &a, &b))?;
        Ok(Emission { frame, kernel })
    }

    fn body<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        a: &Operand,
        b: &Operand,
    ) -> Emitted<()> {
        let (s, p) = (&self.schedule, &self.problem);
        let [tiles_m, tiles_n, tiles_k] = self.tiles();
        let per_batch = tiles_m * tiles_n;
        let id = &body.workgroup_id;
        let plane = emit.shared(id / per_batch)?;
        let (part, batch) = (
            &plane / p.batch as i64,
            emit.shared(&plane % p.batch as i64)?,
        );
        let (row_tile, col_tile) = self.swizzle(emit, id % per_batch, tiles_m, tiles_n)?;
        let row = emit.shared(row_tile * s.tile_m)?;
        let col = emit.shared(col_tile * s.tile_n)?;
        let columns = s.tile_n / s.thread_n;
        let thread_row = emit.shared(&body.invocation / columns * s.thread_m)?;
        let thread_col = emit.shared(&body.invocation % columns * s.thread_n)?;
        let batch_a = emit.shared(self.batch_of(&batch, &self.batch_a))?;
        let batch_b = emit.shared(self.batch_of(&batch, &self.batch_b))?;

        // This workgroup's K tiles are first..last.
        let per_part = tiles_k.unsigned_abs().div_ceil(s.split_k as u64) as i64;
        let (first, last) = if s.split_k == 1 {
            (Ix::Const(0), Ix::Const(tiles_k))
        } else {
            let first = emit.shared((part.clone() * per_part).min(tiles_k))?;
            let last = emit.shared((&first + per_part).min(tiles_k))?;
            (first, last)
        };
        let fetch = |emit: &Emit<'c, 'a>, tile: &Ix<'c, 'a>| -> Emitted<[Vec<Value<'c, 'a>>; 2]> {
            let k = emit.shared(tile * s.tile_k)?;
            let at = |batch: &Ix<'c, 'a>, outer: &Ix<'c, 'a>| Tile {
                batch: batch.clone(),
                outer: outer.clone(),
                k: k.clone(),
            };
            Ok([
                self.fetch(emit, body, 0, a, &at(&batch_a, &row))?,
                self.fetch(emit, body, 1, b, &at(&batch_b, &col))?,
            ])
        };
        let put = |emit: &Emit<'c, 'a>, slot: &Ix<'c, 'a>, values: &[Vec<Value<'c, 'a>>; 2]| {
            self.put(emit, body, 0, a, slot, &values[0])?;
            self.put(emit, body, 1, b, slot, &values[1])
        };

        let f32 = Type::float32(emit.context);
        let width = s.vector_width;
        let zero = emit.float(f32, emit.vector_type(f32, width), 0.0)?;
        let init = vec![zero; (s.thread_m * s.thread_n / width) as usize];
        let ahead = s.stages - 1;
        for stage in 0..ahead {
            let values = fetch(emit, &(&first + stage))?;
            put(emit, &Ix::Const(stage), &values)?;
        }
        let sums = emit.for_loop(&first, &last, 1, &init, |emit, tile, sums| {
            let turn = emit.shared((&tile - first.clone()) % s.stages)?;
            if ahead == 0 {
                let values = fetch(emit, &tile)?;
                // The previous tile must have been read by all before it is replaced.
                emit.barrier()?;
                put(emit, &Ix::Const(0), &values)?;
                emit.barrier()?;
                return self.multiply(emit, body, a, b, &turn, &thread_row, &thread_col, sums);
            }
            emit.barrier()?;
            let values = fetch(emit, &(&tile + ahead))?;
            let sums = self.multiply(emit, body, a, b, &turn, &thread_row, &thread_col, sums)?;
            let slot = emit.shared((&tile - first.clone() + ahead) % s.stages)?;
            put(emit, &slot, &values)?;
            Ok(sums)
        })?;
        let row = emit.shared(row + thread_row)?;
        let col = emit.shared(col + thread_col)?;
        if s.split_k > 1 {
            let plane = emit.shared(part * p.batch as i64 + batch)?;
            self.store(emit, body.arguments[2], &plane, &row, &col, &sums, None)
        } else {
            let result = body.arguments[body.arguments.len() - 1];
            let epilogue = &body.arguments[2..body.arguments.len() - 1];
            self.store(emit, result, &batch, &row, &col, &sums, Some(epilogue))
        }
    }

    /// Row and column tile of a workgroup: `group-m` row tiles at a time walk the
    /// columns together, so that neighbours reuse what they read.
    fn swizzle<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        id: Ix<'c, 'a>,
        tiles_m: i64,
        tiles_n: i64,
    ) -> Emitted<(Ix<'c, 'a>, Ix<'c, 'a>)> {
        let id = emit.shared(id)?;
        let group = self.schedule.group_m.min(tiles_m);
        if group == 1 {
            return Ok((&id / tiles_n, id % tiles_n));
        }
        let per_group = group * tiles_n;
        let first_row = emit.shared(&id / per_group * group)?;
        let within = emit.shared(id % per_group)?;
        // The last group may have fewer rows.
        let rows = emit.shared((Ix::Const(tiles_m) - first_row.clone()).min(group))?;
        Ok((first_row + &within % rows.clone(), within / rows))
    }

    /// The batch of an operand, from that of the result.
    fn batch_of<'c, 'a>(&self, batch: &Ix<'c, 'a>, dims: &[i64]) -> Ix<'c, 'a> {
        if dims == self.batch.as_slice() {
            return batch.clone();
        }
        let (mut index, mut stride, mut below) = (Ix::Const(0), 1, 1);
        for (size, own) in self.batch.iter().zip(dims).rev() {
            if *own != 1 {
                index = index + batch / below % *size * stride;
                stride *= own;
            }
            below *= size;
        }
        index
    }

    /// How many vectors of a tile each invocation moves.
    fn moves(&self, operand: &Operand) -> i64 {
        let vectors = operand.tile_rows * operand.tile_cols / operand.width;
        vectors
            .unsigned_abs()
            .div_ceil(self.schedule.invocations() as u64) as i64
    }

    /// Position of this invocation's vector number `turn` in a tile.
    fn position<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        operand: &Operand,
        turn: i64,
    ) -> Emitted<(Ix<'c, 'a>, Ix<'c, 'a>, Ix<'c, 'a>)> {
        let per_row = operand.tile_cols / operand.width;
        let number = emit.shared(&body.invocation + turn * self.schedule.invocations())?;
        Ok((
            number.clone(),
            emit.shared(&number / per_row)?,
            emit.shared(number % per_row)?,
        ))
    }

    /// Reads this invocation's share of a tile; zeros beyond the operand's edges.
    fn fetch<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        argument: usize,
        operand: &Operand,
        tile: &Tile<'c, 'a>,
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let element = self.problem.element.to_mlir(emit.context);
        let (row0, col0) = if operand.k_inner {
            (&tile.outer, &tile.k)
        } else {
            (&tile.k, &tile.outer)
        };
        let cols = operand.cols / operand.width;
        // Loading ahead runs past the last tile, where nothing is read but the
        // address must stay inside.
        let ahead = self.schedule.stages > 1;
        let ragged = |size: i64, tile: i64, k: bool| size % tile != 0 || (k && ahead);
        let (ragged_rows, ragged_cols) = (
            ragged(operand.rows, operand.tile_rows, !operand.k_inner),
            ragged(operand.cols, operand.tile_cols, operand.k_inner),
        );
        let mut values = Vec::new();
        for turn in 0..self.moves(operand) {
            let (_, row, col) = self.position(emit, body, operand, turn)?;
            let mut row = emit.shared(row0 + row)?;
            let mut col = emit.shared(col0 / operand.width + col)?;
            let mut inside = None;
            if ragged_rows {
                inside = Some(emit.less(&row, &Ix::Const(operand.rows))?);
                row = row.min(operand.rows - 1);
            }
            if ragged_cols {
                let fits = emit.less(&col, &Ix::Const(cols))?;
                inside = emit.both(inside, Some(fits))?;
                col = col.min(cols - 1);
            }
            let at = [tile.batch.clone(), row, col];
            // The last turn may pass the end of the tile; keep its address inside.
            let value = emit.load(
                body.arguments[argument],
                &self.clamped(at, operand, ragged_rows),
            )?;
            values.push(emit.or_zero(inside, value, element)?);
        }
        Ok(values)
    }

    /// Positions past the tile (in the last turn) may pass the operand as well.
    fn clamped<'c, 'a>(
        &self,
        at: [Ix<'c, 'a>; 3],
        operand: &Operand,
        clamped: bool,
    ) -> [Ix<'c, 'a>; 3] {
        let vectors = operand.tile_rows * operand.tile_cols / operand.width;
        if clamped || vectors % self.schedule.invocations() == 0 {
            return at;
        }
        let [batch, row, col] = at;
        [batch, row.min(operand.rows - 1), col]
    }

    /// Writes this invocation's share of a tile to workgroup memory.
    fn put<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        memory: usize,
        operand: &Operand,
        slot: &Ix<'c, 'a>,
        values: &[Value<'c, 'a>],
    ) -> Emitted<()> {
        let vectors = operand.tile_rows * operand.tile_cols / operand.width;
        for (turn, value) in values.iter().enumerate() {
            let turn = turn as i64;
            let (number, row, col) = self.position(emit, body, operand, turn)?;
            let inside = emit.below(&number, (turn + 1) * self.schedule.invocations(), vectors)?;
            emit.when_some(inside, |emit| {
                emit.store(*value, body.workgroup[memory], &[slot.clone(), row, col])
            })?;
        }
        Ok(())
    }

    /// sums += a tile · b tile.
    #[allow(clippy::too_many_arguments)]
    fn multiply<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        a: &Operand,
        b: &Operand,
        slot: &Ix<'c, 'a>,
        row: &Ix<'c, 'a>,
        col: &Ix<'c, 'a>,
        sums: &[Value<'c, 'a>],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let s = &self.schedule;
        let step = if s.unroll == 0 { s.tile_k } else { s.unroll };
        emit.for_loop(
            &Ix::Const(0),
            &Ix::Const(s.tile_k / step),
            1,
            sums,
            |emit, turn, sums| {
                let mut sums = sums.to_vec();
                for k in (0..step).step_by(s.vector_width as usize) {
                    let k = &turn * step + k;
                    let left =
                        self.fragment(emit, body.workgroup[0], a, slot, row, &k, s.thread_m)?;
                    let right =
                        self.fragment(emit, body.workgroup[1], b, slot, col, &k, s.thread_n)?;
                    for (left, right) in left.iter().zip(&right) {
                        self.rank_one(emit, left, right, &mut sums)?;
                    }
                }
                Ok(sums)
            },
        )
    }

    /// `vector-width` steps of K of one operand: per step, `count` f32 scalars.
    #[allow(clippy::too_many_arguments)]
    fn fragment<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        memory: Value<'c, 'a>,
        operand: &Operand,
        slot: &Ix<'c, 'a>,
        first: &Ix<'c, 'a>,
        k: &Ix<'c, 'a>,
        count: i64,
    ) -> Emitted<Vec<Vec<Value<'c, 'a>>>> {
        let element = self.problem.element.to_mlir(emit.context);
        let f32 = Type::float32(emit.context);
        let (width, steps) = (operand.width, self.schedule.vector_width);
        let mut fragment = vec![Vec::new(); steps as usize];
        let read = |row: Ix<'c, 'a>, col: Ix<'c, 'a>| -> Emitted<Vec<Value<'c, 'a>>> {
            let value = emit.load(memory, &[slot.clone(), row, col / width])?;
            let value = emit.to_f32(value, element, width)?;
            (0..width)
                .map(|lane| emit.lane(value, f32, width, lane))
                .collect()
        };
        if operand.k_inner {
            for index in 0..count {
                for start in (0..steps).step_by(width as usize) {
                    let lanes = read(first + index, k + start)?;
                    for (lane, value) in lanes.into_iter().enumerate() {
                        fragment[start as usize + lane].push(value);
                    }
                }
            }
        } else {
            for step in 0..steps {
                for start in (0..count).step_by(width as usize) {
                    fragment[step as usize].extend(read(k + step, first + start)?);
                }
            }
        }
        Ok(fragment)
    }

    /// sums[i][j] += left[i] * right[j], with vectors along j.
    fn rank_one<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        left: &[Value<'c, 'a>],
        right: &[Value<'c, 'a>],
        sums: &mut [Value<'c, 'a>],
    ) -> Emitted<()> {
        let width = self.schedule.vector_width;
        let f32 = Type::float32(emit.context);
        let columns: Vec<Value> = right
            .chunks(width as usize)
            .map(|lanes| emit.compose(lanes, f32))
            .collect::<Emitted<_>>()?;
        for (row, left) in left.iter().enumerate() {
            let left = emit.broadcast(*left, f32, width)?;
            for (col, right) in columns.iter().enumerate() {
                let sum = &mut sums[row * columns.len() + col];
                *sum = emit.same("math.fma", &[left, *right, *sum])?;
            }
        }
        Ok(())
    }

    /// Stores the accumulators, through the epilogue where there is one.
    #[allow(clippy::too_many_arguments)]
    fn store<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        result: Value<'c, 'a>,
        plane: &Ix<'c, 'a>,
        row: &Ix<'c, 'a>,
        col: &Ix<'c, 'a>,
        sums: &[Value<'c, 'a>],
        epilogue: Option<&[Value<'c, 'a>]>,
    ) -> Emitted<()> {
        let (s, p) = (&self.schedule, &self.problem);
        let [tiles_m, tiles_n, _] = self.tiles();
        let (width, out) = (s.vector_width, self.result_width());
        let f32 = Type::float32(emit.context);
        let (m, n) = (p.m as i64, p.n as i64);
        for i in 0..s.thread_m {
            let row = emit.shared(row + i)?;
            let row_fits = emit.below(&row, tiles_m * s.tile_m, m)?;
            emit.when_some(row_fits, |emit| {
                for j in (0..s.thread_n).step_by(out as usize) {
                    let sum = sums[((i * s.thread_n + j) / width) as usize];
                    let value = if out == width {
                        sum
                    } else {
                        emit.lane(sum, f32, width, j % width)?
                    };
                    let at = emit.shared((col + j) / out)?;
                    let col_fits = emit.below(&at, tiles_n * s.tile_n / out, n / out)?;
                    emit.when_some(col_fits, |emit| {
                        let place = [plane.clone(), row.clone(), at.clone()];
                        let value = match epilogue {
                            None => value,
                            Some(arguments) => self.epilogue(emit, value, arguments, &place)?,
                        };
                        emit.store(value, result, &place)
                    })?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// activation(sum + bias) · factor + residual, in f32, rounded once.
    fn epilogue<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        mut value: Value<'c, 'a>,
        arguments: &[Value<'c, 'a>],
        place: &[Ix<'c, 'a>; 3],
    ) -> Emitted<Value<'c, 'a>> {
        let (width, element) = (
            self.result_width(),
            self.problem.element.to_mlir(emit.context),
        );
        let mut arguments = arguments.iter();
        if let Some(bias) = self.bias.then(|| arguments.next()).flatten() {
            let bias = emit.load(*bias, &[place[2].clone()])?;
            let bias = emit.to_f32(bias, element, width)?;
            value = emit.same("arith.addf", &[value, bias])?;
        }
        value = activation(emit, self.activation, value)?;
        if let Some(factor) = self.factor.then(|| arguments.next()).flatten() {
            let factor = emit.load(*factor, place)?;
            let factor = emit.to_f32(factor, element, width)?;
            value = emit.same("arith.mulf", &[value, factor])?;
        }
        if let Some(residual) = self.residual.then(|| arguments.next()).flatten() {
            let residual = emit.load(*residual, place)?;
            let residual = emit.to_f32(residual, element, width)?;
            value = emit.same("arith.addf", &[value, residual])?;
        }
        emit.from_f32(value, element, width)
    }

    /// The second kernel of split-k: adds the parts and applies the epilogue.
    fn emit_reduction<'c, 'a>(&self, kernels: &Emit<'c, 'a>) -> Emitted<Emission<'c, 'a>> {
        let (s, p) = (&self.schedule, &self.problem);
        let width = self.result_width();
        let (batch, m, cols) = (p.batch as i64, p.m as i64, p.n as i64 / width);
        let total = batch * m * cols;
        let invocations = total.clamp(1, 64);
        let mut arguments = vec![self.result_type(kernels, s.split_k * batch, Element::F32)];
        arguments.extend(self.epilogue_types(kernels));
        arguments.push(self.result_type(kernels, batch, p.element));
        let frame = Frame {
            name: self.name.clone(),
            arguments,
            workgroup: Vec::new(),
            invocations,
            workgroups: total.unsigned_abs().div_ceil(invocations as u64) as i64,
        };
        let kernel = frame.kernel(kernels, |emit, body| {
            let number = emit.shared(&body.workgroup_id * invocations + body.invocation.clone())?;
            let inside = emit.below(&number, frame.workgroups * invocations, total)?;
            emit.when_some(inside, |emit| {
                let plane = emit.shared(&number / (m * cols))?;
                let row = emit.shared(&number / cols % m)?;
                let col = emit.shared(&number % cols)?;
                let f32 = Type::float32(emit.context);
                let zero = emit.float(f32, emit.vector_type(f32, width), 0.0)?;
                let (from, to) = (Ix::Const(0), Ix::Const(s.split_k));
                let sum = emit.for_loop(&from, &to, 1, &[zero], |emit, part, sum| {
                    let at = [part * batch + plane.clone(), row.clone(), col.clone()];
                    let value = emit.load(body.arguments[0], &at)?;
                    Ok(vec![emit.same("arith.addf", &[sum[0], value])?])
                })?;
                let place = [plane, row, col];
                let last = body.arguments.len() - 1;
                let value = self.epilogue(emit, sum[0], &body.arguments[1..last], &place)?;
                emit.store(value, body.arguments[last], &place)
            })
        })?;
        Ok(Emission { frame, kernel })
    }

    /// Rows of all batches as one problem, where every batch uses the same `b`:
    /// the batches of `a` and of the result lie one behind the other.
    pub fn flatten_batch(&mut self) {
        let shared = self.batch_b.iter().all(|size| *size == 1);
        if shared && !self.transpose_a && self.batch_a == self.batch {
            self.problem.m *= self.problem.batch;
            self.problem.batch = 1;
            (self.batch, self.batch_a, self.batch_b) = (Vec::new(), Vec::new(), Vec::new());
        }
    }
}
