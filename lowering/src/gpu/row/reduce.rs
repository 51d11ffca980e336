//! Reductions of a row: over the accesses of an invocation, over the lanes of an
//! access, then over invocations: in a tree in workgroup memory, or, with `shuffle`, within
//! subgroups first, whose results pass through workgroup memory where a row has several.

use melior::ir::Value;

use super::Row;
use crate::{
    emit::{Emit, Emitted, Ix},
    gpu::{row::RowKernel, shuffle, tree},
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

impl RowKernel {
    /// Neighbours whose values are combined by shuffles.
    fn neighbours(&self) -> i64 {
        match self.schedule.shuffle {
            0 => 1,
            // Distances are powers of two.
            _ => self
                .invocations()
                .min(self.subgroup_size & -self.subgroup_size),
        }
    }

    /// Rows and values of each that meet in workgroup memory, if any do.
    pub(super) fn memory(&self) -> Option<[i64; 2]> {
        let values = self.invocations() / self.neighbours();
        (values > 1).then_some([self.schedule.rows, values])
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
        self.combine(emit, combine, value)
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

    /// Combines the values of all invocations of the row.
    fn combine(
        &self,
        emit: &Emit<'c, 'a>,
        combine: Combine,
        value: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let (kernel, op) = (self.kernel, combine.op());
        let value = self.shuffled(emit, op, value)?;
        let (Some(memory), Some([_, values])) = (self.body.workgroup.first(), kernel.memory())
        else {
            return Ok(value);
        };
        let at = |number: Ix<'c, 'a>| [self.number.clone(), number];
        let neighbours = kernel.neighbours();
        let result = if neighbours == 1 {
            emit.store(value, *memory, &at(self.lane.clone()))?;
            let own = (&self.lane, values);
            tree::combine(emit, op, *memory, own, 1, |number, _| at(number))?;
            emit.load(*memory, &at(Ix::Const(0)))?
        } else {
            let first = emit.less(&(&self.lane % neighbours), &Ix::Const(1))?;
            emit.when(first, |emit| {
                emit.store(value, *memory, &at(&self.lane / neighbours))
            })?;
            emit.barrier()?;
            let mut result = emit.load(*memory, &at(Ix::Const(0)))?;
            for number in 1..values {
                let value = emit.load(*memory, &at(Ix::Const(number)))?;
                result = emit.same(op, &[result, value])?;
            }
            result
        };
        // The next reduction must not overwrite what others still have to read.
        emit.barrier()?;
        Ok(result)
    }

    /// Combines the values of neighbours, lane by lane.
    fn shuffled(
        &self,
        emit: &Emit<'c, 'a>,
        op: &str,
        value: Value<'c, 'a>,
    ) -> Emitted<Value<'c, 'a>> {
        let (neighbours, size) = (self.kernel.neighbours(), self.kernel.subgroup_size);
        if neighbours == 1 {
            return Ok(value);
        }
        let f32 = self.f32(emit);
        let width = match self.kernel.along() {
            true => 1,
            false => self.kernel.width(),
        };
        let lanes = (0..width).map(|lane| {
            let value = emit.lane(value, f32, width, lane)?;
            shuffle::combine(emit, op, value, neighbours, size)
        });
        emit.compose(&lanes.collect::<Emitted<Vec<_>>>()?, f32)
    }
}
