//! From accumulators to the result: bias, activation, factor, residual, the one
//! rounding, and the second kernel of split-k.

use kforge_dialect::Element;
use melior::ir::{Type, Value};

use super::{MatmulKernel, tiles::Operand};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::{
        activation::activation,
        kernel::{Emission, Frame},
    },
};

impl MatmulKernel {
    /// Stores the accumulators, through the epilogue where there is one.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn store<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        result: Value<'c, 'a>,
        plane: &Ix<'c, 'a>,
        a: &Operand,
        row: &Ix<'c, 'a>,
        col: &Ix<'c, 'a>,
        sums: &[Value<'c, 'a>],
        epilogue: Option<&[Value<'c, 'a>]>,
    ) -> Emitted<()> {
        let (s, p) = (&self.schedule, &self.problem);
        let [tiles_m, ..] = self.tiles();
        let (width, out) = (s.vector_width, self.result_width());
        let f32 = Type::float32(emit.context);
        let m = p.m as i64;
        let (rows, columns) = (self.rows(a), self.columns());
        for i in 0..s.thread_m {
            let row = emit.shared(row + rows.step(i))?;
            let row_fits = emit.below(&row, tiles_m * s.tile_m, m)?;
            emit.when_some(row_fits, |emit| {
                for j in (0..s.thread_n).step_by(out as usize) {
                    let sum = sums[((i * s.thread_n + j) / width) as usize];
                    let value = if out == width {
                        sum
                    } else {
                        emit.lane(sum, f32, width, j % width)?
                    };
                    let at = emit.shared((col + columns.step(j)) / out)?;
                    let place = [plane.clone(), row.clone(), at];
                    self.store_one(emit, result, value, &place, epilogue)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Stores one access of sums, whose row is inside, unless its column is beyond the edge.
    pub(super) fn store_one<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        result: Value<'c, 'a>,
        value: Value<'c, 'a>,
        place: &[Ix<'c, 'a>; 3],
        epilogue: Option<&[Value<'c, 'a>]>,
    ) -> Emitted<()> {
        let out = self.result_width();
        let [_, tiles_n, _] = self.tiles();
        let most = tiles_n * self.schedule.tile_n / out;
        let fits = emit.below(&place[2], most, self.problem.n as i64 / out)?;
        emit.when_some(fits, |emit| {
            let value = match epilogue {
                None => value,
                Some(arguments) => self.epilogue(emit, value, arguments, place)?,
            };
            emit.store(value, result, place)
        })
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
    pub(super) fn emit_reduction<'c, 'a>(
        &self,
        kernels: &Emit<'c, 'a>,
    ) -> Emitted<Emission<'c, 'a>> {
        let (s, p) = (&self.schedule, &self.problem);
        let width = self.result_width();
        let (batch, m, cols) = (p.batch as i64, p.m as i64, p.n as i64 / width);
        let total = batch * m * cols;
        let invocations = total.clamp(1, self.most_invocations.clamp(1, 64));
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
}
