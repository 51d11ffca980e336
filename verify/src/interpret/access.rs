//! Elements of vectors, and places in memory.

use naga::{Expression, Handle, TypeInner};

use super::{
    Domain, Run, Stop,
    column::{Column, Pointers, Shape, Variable, count},
    machine::{Frame, Machine},
    unsupported,
};

/// Marks an offset that left an inner array.
const OUTSIDE: i64 = i64::MIN / 2;

impl<'m, D: Domain> Machine<'m, D> {
    #[allow(
        clippy::too_many_arguments,
        reason = "an index is an expression or a number"
    )]
    pub fn access(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        base: Handle<Expression>,
        index: Option<Handle<Expression>>,
        fixed: u32,
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let index = index.map(|index| frame.columns[index.index()].integers());
        let at = |lane: u32| match index {
            Some(values) => values[lane as usize],
            None => i64::from(fixed),
        };
        let types = &self.program.module.types;
        let inner = frame.code.info[base].ty.inner_with(types);
        if let Column::Pointers(pointers) = &frame.columns[base.index()] {
            return self.step(inner, pointers, &at, lanes, old);
        }
        let components = frame.code.shape(base).components as i64;
        if components == 0 || shape.components != 1 {
            return unsupported("elements of something that is no vector");
        }
        if index.is_none() {
            return self.pick(frame, base, &[fixed as usize], old);
        }
        let outside = |lane: u32| {
            Stop::Refused(format!(
                "invocation {lane} of workgroup {} takes component {} of a vector of {components}",
                self.number,
                at(lane)
            ))
        };
        let place = |lane: u32| match at(lane) {
            component if (0..components).contains(&component) => {
                Ok(component as usize * self.width + lane as usize)
            }
            _ => Err(outside(lane)),
        };
        Ok(match &frame.columns[base.index()] {
            Column::Floats(from) => {
                let mut values = self.floats(old, 1);
                for lane in lanes {
                    values[*lane as usize] = from[place(*lane)?];
                }
                Column::Floats(values)
            }
            Column::Integers(from) => {
                let mut values = self.integers(old, 1);
                for lane in lanes {
                    values[*lane as usize] = from[place(*lane)?];
                }
                Column::Integers(values)
            }
            _ => return unsupported("elements of something that has no value"),
        })
    }

    /// A pointer to an element of what pointers point at.
    fn step(
        &self,
        inner: &TypeInner,
        pointers: &Pointers,
        at: &dyn Fn(u32) -> i64,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let (stride, most, members) = match inner {
            TypeInner::Pointer { base, .. } => match self.program.inner(*base) {
                TypeInner::Array {
                    size: naga::ArraySize::Constant(size),
                    stride,
                    ..
                } => (i64::from(*stride), i64::from(size.get()), None),
                TypeInner::Array { stride, .. } => (i64::from(*stride), i64::MAX, None),
                TypeInner::Vector { size, scalar } => {
                    (i64::from(scalar.width), count(*size) as i64, None)
                }
                TypeInner::Struct { members, .. } => (0, members.len() as i64, Some(members)),
                _ => return unsupported("columns of matrices are not interpreted"),
            },
            TypeInner::ValuePointer {
                size: Some(size),
                scalar,
                ..
            } => (i64::from(scalar.width), count(*size) as i64, None),
            _ => return unsupported("elements of another kind of pointer"),
        };
        let mut offsets = match old {
            Column::Pointers(old) => old.offsets,
            _ => Vec::new(),
        };
        offsets.resize(self.width, 0);
        for lane in lanes {
            let index = at(*lane);
            let from = pointers.offsets[*lane as usize];
            offsets[*lane as usize] = match members {
                _ if from < 0 || !(0..most).contains(&index) => OUTSIDE,
                Some(members) => from + i64::from(members[index as usize].offset),
                None => from.saturating_add(index.saturating_mul(stride)),
            };
        }
        Ok(Column::Pointers(Pointers {
            variable: pointers.variable,
            offsets,
        }))
    }

    /// Elements of a buffer, its guard zone left aside.
    pub fn length(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        pointer: Handle<Expression>,
    ) -> Run<Column<D::Value>> {
        let types = &self.program.module.types;
        let stride = match *frame.code.info[pointer].ty.inner_with(types) {
            TypeInner::Pointer { base, .. } => match self.program.inner(base) {
                TypeInner::Array { stride, .. } => i64::from(*stride),
                _ => return unsupported("the length of something that is no array"),
            },
            _ => return unsupported("the length of something that is no array"),
        };
        let Some(Pointers {
            variable: Variable::Global(index),
            offsets,
        }) = frame.columns[pointer.index()].pointers()
        else {
            return unsupported("the length of something that is no buffer");
        };
        let Some((memory, base)) = self.globals[*index] else {
            return unsupported("the length of what is bound to nothing");
        };
        let memory = &self.memories[memory];
        // Behind the members in front of it.
        let room = (memory.cells.len() * memory.unit) as i64 - base;
        let elements = offsets.iter().map(|offset| (room - offset).max(0) / stride);
        Ok(Column::Integers(elements.collect()))
    }
}
