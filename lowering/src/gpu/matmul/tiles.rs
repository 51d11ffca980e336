//! Tiles: from the operands through workgroup memory into registers.

use melior::ir::{Type, Value};

use super::MatmulKernel;
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::kernel::Body,
};

/// One operand: how it lies in memory and which tile of it a workgroup needs.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    /// Stored rows and columns.
    pub(super) rows: i64,
    pub(super) cols: i64,
    /// Tile of the same orientation.
    pub(super) tile_rows: i64,
    pub(super) tile_cols: i64,
    /// Elements per access of a tile.
    pub(super) width: i64,
    /// Elements per access of the buffer: as many, or fewer where its rows are no whole accesses.
    pub(super) source: i64,
    /// The contraction runs along the stored columns.
    pub(super) k_inner: bool,
    /// Accesses of padding per row of a tile.
    pub(super) padding: i64,
}

impl Operand {
    /// Row and column, as stored, of what lies there along the result and the contraction.
    pub(super) fn stored<T>(&self, outer: T, k: T) -> (T, T) {
        match self.k_inner {
            true => (outer, k),
            false => (k, outer),
        }
    }

    pub(super) fn tile_shape(&self, stages: i64) -> [i64; 3] {
        [stages, self.tile_rows, self.tile_pitch()]
    }

    /// Accesses from one row of a tile to the next.
    pub(super) const fn tile_pitch(&self) -> i64 {
        self.tile_cols / self.width + self.padding
    }
}

/// How the rows or columns of a tile are dealt to the invocations along it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// How many one invocation gets at a time.
    pub(super) run: i64,
    /// Invocations along the tile.
    across: i64,
}

impl Share {
    /// From the first one of an invocation's share to number `index` of it.
    pub(super) const fn step(self, index: i64) -> i64 {
        index / self.run * self.run * self.across + index % self.run
    }
}

/// A tile position: of which batch, and from which row or column and step of the contraction on.
pub(super) struct Tile<'c, 'a> {
    pub(super) batch: Ix<'c, 'a>,
    pub(super) outer: Ix<'c, 'a>,
    pub(super) k: Ix<'c, 'a>,
}

impl MatmulKernel {
    /// Rows of the result: single ones, or the vectors that `a` is read in.
    pub(super) fn rows(&self, a: &Operand) -> Share {
        let s = &self.schedule;
        Share {
            run: if a.k_inner { 1 } else { a.width },
            across: s.tile_m / s.thread_m,
        }
    }

    /// Columns of the result: the vectors of the accumulators.
    pub(super) fn columns(&self) -> Share {
        let s = &self.schedule;
        Share {
            run: s.vector_width,
            across: s.tile_n / s.thread_n,
        }
    }

    /// Invocations of one workgroup.
    pub(super) fn invocations(&self) -> i64 {
        self.schedule.invocations(self.subgroup_size)
    }

    /// How many vectors of a tile each invocation moves.
    fn moves(&self, operand: &Operand) -> i64 {
        let vectors = operand.tile_rows * operand.tile_cols / operand.width;
        vectors.unsigned_abs().div_ceil(self.invocations() as u64) as i64
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
        let number = emit.shared(&body.invocation + turn * self.invocations())?;
        Ok((
            number.clone(),
            emit.shared(&number / per_row)?,
            emit.shared(number % per_row)?,
        ))
    }

    /// Copies a tile to workgroup memory, where one invocation does it all: a
    /// loop, since the whole tile would not fit into registers.
    pub(super) fn copy<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        index: usize,
        operand: &Operand,
        tile: &Tile<'c, 'a>,
    ) -> Emitted<()> {
        let per_row = operand.tile_cols / operand.width;
        let zero = Ix::Const(0);
        emit.for_loop(
            &zero,
            &Ix::Const(operand.tile_rows),
            1,
            &[],
            |emit, row, _| {
                emit.for_loop(&zero, &Ix::Const(per_row), 1, &[], |emit, col, _| {
                    let value = self.read(emit, body, index, operand, tile, &row, &col)?;
                    emit.store(
                        value,
                        body.workgroup[index],
                        &[Ix::Const(0), row.clone(), col],
                    )?;
                    Ok(Vec::new())
                })
            },
        )?;
        Ok(())
    }

    /// Reads this invocation's share of a tile, as it is at the operand's edges: zeros come in
    /// [`Self::put`], so that nothing waits for what is read before it is needed.
    pub(super) fn fetch<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        argument: usize,
        operand: &Operand,
        tile: &Tile<'c, 'a>,
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        // The last turn may pass the end of the tile; its address stays inside.
        let vectors = operand.tile_rows * operand.tile_cols / operand.width;
        let within = vectors % self.invocations() == 0;
        (0..self.moves(operand))
            .map(|turn| {
                let (_, row, col) = self.position(emit, body, operand, turn)?;
                self.access(emit, body, argument, operand, tile, [&row, &col], within)
            })
            .collect()
    }

    /// Reads one access of a tile; zeros beyond the end of the contraction.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn read<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        argument: usize,
        operand: &Operand,
        tile: &Tile<'c, 'a>,
        row: &Ix<'c, 'a>,
        col: &Ix<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let place = [row, col];
        let value = self.access(emit, body, argument, operand, tile, place, true)?;
        self.ended(emit, operand, &tile.k, place, value)
    }

    /// One access of a tile. Beyond an edge of the operand stands what is at the edge: of rows
    /// and columns that no result has, or of the contraction. `within` says that the position is
    /// inside the tile.
    #[allow(clippy::too_many_arguments)]
    fn access<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        argument: usize,
        operand: &Operand,
        tile: &Tile<'c, 'a>,
        [row, col]: [&Ix<'c, 'a>; 2],
        within: bool,
    ) -> Emitted<Value<'c, 'a>> {
        let element = self.problem.element.to_mlir(emit.context);
        let (row0, col0) = operand.stored(&tile.outer, &tile.k);
        let (width, source) = (operand.width, operand.source);
        let mut row = emit.shared(row0 + row.clone())?;
        if operand.rows % operand.tile_rows != 0 || !within {
            row = emit.shared(row.min(operand.rows - 1))?;
        }
        let first = emit.shared((col0 / width + col.clone()) * (width / source))?;
        let piece = |index: i64| {
            let mut col = &first + index;
            if operand.cols % operand.tile_cols != 0 {
                col = col.min(operand.cols / source - 1);
            }
            let place = [tile.batch.clone(), row.clone(), col];
            emit.load(body.arguments[argument], &place)
        };
        if source == width {
            return piece(0);
        }
        let mut lanes = Vec::new();
        for index in 0..width / source {
            let value = piece(index)?;
            for lane in 0..source {
                lanes.push(emit.lane(value, element, source, lane)?);
            }
        }
        emit.compose(&lanes, element)
    }

    /// An access of the tile from `k` on, with zeros beyond the end of the contraction.
    fn ended<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        operand: &Operand,
        k: &Ix<'c, 'a>,
        [row, col]: [&Ix<'c, 'a>; 2],
        value: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let element = self.problem.element.to_mlir(emit.context);
        let (depth, tile_k) = (self.problem.k as i64, self.schedule.tile_k);
        if depth % tile_k == 0 {
            return Ok(value);
        }
        let limit = Ix::Const(depth);
        if !operand.k_inner {
            let inside = emit.less(&(k + row.clone()), &limit)?;
            return emit.or_zero(Some(inside), value, element);
        }
        let (width, source) = (operand.width, operand.source);
        let first = emit.shared(k + col.clone() * width)?;
        // The contraction ends with an access.
        if source == width {
            let inside = emit.less(&first, &limit)?;
            return emit.or_zero(Some(inside), value, element);
        }
        let lanes = (0..width).map(|lane| {
            let inside = emit.less(&(&first + lane), &limit)?;
            emit.or_zero(
                Some(inside),
                emit.lane(value, element, width, lane)?,
                element,
            )
        });
        emit.compose(&lanes.collect::<Emitted<Vec<_>>>()?, element)
    }

    /// Writes this invocation's share of the tile from `k` on to workgroup memory; zeros beyond
    /// the end of the contraction.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn put<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        memory: usize,
        operand: &Operand,
        slot: &Ix<'c, 'a>,
        k: &Ix<'c, 'a>,
        values: &[Value<'c, 'a>],
    ) -> Emitted<()> {
        let vectors = operand.tile_rows * operand.tile_cols / operand.width;
        for (turn, value) in values.iter().enumerate() {
            let turn = turn as i64;
            let (number, row, col) = self.position(emit, body, operand, turn)?;
            let value = self.ended(emit, operand, k, [&row, &col], *value)?;
            let inside = emit.below(&number, (turn + 1) * self.invocations(), vectors)?;
            emit.when_some(inside, |emit| {
                emit.store(value, body.workgroup[memory], &[slot.clone(), row, col])
            })?;
        }
        Ok(())
    }

    /// sums += a tile · b tile.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn multiply<'c, 'a>(
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
        let step = s.steps();
        emit.for_loop(
            &Ix::Const(0),
            &Ix::Const(s.tile_k / step),
            1,
            sums,
            |emit, turn, sums| {
                let mut sums = sums.to_vec();
                for k in (0..step).step_by(s.vector_width as usize) {
                    let k = &turn * step + k;
                    let access = |index: usize| {
                        let memory = body.workgroup[index];
                        move |row: Ix<'c, 'a>, col: Ix<'c, 'a>| {
                            emit.load(memory, &[slot.clone(), row, col])
                        }
                    };
                    let rows = (s.thread_m, self.rows(a));
                    let left = self.fragment(emit, a, row, &k, rows, access(0))?;
                    let columns = (s.thread_n, self.columns());
                    let right = self.fragment(emit, b, col, &k, columns, access(1))?;
                    for (left, right) in left.iter().zip(&right) {
                        self.rank_one(emit, left, right, &mut sums)?;
                    }
                }
                Ok(sums)
            },
        )
    }

    /// `vector-width` steps of K of one operand: per step, `count` f32 scalars. `access`
    /// reads the one at a row and an access of it, as stored.
    pub(super) fn fragment<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        operand: &Operand,
        first: &Ix<'c, 'a>,
        k: &Ix<'c, 'a>,
        (count, share): (i64, Share),
        access: impl Fn(Ix<'c, 'a>, Ix<'c, 'a>) -> Emitted<Value<'c, 'a>>,
    ) -> Emitted<Vec<Vec<Value<'c, 'a>>>> {
        let element = self.problem.element.to_mlir(emit.context);
        let f32 = Type::float32(emit.context);
        let (width, steps) = (operand.width, self.schedule.vector_width);
        let mut fragment = vec![Vec::new(); steps as usize];
        let read = |row: Ix<'c, 'a>, col: Ix<'c, 'a>| -> Emitted<Vec<Value<'c, 'a>>> {
            let value = access(row, col / width)?;
            let value = emit.to_f32(value, element, width)?;
            (0..width)
                .map(|lane| emit.lane(value, f32, width, lane))
                .collect()
        };
        if operand.k_inner {
            for index in 0..count {
                for start in (0..steps).step_by(width as usize) {
                    let lanes = read(first + share.step(index), k + start)?;
                    for (lane, value) in lanes.into_iter().enumerate() {
                        fragment[start as usize + lane].push(value);
                    }
                }
            }
        } else {
            for step in 0..steps {
                for start in (0..count).step_by(width as usize) {
                    fragment[step as usize].extend(read(k + step, first + share.step(start))?);
                }
            }
        }
        Ok(fragment)
    }

    /// sums[i][j] += left[i] * right[j], with vectors along j.
    pub(super) fn rank_one<'c, 'a>(
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
}
