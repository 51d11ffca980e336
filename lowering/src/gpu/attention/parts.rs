//! Parts of an attention: several workgroups each take some blocks of the keys of the same
//! queries and leave m, l and O in buffers, which a second kernel brings together.
//!
//! ```text
//! M = max m...   r = exp(m - M)   l = Σ l·r   O = Σ O·r / l
//! ```
//!
//! A part without keys leaves the least m, and 0.

use kforge_dialect::Element;
use melior::ir::{Type, Value};

use super::{
    AttentionKernel, FLOOR, Row, State,
    layout::{ceil_div, width},
};
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::kernel::{Body, Emission, Frame, storage},
};

/// Invocations of a workgroup that brings parts together.
const INVOCATIONS: i64 = 64;

impl AttentionKernel {
    pub(super) fn parts(&self) -> i64 {
        self.schedule.split_kv
    }

    /// Workgroups of one part.
    pub(super) fn workgroups_of_a_part(&self) -> i64 {
        self.batch * self.heads * ceil_div(self.queries, self.schedule.block_q)
    }

    /// Shapes of the scratch buffers of f32 that parts are left in: O, then m and l.
    pub fn parts_shapes(&self) -> Option<[[i64; 3]; 2]> {
        let planes = self.parts() * self.batch * self.heads;
        let shape = |numbers| [planes, self.queries, numbers];
        (self.parts() > 1).then(|| [shape(self.value_head), shape(2)])
    }

    /// The buffers as kernels see them.
    pub(super) fn parts_types<'c>(&self, emit: &Emit<'c, '_>) -> Vec<Type<'c>> {
        let Some([[planes, queries, size], numbers]) = self.parts_shapes() else {
            return Vec::new();
        };
        let lanes = width(size);
        vec![
            storage(emit, &[planes, queries, size / lanes], Element::F32, lanes),
            storage(emit, &numbers, Element::F32, 1),
        ]
    }

    /// The blocks of keys that a workgroup goes through, of `turns`.
    pub(super) fn turns_of<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        turns: Ix<'c, 'a>,
    ) -> Emitted<[Ix<'c, 'a>; 2]> {
        if self.parts() == 1 {
            return Ok([Ix::Const(0), turns]);
        }
        let blocks = ceil_div(self.keys, self.schedule.block_kv);
        let each = ceil_div(blocks, self.parts());
        let first = emit.shared(&body.workgroup_id / self.workgroups_of_a_part() * each)?;
        let last = emit.shared((&first + each).min(turns))?;
        Ok([first, last])
    }

    /// Leaves a part's O of a row.
    pub(super) fn leave<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        row: &Row<'c, 'a>,
        part: &Ix<'c, 'a>,
        state: &State<'c, 'a>,
    ) -> Emitted<()> {
        let [.., accumulators, _] = body.arguments[..] else {
            return Ok(());
        };
        let plane = self.plane_of_part(emit, body, &row.plane)?;
        for (d, value) in state.out.iter().enumerate() {
            let column = self.column(part, d as i64, self.value_head);
            let at = [plane.clone(), row.query.clone(), column];
            emit.store(*value, accumulators, &at)?;
        }
        Ok(())
    }

    /// Leaves m and l: of the rows that neighbours share, each those of its own.
    pub(super) fn leave_numbers<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        [plane, first]: [&Ix<'c, 'a>; 2],
        part: &Ix<'c, 'a>,
        states: &[State<'c, 'a>],
    ) -> Emitted<()> {
        let ([.., numbers], 2..) = (&body.arguments[..], self.parts()) else {
            return Ok(());
        };
        let block_q = self.schedule.block_q;
        let query = emit.shared(first + body.invocation.clone())?;
        let bound = ceil_div(self.queries, block_q) * block_q;
        let inside = emit.below(&query, bound, self.queries)?;
        let f32 = Type::float32(emit.context);
        emit.when_some(inside, |emit| {
            let plane = self.plane_of_part(emit, body, plane)?;
            let of = [
                |state: &State<'c, 'a>| state.max,
                |state: &State<'c, 'a>| state.sum,
            ];
            for (index, of) in of.into_iter().enumerate() {
                let mut own = of(&states[0]);
                for (number, state) in states.iter().enumerate().skip(1) {
                    let before = emit.less(part, &Ix::Const(number as i64))?;
                    own = emit.value("arith.select", &[before, own, of(state)], f32, &[])?;
                }
                let at = [plane.clone(), query.clone(), Ix::Const(index as i64)];
                emit.store(own, *numbers, &at)?;
            }
            Ok(())
        })
    }

    /// Where a plane of this workgroup's part lies.
    fn plane_of_part<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        plane: &Ix<'c, 'a>,
    ) -> Emitted<Ix<'c, 'a>> {
        let number = &body.workgroup_id / self.workgroups_of_a_part();
        emit.shared(number * (self.batch * self.heads) + plane.clone())
    }

    /// The kernel that brings parts together; its arguments are what they left and the result.
    pub(super) fn emit_together<'c, 'a>(
        &self,
        kernels: &Emit<'c, 'a>,
    ) -> Emitted<Emission<'c, 'a>> {
        let (planes, lanes) = (self.batch * self.heads, width(self.value_head));
        let accesses = self.value_head / lanes;
        let mut arguments = self.parts_types(kernels);
        arguments.push(self.rows(kernels, planes, self.queries, self.value_head));
        let total = planes * self.queries * accesses;
        let invocations = total.clamp(1, self.most_invocations.clamp(1, INVOCATIONS));
        let frame = Frame {
            name: self.name.clone(),
            arguments,
            workgroup: Vec::new(),
            invocations,
            workgroups: ceil_div(total, invocations),
        };
        let kernel = frame.kernel(kernels, |emit, body| {
            let number = emit.shared(&body.workgroup_id * invocations + body.invocation.clone())?;
            let inside = emit.below(&number, frame.workgroups * invocations, total)?;
            emit.when_some(inside, |emit| {
                let row = emit.shared(&number / accesses)?;
                let place = [
                    emit.shared(&row / self.queries)?,
                    emit.shared(row % self.queries)?,
                    emit.shared(&number % accesses)?,
                ];
                let (sum, out) = self.together_of(emit, body, &place)?;
                let value = self.divided(emit, out, sum)?;
                emit.store(value, body.arguments[2], &place)
            })
        })?;
        Ok(Emission { frame, kernel })
    }

    /// l of all parts of a row, and their O at one access.
    fn together_of<'c, 'a>(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        [plane, query, column]: &[Ix<'c, 'a>; 3],
    ) -> Emitted<(Value<'c, 'a>, Value<'c, 'a>)> {
        let (accumulators, numbers) = (body.arguments[0], body.arguments[1]);
        let (f32, lanes) = (Type::float32(emit.context), width(self.value_head));
        let planes = self.batch * self.heads;
        let number = |emit: &Emit<'c, 'a>, part: &Ix<'c, 'a>, index: i64| {
            let at = [
                part * planes + plane.clone(),
                query.clone(),
                Ix::Const(index),
            ];
            emit.load(numbers, &at)
        };
        let (from, to) = (Ix::Const(0), Ix::Const(self.parts()));
        let least = emit.float(f32, f32, FLOOR)?;
        let max = emit.for_loop(&from, &to, 1, &[least], |emit, part, max| {
            let own = number(emit, &part, 0)?;
            Ok(vec![emit.same("arith.maximumf", &[max[0], own])?])
        })?[0];
        let zero = emit.float(f32, f32, 0.0)?;
        let zeros = emit.float(f32, emit.vector_type(f32, lanes), 0.0)?;
        let sums = emit.for_loop(&from, &to, 1, &[zero, zeros], |emit, part, sums| {
            let difference = emit.same("arith.subf", &[number(emit, &part, 0)?, max])?;
            let rescale = emit.same("math.exp", &[difference])?;
            let sum = number(emit, &part, 1)?;
            let sum = emit.same("math.fma", &[sum, rescale, sums[0]])?;
            let at = [
                &part * planes + plane.clone(),
                query.clone(),
                column.clone(),
            ];
            let out = emit.load(accumulators, &at)?;
            let rescale = emit.broadcast(rescale, f32, lanes)?;
            Ok(vec![sum, emit.same("math.fma", &[out, rescale, sums[1]])?])
        })?;
        Ok((sums[0], sums[1]))
    }
}
