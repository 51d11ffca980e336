//! The matmul kernel, generated from the knobs of its schedule.
//!
//! One workgroup computes a tile of the result; each invocation keeps
//! thread-m x thread-n accumulators in registers, of rows and columns that alternate
//! with those of its neighbours, so that what neighbours read and write at a time lies
//! side by side and in different banks. Tiles of both operands pass
//! through workgroup memory in their storage order, so that every access, global
//! and shared, is a whole vector, but for rows of odd lengths, whose elements become vectors on
//! their way; `stages` of them are kept, loaded ahead of use, or with
//! `prefetch` one, while the next one waits in registers.
//! With a matrix unit (`unit.rs`) the same tiles are multiplied by whole subgroups.
//! With slices (`slices.rs`) nothing is staged: for few rows, whose operands are read once.
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

mod epilogue;
mod slices;
mod tiles;
mod unit;

use tiles::{Operand, Tile};

use super::kernel::{Body, Emission, Frame, storage, workgroup};
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
    /// Invocations of a subgroup, where the knobs ask for the matrix unit.
    pub subgroup_size: i64,
    /// Invocations that the device has in a workgroup.
    pub most_invocations: i64,
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
            let fits = tile_cols % s.vector_width == 0 && (k_inner || thread % s.vector_width == 0);
            let width = if fits { s.vector_width } else { 1 };
            let whole = |source: &i64| *source <= width && cols % source == 0;
            let source = [width, 8, 4, 2].into_iter().find(whole).unwrap_or(1);
            Operand {
                rows,
                cols,
                tile_rows,
                tile_cols,
                width,
                source,
                k_inner,
                padding: match s.matrix_unit {
                    0 => 1,
                    _ => (s.padding(p.element) / width).max(1),
                },
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
        for _ in [self.factor, self.residual]
            .into_iter()
            .filter(|given| *given)
        {
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
                &[batch, operand.rows, operand.cols / operand.source],
                p.element,
                operand.source,
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
            workgroup: match self.slice_sums(kernels) {
                Some(sums) => vec![sums],
                None => [shared(&a), shared(&b)]
                    .into_iter()
                    .chain(self.unit_results(kernels))
                    .collect(),
            },
            invocations: self.invocations(),
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
        let share = self.share_of(emit, body, a, b)?;
        let (thread_row, thread_col) = (&share.row, &share.col);
        let unit = match s.matrix_unit {
            0 => None,
            _ => Some(self.unit(emit)?),
        };
        let multiply = |emit: &Emit<'c, 'a>, slot: &Ix<'c, 'a>, sums: &[Value<'c, 'a>]| match &unit
        {
            None => self.multiply(emit, body, a, b, slot, thread_row, thread_col, sums),
            Some(unit) => self.multiply_matrices(emit, body, unit, [a, b], slot, sums),
        };
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
        let at = |batch: &Ix<'c, 'a>, outer: &Ix<'c, 'a>, k: &Ix<'c, 'a>| Tile {
            batch: batch.clone(),
            outer: outer.clone(),
            k: k.clone(),
        };
        let fetch = |emit: &Emit<'c, 'a>, tile: &Ix<'c, 'a>| -> Emitted<[Vec<Value<'c, 'a>>; 2]> {
            let k = emit.shared(tile * s.tile_k)?;
            Ok([
                self.fetch(emit, body, 0, a, &at(&batch_a, &row, &k))?,
                self.fetch(emit, body, 1, b, &at(&batch_b, &col, &k))?,
            ])
        };
        let put = |emit: &Emit<'c, 'a>,
                   slot: &Ix<'c, 'a>,
                   tile: &Ix<'c, 'a>,
                   values: &[Vec<Value<'c, 'a>>; 2]| {
            let k = emit.shared(tile * s.tile_k)?;
            self.put(emit, body, 0, a, slot, &k, &values[0])?;
            self.put(emit, body, 1, b, slot, &k, &values[1])
        };

        let f32 = Type::float32(emit.context);
        let width = s.vector_width;
        let init = match &unit {
            Some(_) => self.zero_matrices(emit)?,
            None => {
                let zero = emit.float(f32, emit.vector_type(f32, width), 0.0)?;
                vec![zero; (s.thread_m * s.thread_n / width) as usize]
            }
        };
        // What is loaded ahead of the last tile is never used, but must be inside. Without a
        // tile nothing is.
        let inside = |tile: Ix<'c, 'a>| tile.min((tiles_k - 1).max(0));
        let ahead = s.stages - 1;
        let prefetch = s.prefetch > 0 && tiles_k > 0;
        for stage in (0..ahead).filter(|_| tiles_k > 0) {
            let tile = inside(&first + stage);
            let values = fetch(emit, &tile)?;
            put(emit, &Ix::Const(stage), &tile, &values)?;
        }
        let count = init.len();
        let mut init = init;
        let mut waiting = 0;
        if prefetch {
            let [a, b] = fetch(emit, &inside(first.clone()))?;
            waiting = a.len();
            init.extend([a, b].concat());
        }
        let sums = emit.for_loop(&first, &last, 1, &init, |emit, tile, sums| {
            if s.slice_k > 1 {
                let k = emit.shared(&tile * s.tile_k)?;
                let tiles = [at(&batch_a, &row, &k), at(&batch_b, &col, &k)];
                return self.multiply_slice(emit, body, [a, b], tiles, &share, sums);
            }
            if prefetch {
                let (sums, values) = sums.split_at(count);
                let (a, b) = values.split_at(waiting);
                emit.barrier()?;
                put(emit, &Ix::Const(0), &tile, &[a.to_vec(), b.to_vec()])?;
                emit.barrier()?;
                let next = fetch(emit, &inside(&tile + 1))?;
                let mut sums = multiply(emit, &Ix::Const(0), sums)?;
                sums.extend(next.concat());
                return Ok(sums);
            }
            let turn = emit.shared((&tile - first.clone()) % s.stages)?;
            if ahead == 0 && self.invocations() == 1 {
                let k = emit.shared(&tile * s.tile_k)?;
                self.copy(emit, body, 0, a, &at(&batch_a, &row, &k))?;
                self.copy(emit, body, 1, b, &at(&batch_b, &col, &k))?;
                return multiply(emit, &turn, sums);
            }
            if ahead == 0 {
                let values = fetch(emit, &tile)?;
                // The previous tile must have been read by all before it is replaced.
                emit.barrier()?;
                put(emit, &Ix::Const(0), &tile, &values)?;
                emit.barrier()?;
                return multiply(emit, &turn, sums);
            }
            emit.barrier()?;
            let next = inside(&tile + ahead);
            let values = fetch(emit, &next)?;
            let sums = multiply(emit, &turn, sums)?;
            let slot = emit.shared((&tile - first.clone() + ahead) % s.stages)?;
            put(emit, &slot, &next, &values)?;
            Ok(sums)
        })?;
        let sums = &sums[..count];
        let (plane, result, epilogue) = if s.split_k > 1 {
            let plane = emit.shared(part * p.batch as i64 + batch)?;
            (plane, body.arguments[2], None)
        } else {
            let last = body.arguments.len() - 1;
            (batch, body.arguments[last], Some(&body.arguments[2..last]))
        };
        if let Some(unit) = &unit {
            let at = [&row, &col];
            return self.store_matrices(emit, body, result, &plane, at, unit, sums, epilogue);
        }
        self.whole(emit, body, a, &share, sums, |emit, [r, c], sums| {
            let row = emit.shared(&row + r.clone())?;
            let col = emit.shared(&col + c.clone())?;
            self.store(emit, result, &plane, a, &row, &col, sums, epilogue)
        })
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
        let rows = match tiles_m % group {
            0 => Ix::Const(group),
            _ => emit.shared((Ix::Const(tiles_m) - first_row.clone()).min(group))?,
        };
        Ok((first_row + &within % rows.clone(), &within / rows))
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
