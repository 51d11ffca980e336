//! Values of expressions, for the invocations that take part.

use naga::{Expression, Handle, ScalarKind, TypeInner};

use super::{
    Domain, Run, Stop,
    column::{Column, Kind, Pointers, Shape, Variable, count},
    machine::{Frame, Machine},
    memory::Cell,
    unsupported,
};

/// Marks an offset that left an inner array.
pub(super) const OUTSIDE: i64 = i64::MIN / 2;

impl<'m, D: Domain> Machine<'m, D> {
    /// Evaluates an expression that a statement emits.
    pub fn evaluate(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        handle: Handle<Expression>,
        lanes: &[u32],
    ) -> Run<()> {
        let shape = frame.code.shape(handle);
        self.spend(lanes.len() * shape.components.max(1))?;
        let old = std::mem::replace(&mut frame.columns[handle.index()], Column::Empty);
        let function = frame.code.function;
        let column = match &function.expressions[handle] {
            Expression::Compose { components, .. } => {
                self.compose(frame, shape, components, lanes, old)?
            }
            Expression::Splat { size, value } => {
                let parts = vec![*value; count(*size)];
                self.compose(frame, shape, &parts, lanes, old)?
            }
            Expression::Swizzle {
                size,
                vector,
                pattern,
            } => {
                let parts: Vec<usize> = pattern[..count(*size)]
                    .iter()
                    .map(|part| *part as usize)
                    .collect();
                self.pick(frame, *vector, &parts, old)?
            }
            Expression::Access { base, index } => {
                self.access(frame, *base, Some(*index), 0, shape, lanes, old)?
            }
            Expression::AccessIndex { base, index } => {
                self.access(frame, *base, None, *index, shape, lanes, old)?
            }
            Expression::Load { pointer } => self.load(frame, *pointer, shape, lanes, old)?,
            Expression::Unary { op, expr } => self.unary(frame, *op, *expr, shape, lanes, old)?,
            Expression::Binary { op, left, right } => {
                self.binary(frame, *op, *left, *right, shape, lanes, old)?
            }
            Expression::Select {
                condition,
                accept,
                reject,
            } => self.select(frame, [*condition, *accept, *reject], shape, lanes, old)?,
            Expression::Relational { fun, argument } => {
                self.relational(frame, *fun, *argument, lanes)?
            }
            Expression::Math {
                fun,
                arg,
                arg1,
                arg2,
                ..
            } => {
                let operands: Vec<_> = [Some(*arg), *arg1, *arg2].into_iter().flatten().collect();
                self.math(frame, *fun, &operands, shape, lanes, old)?
            }
            Expression::As {
                expr,
                kind,
                convert,
            } => self.convert(frame, *expr, *kind, *convert, shape, lanes)?,
            Expression::ArrayLength(pointer) => self.length(frame, *pointer)?,
            Expression::CooperativeLoad { .. } | Expression::CooperativeMultiplyAdd { .. } => {
                return unsupported("cooperative matrices are not interpreted");
            }
            other => {
                let text = format!("{other:?}");
                let name = text.split([' ', '(', '{']).next().unwrap_or_default();
                return unsupported(format!("'{name}' is not interpreted"));
            }
        };
        frame.columns[handle.index()] = column;
        Ok(())
    }

    /// A buffer for floats, the old one where there is one.
    pub fn floats(&self, old: Column<D::Value>, components: usize) -> Vec<D::Value> {
        let mut values = match old {
            Column::Floats(values) => values,
            _ => Vec::new(),
        };
        values.resize(components * self.width, self.domain.integer(0));
        values
    }

    pub fn integers(&self, old: Column<D::Value>, components: usize) -> Vec<i64> {
        let mut values = match old {
            Column::Integers(values) => values,
            _ => Vec::new(),
        };
        values.resize(components * self.width, 0);
        values
    }

    fn compose(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        shape: Shape,
        parts: &[Handle<Expression>],
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        if shape.components == 0 {
            return unsupported("whole arrays and structures are not interpreted as values");
        }
        let width = self.width;
        let mut place = 0;
        if shape.kind.is_float() {
            let mut values = self.floats(old, shape.components);
            for part in parts {
                let from = frame.columns[part.index()].floats();
                for component in 0..from.len() / width {
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        values[place * width + lane] = from[component * width + lane];
                    }
                    place += 1;
                }
            }
            return Ok(Column::Floats(values));
        }
        let mut values = self.integers(old, shape.components);
        for part in parts {
            let from = frame.columns[part.index()].integers();
            for component in 0..from.len() / width {
                for lane in lanes.iter().map(|lane| *lane as usize) {
                    values[place * width + lane] = from[component * width + lane];
                }
                place += 1;
            }
        }
        Ok(Column::Integers(values))
    }

    /// Some components of a vector.
    fn pick(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        vector: Handle<Expression>,
        parts: &[usize],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let width = self.width;
        Ok(match &frame.columns[vector.index()] {
            Column::Floats(from) => {
                let mut values = self.floats(old, 0);
                for part in parts {
                    values.extend_from_slice(&from[part * width..(part + 1) * width]);
                }
                Column::Floats(values)
            }
            Column::Integers(from) => {
                let mut values = self.integers(old, 0);
                for part in parts {
                    values.extend_from_slice(&from[part * width..(part + 1) * width]);
                }
                Column::Integers(values)
            }
            _ => return unsupported("components of something that is no vector"),
        })
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "an index is an expression or a number"
    )]
    fn access(
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

    pub fn load(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        pointer: Handle<Expression>,
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let bytes = match shape.kind {
            Kind::Bool => 1,
            Kind::Signed(width) | Kind::Unsigned(width) | Kind::Float(width) => i64::from(width),
            _ => return unsupported("whole arrays and structures are not interpreted as values"),
        };
        let width = self.width;
        let is_float = shape.kind.is_float();
        let mut floats = Vec::new();
        let mut integers = Vec::new();
        match is_float {
            true => floats = self.floats(old, shape.components),
            false => integers = self.integers(old, shape.components),
        }
        let Frame {
            columns,
            locals,
            local_bytes,
            ..
        } = frame;
        let Some(pointers) = columns[pointer.index()].pointers() else {
            return unsupported("a pointer that was passed to a function");
        };
        for lane in lanes {
            let offset = pointers.offsets[*lane as usize];
            for component in 0..shape.components {
                let byte = offset.saturating_add(component as i64 * bytes);
                let cell = match pointers.variable {
                    Variable::Local(index) => {
                        let base = i64::from(*lane) * local_bytes[index];
                        let byte = if byte < 0 { byte } else { base + byte };
                        let stamp = super::memory::Stamp::default();
                        locals[index].read(byte, stamp)?
                    }
                    Variable::Global(index) => self.read_global(index, byte, bytes, *lane)?,
                };
                let place = component * width + *lane as usize;
                match (cell, is_float) {
                    (Some(Cell::Float(value)), true) => floats[place] = value,
                    (Some(Cell::Integer(value)), false) => integers[place] = value,
                    (None | Some(Cell::Unwritten), true) => {
                        floats[place] = self.domain.unwritten();
                    }
                    (None | Some(Cell::Unwritten), false) => {
                        return unsupported("it reads integers that nothing has written");
                    }
                    _ => return unsupported("it reads memory as another type"),
                }
            }
        }
        Ok(match is_float {
            true => Column::Floats(floats),
            false => Column::Integers(integers),
        })
    }

    fn read_global(
        &mut self,
        index: usize,
        byte: i64,
        bytes: i64,
        lane: u32,
    ) -> Run<Option<Cell<D::Value>>> {
        let Some((memory, base)) = self.globals[index] else {
            return unsupported("a variable that is bound to nothing");
        };
        if self.memories[memory].unit as i64 != bytes {
            return unsupported(format!(
                "'{}' is read as scalars of {bytes} bytes",
                self.memories[memory].name
            ));
        }
        let stamp = self.stamp(lane, memory);
        let place = if byte < 0 {
            byte
        } else {
            base.saturating_add(byte)
        };
        let cell = self.memories[memory].read(place, stamp)?;
        if cell.is_none() && self.beyond.is_none() {
            let memory = &self.memories[memory];
            self.beyond = Some(format!(
                "invocation {lane} of workgroup {} reads element {} of '{}', which has {}",
                self.number,
                place / memory.unit as i64,
                memory.name,
                memory.cells.len()
            ));
        }
        Ok(cell)
    }

    fn select(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        [condition, accept, reject]: [Handle<Expression>; 3],
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let width = self.width;
        let conditions = frame.columns[condition.index()].integers();
        let per_component = conditions.len() > width;
        let holds = |component: usize, lane: usize| {
            conditions[if per_component { component * width } else { 0 } + lane] != 0
        };
        let columns = &frame.columns;
        Ok(match (&columns[accept.index()], &columns[reject.index()]) {
            (Column::Floats(yes), Column::Floats(no)) => {
                let mut values = self.floats(old, shape.components);
                for component in 0..shape.components {
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        let place = component * width + lane;
                        let from = if holds(component, lane) { yes } else { no };
                        values[place] = from[place];
                    }
                }
                Column::Floats(values)
            }
            (Column::Integers(yes), Column::Integers(no)) => {
                let mut values = self.integers(old, shape.components);
                for component in 0..shape.components {
                    for lane in lanes.iter().map(|lane| *lane as usize) {
                        let place = component * width + lane;
                        let from = if holds(component, lane) { yes } else { no };
                        values[place] = from[place];
                    }
                }
                Column::Integers(values)
            }
            _ => return unsupported("a choice between values of no scalar type"),
        })
    }

    fn convert(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        value: Handle<Expression>,
        kind: ScalarKind,
        convert: Option<u8>,
        shape: Shape,
        lanes: &[u32],
    ) -> Run<Column<D::Value>> {
        let from = frame.code.shape(value);
        let width = self.width;
        let places = || {
            (0..shape.components).flat_map(|component| {
                lanes
                    .iter()
                    .map(move |lane| component * width + *lane as usize)
            })
        };
        let to_float = kind == ScalarKind::Float;
        if convert.is_none() && from.kind.is_float() != to_float {
            return unsupported("bits of floats as integers are not interpreted");
        }
        match &frame.columns[value.index()] {
            Column::Floats(values) if to_float => Ok(Column::Floats(values.clone())),
            Column::Floats(values) => {
                let mut results = self.integers(Column::Empty, shape.components);
                for place in places() {
                    let value = match kind {
                        ScalarKind::Bool => {
                            let zero = self.domain.integer(0);
                            let order = self.domain.compare(&values[place], &zero);
                            Some(i64::from(order != Some(std::cmp::Ordering::Equal)))
                        }
                        _ => self.domain.to_integer(&values[place]),
                    };
                    let Some(value) = value else {
                        return unsupported("it makes an integer of what is none");
                    };
                    results[place] = match shape.kind {
                        Kind::Signed(4) => value.clamp(i32::MIN.into(), i32::MAX.into()),
                        Kind::Unsigned(4) => value.clamp(0, u32::MAX.into()),
                        _ => value,
                    };
                }
                Ok(Column::Integers(results))
            }
            Column::Integers(values) if to_float => {
                let mut results = self.floats(Column::Empty, shape.components);
                for place in places() {
                    results[place] = self.domain.integer(values[place]);
                }
                Ok(Column::Floats(results))
            }
            Column::Integers(values) => {
                let mut results = self.integers(Column::Empty, shape.components);
                for place in places() {
                    results[place] = shape.kind.wrap(values[place]);
                }
                Ok(Column::Integers(results))
            }
            _ => unsupported("a conversion of what has no value"),
        }
    }

    /// Elements of a buffer, its guard zone left aside.
    fn length(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        pointer: Handle<Expression>,
    ) -> Run<Column<D::Value>> {
        let types = &self.program.module.types;
        let stride = match *frame.code.info[pointer].ty.inner_with(types) {
            TypeInner::Pointer { base, .. } => match self.program.inner(base) {
                TypeInner::Array { stride, .. } => *stride as usize,
                _ => return unsupported("the length of something that is no array"),
            },
            _ => return unsupported("the length of something that is no array"),
        };
        let Some(Pointers {
            variable: Variable::Global(index),
            ..
        }) = frame.columns[pointer.index()].pointers()
        else {
            return unsupported("the length of something that is no buffer");
        };
        let Some((memory, base)) = self.globals[*index] else {
            return unsupported("the length of what is bound to nothing");
        };
        let memory = &self.memories[memory];
        let elements = (memory.cells.len() * memory.unit - base as usize) / stride;
        Ok(Column::Integers(vec![elements as i64; self.width]))
    }
}
