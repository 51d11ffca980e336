//! Products on the matrix unit: the tiles in workgroup memory, multiplied by subgroups.
//!
//! A subgroup keeps thread-m x thread-n sums as square matrices of f32. What it has summed
//! passes one matrix at a time through workgroup memory, where every invocation takes whole
//! accesses of it through the epilogue to the result, so that edges are masked as ever.

use kforge_dialect::Element;
use melior::ir::{Type, Value};

use super::{MatmulKernel, tiles::Operand};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::{
        kernel::{Body, workgroup},
        matrix::{Matrices, Place, Role},
    },
};

/// Where the subgroup's share of a tile begins.
pub(super) struct Unit<'c, 'a> {
    number: Ix<'c, 'a>,
    row: Ix<'c, 'a>,
    col: Ix<'c, 'a>,
}

impl MatmulKernel {
    /// Workgroup memory that results pass through: a matrix of f32 per subgroup.
    pub(super) fn unit_results<'c>(&self, emit: &Emit<'c, '_>) -> Option<Type<'c>> {
        let (edge, out) = (self.schedule.matrix_unit, self.result_width());
        let dims = [self.schedule.shares(), edge, edge / out];
        (edge > 0).then(|| workgroup(emit, &dims, Element::F32, out))
    }

    /// The subgroup's share of the tile.
    pub(super) fn unit<'c, 'a>(&self, emit: &Emit<'c, 'a>) -> Emitted<Unit<'c, 'a>> {
        let number = emit.value("gpu.subgroup_id", &[], emit.index_type(), &[])?;
        let number = Ix::from(number);
        let [row, col] = self.share(&number);
        Ok(Unit {
            row: emit.shared(row)?,
            col: emit.shared(col)?,
            number,
        })
    }

    /// Where share `number` of a tile begins.
    fn share<'c, 'a>(&self, number: &Ix<'c, 'a>) -> [Ix<'c, 'a>; 2] {
        let s = &self.schedule;
        let columns = s.tile_n / s.thread_n;
        [number / columns * s.thread_m, number % columns * s.thread_n]
    }

    /// Matrices of a share along its rows and its columns.
    fn matrices(&self) -> [i64; 2] {
        let s = &self.schedule;
        [s.thread_m / s.matrix_unit, s.thread_n / s.matrix_unit]
    }

    fn square(&self) -> Matrices {
        Matrices {
            edge: self.schedule.matrix_unit,
            element: self.problem.element,
        }
    }

    /// Sums to begin with.
    pub(super) fn zero_matrices<'c, 'a>(&self, emit: &Emit<'c, 'a>) -> Emitted<Vec<Value<'c, 'a>>> {
        let zero = self.square().zero(emit)?;
        let [rows, cols] = self.matrices();
        Ok(vec![zero; (rows * cols) as usize])
    }

    /// sums += a tile · b tile, of the subgroup's share.
    pub(super) fn multiply_matrices<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        unit: &Unit<'c, 'a>,
        [a, b]: [&Operand; 2],
        slot: &Ix<'c, 'a>,
        sums: &[Value<'c, 'a>],
    ) -> Emitted<Vec<Value<'c, 'a>>> {
        let s = &self.schedule;
        let edge = s.matrix_unit;
        let step = s.steps();
        let turns = Ix::Const(s.tile_k / step);
        emit.for_loop(&Ix::Const(0), &turns, 1, sums, |emit, turn, sums| {
            let mut sums = sums.to_vec();
            for k in (0..step).step_by(edge as usize) {
                let k = emit.shared(&turn * step + k)?;
                let load = |index: usize, operand: &Operand, first: &Ix<'c, 'a>, number: i64| {
                    let outer = first + number * edge;
                    self.load_matrix(emit, body, index, operand, [slot, &outer, &k])
                };
                let [rows, cols] = self.matrices();
                let right = (0..cols).map(|col| load(1, b, &unit.col, col));
                let right = right.collect::<Emitted<Vec<_>>>()?;
                for row in 0..rows {
                    let left = load(0, a, &unit.row, row)?;
                    for (col, right) in right.iter().enumerate() {
                        let sum = &mut sums[(row * cols) as usize + col];
                        *sum = self.square().multiply(emit, left, *right, *sum)?;
                    }
                }
            }
            Ok(sums)
        })
    }

    /// One matrix of a tile: a's, with rows along the result, or b's, with columns along it.
    fn load_matrix<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        index: usize,
        operand: &Operand,
        [slot, outer, k]: [&Ix<'c, 'a>; 3],
    ) -> Emitted<Value<'c, 'a>> {
        let (role, in_order) = match index {
            0 => (Role::A, operand.k_inner),
            _ => (Role::B, !operand.k_inner),
        };
        let (row, col) = operand.stored(outer, k);
        let place = Place {
            memory: body.workgroup[index],
            at: vec![slot.clone(), row.clone(), col / operand.width],
            pitch: operand.tile_pitch(),
        };
        self.square().load(emit, role, &place, !in_order)
    }

    /// Stores the sums, through the epilogue where there is one.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn store_matrices<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        result: Value<'c, 'a>,
        plane: &Ix<'c, 'a>,
        [row, col]: [&Ix<'c, 'a>; 2],
        unit: &Unit<'c, 'a>,
        sums: &[Value<'c, 'a>],
        epilogue: Option<&[Value<'c, 'a>]>,
    ) -> Emitted<()> {
        let (s, p) = (&self.schedule, &self.problem);
        let (edge, out) = (s.matrix_unit, self.result_width());
        let Some(&memory) = body.workgroup.last() else {
            return Ok(());
        };
        // The share whose results an invocation takes is counted in invocations: barriers
        // stand between, so it need not be the one that its subgroup has summed.
        let number = emit.shared(&body.invocation / self.subgroup_size)?;
        let lane = emit.shared(&body.invocation % self.subgroup_size)?;
        let [own_row, own_col] = self.share(&number);
        let own_row = emit.shared(row + own_row)?;
        let own_col = emit.shared(col + own_col)?;
        let [tiles_m, ..] = self.tiles();
        let [_, cols] = self.matrices();
        let accesses = edge * edge / out;
        for (index, sum) in sums.iter().enumerate() {
            let (i, j) = (index as i64 / cols, index as i64 % cols);
            let place = Place {
                memory,
                at: vec![unit.number.clone(), Ix::Const(0), Ix::Const(0)],
                pitch: edge / out,
            };
            self.square().store(emit, *sum, &place)?;
            emit.barrier()?;
            for turn in 0..accesses
                .unsigned_abs()
                .div_ceil(self.subgroup_size.unsigned_abs()) as i64
            {
                let access = emit.shared(&lane + turn * self.subgroup_size)?;
                let inside = emit.below(&access, (turn + 1) * self.subgroup_size, accesses)?;
                emit.when_some(inside, |emit| {
                    let (r, c) = (&access / (edge / out), &access % (edge / out));
                    let row = emit.shared(&own_row + i * edge + r.clone())?;
                    let fits = emit.below(&row, tiles_m * s.tile_m, p.m as i64)?;
                    emit.when_some(fits, |emit| {
                        let value = emit.load(memory, &[number.clone(), r, c.clone()])?;
                        let at = emit.shared((&own_col + j * edge) / out + c)?;
                        let place = [plane.clone(), row, at];
                        self.store_one(emit, result, value, &place, epilogue)
                    })
                })?;
            }
            emit.barrier()?;
        }
        Ok(())
    }
}
