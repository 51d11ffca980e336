//! Reductions of a row: over the accesses of an invocation, over the lanes of an
//! access, then over invocations in a tree in workgroup memory.

use melior::ir::Value;

use super::Row;
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::tree,
};

/// The identity of a maximum: finite, because naga has no infinite literals.
const LOWEST: f64 = f32::MIN as f64;

/// How invocations combine what they gathered.
#[derive(Clone, Copy)]
pub(super) enum Combine {
    Sum,
    Max,
}

impl Combine {
    fn op(self) -> &'static str {
        match self {
            Combine::Sum => "arith.addf",
            Combine::Max => "arith.maximumf",
        }
    }

    fn identity(self) -> f64 {
        match self {
            Combine::Sum => 0.0,
            Combine::Max => LOWEST,
        }
    }
}

impl<'c, 'a> Row<'_, 'c, 'a> {
    /// Combines `term` of every element of the row. The result is a scalar where
    /// accesses lie along the row, else one lane per row.
    pub(super) fn reduce(
        &self,
        emit: &Emit<'c, 'a>,
        combine: Combine,
        term: impl Fn(&Emit<'c, 'a>, Value<'c, 'a>) -> Emitted<Value<'c, 'a>>,
    ) -> Emitted<Value<'c, 'a>> {
        let wide = self.wide(emit);
        let identity = emit.float(self.f32(emit), wide, combine.identity())?;
        let gathered = self.each(emit, &[identity], |emit, access, carried| {
            let mut value = term(emit, access.value)?;
            if let Some(inside) = access.inside {
                value = emit.value("arith.select", &[inside, value, identity], wide, &[])?;
            }
            Ok(vec![emit.same(combine.op(), &[carried[0], value])?])
        })?;
        let value = match self.kernel.along() {
            true => self.fold_lanes(emit, combine, gathered[0])?,
            false => gathered[0],
        };
        self.tree(emit, combine, value)
    }

    fn fold_lanes(
        &self,
        emit: &Emit<'c, 'a>,
        combine: Combine,
        value: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let width = self.kernel.width();
        let mut lanes: Vec<Value> = (0..width)
            .map(|lane| emit.lane(value, self.f32(emit), width, lane))
            .collect::<Emitted<_>>()?;
        while lanes.len() > 1 {
            let half = lanes.len() / 2;
            lanes = (0..half)
                .map(|lane| emit.same(combine.op(), &[lanes[lane], lanes[lane + half]]))
                .collect::<Emitted<_>>()?;
        }
        Ok(lanes[0])
    }

    /// Combines the values of all invocations in workgroup memory.
    fn tree(
        &self,
        emit: &Emit<'c, 'a>,
        combine: Combine,
        value: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let Some(memory) = self.body.workgroup.first().copied() else {
            return Ok(value);
        };
        let own = &self.body.invocation;
        emit.store(value, memory, std::slice::from_ref(own))?;
        let all = (own, self.kernel.schedule.workgroup_size);
        tree::combine(emit, combine.op(), memory, all, 1, |number, _| [number])?;
        let result = emit.load(memory, &[Ix::Const(0)])?;
        // The next reduction must not overwrite what others still have to read.
        emit.barrier()?;
        Ok(result)
    }
}
